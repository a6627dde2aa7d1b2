import CLMDB
import Glibc

/// The `MDB_txn` behind a transaction: aborted when it goes out of scope without commit.
struct TransactionCore: ~Copyable {
    let pointer: OpaquePointer
    let environment: Environment
    /// The handles of named databases, those included that this transaction opened.
    private let handles: HandleTable
    /// Whether liblmdb has freed the transaction already.
    private var isOver = false

    /// Handles are looked up through a borrowed transaction, hence the reference.
    private final class HandleTable {
        var opened: [String: MDB_dbi]
        init(_ opened: [String: MDB_dbi]) { self.opened = opened }
    }

    init(_ pointer: OpaquePointer, _ environment: Environment, opened: [String: MDB_dbi]) {
        self.pointer = pointer
        self.environment = environment
        handles = HandleTable(opened)
    }

    deinit {
        if !isOver { mdb_txn_abort(pointer) }
    }

    /// Ends a read transaction in the way that keeps the handles it opened.
    consuming func finishReading() -> [String: MDB_dbi] {
        isOver = true
        mdb_txn_commit(pointer)
        return handles.opened
    }

    consuming func commit() throws(LMDBError) -> [String: MDB_dbi] {
        isOver = true
        let result = mdb_txn_commit(pointer)
        if result != 0 { throw environment.error(result, "commit a write transaction") }
        return handles.opened
    }

    func open(_ name: String, flags: UInt32) throws(LMDBError) -> Database? {
        let handle: MDB_dbi
        if let known = handles.opened[name] {
            handle = known
        } else {
            var new = MDB_dbi()
            let result = mdb_dbi_open(pointer, name, flags, &new)
            if result == MDB_NOTFOUND { return nil }
            if result != 0 { throw environment.error(result, "open the database \(name)") }
            handle = new
            handles.opened[name] = new
        }
        var actual: UInt32 = 0
        let result = mdb_dbi_flags(pointer, handle, &actual)
        // A handle outlives its database when another process drops that.
        if result == MDB_NOTFOUND || result == MDB_BAD_DBI { return nil }
        if result != 0 { throw environment.error(result, "read the flags of the database \(name)") }
        return Database(handle: handle, name: name, flags: DatabaseFlags(rawValue: actual))
    }
}

/// What read and write transactions have in common.
package protocol Transaction: ~Copyable {
    /// The `MDB_txn`.
    var pointer: OpaquePointer { get }
    /// The environment that it belongs to.
    var environment: Environment { get }
    /// A named database, nil when there is none of that name.
    func database(_ name: String) throws(LMDBError) -> Database?
}

extension Transaction where Self: ~Copyable {
    /// The transaction ID: of a reader that of the newest commit it sees, of a writer its own.
    package var id: UInt64 { UInt64(mdb_txn_id(pointer)) }

    /// The named databases, sorted bytewise. Plain entries of the unnamed database are left out.
    package func databases() throws(LMDBError) -> [Database] {
        var main = MDB_dbi()
        let result = mdb_dbi_open(pointer, nil, 0, &main)
        if result != 0 { throw environment.error(result, "open the main database") }
        var names: [String] = []
        var cursor = try openCursor(Database(handle: main, name: "", flags: []))
        while try cursor.next() {
            // The main database holds the others under their names; a NUL can't be part of one.
            guard !cursor.key.isEmpty, !cursor.key.contains(0) else { continue }
            guard let name = String(validating: cursor.key, as: UTF8.self) else { continue }
            names.append(name)
        }
        var found: [Database] = []
        for name in names {
            do throws(LMDBError) {
                if let database = try database(name) { found.append(database) }
            } catch  where error.code == .incompatible {
                continue
            }
        }
        return found
    }

    /// The value of a key, nil when there is none. Valid until the transaction ends or writes.
    package func get(_ database: Database, _ key: UnsafeRawBufferPointer) throws(LMDBError) -> UnsafeRawBufferPointer? {
        var key = MDB_val(key)
        var value = MDB_val()
        let result = mdb_get(pointer, database.handle, &key, &value)
        if result == MDB_NOTFOUND { return nil }
        if result != 0 { throw environment.error(result, "read from the database \(database.name)") }
        return UnsafeRawBufferPointer(value)
    }

    /// Opens a cursor that stands before the first entry. It must not outlive the transaction.
    package func openCursor(_ database: Database) throws(LMDBError) -> Cursor {
        var cursor: OpaquePointer?
        let result = mdb_cursor_open(pointer, database.handle, &cursor)
        guard result == 0, let cursor else {
            throw environment.error(result, "open a cursor on the database \(database.name)")
        }
        return Cursor(cursor, environment, database)
    }

    /// The size and shape of a database.
    package func statistics(_ database: Database) throws(LMDBError) -> DatabaseStatistics {
        var stat = MDB_stat()
        let result = mdb_stat(pointer, database.handle, &stat)
        if result != 0 { throw environment.error(result, "read the statistics of the database \(database.name)") }
        return DatabaseStatistics(
            entries: Int(stat.ms_entries), depth: Int(stat.ms_depth), branchPages: Int(stat.ms_branch_pages),
            leafPages: Int(stat.ms_leaf_pages), overflowPages: Int(stat.ms_overflow_pages), pageSize: Int(stat.ms_psize)
        )
    }

    /// Compares two keys in the sort order of a database: negative, zero or positive.
    package func compare(_ database: Database, _ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        var (a, b) = (MDB_val(a), MDB_val(b))
        return Int(mdb_cmp(pointer, database.handle, &a, &b))
    }
}

/// One consistent view of an environment; see ``Environment/read(_:)``.
package struct ReadTransaction: Transaction, ~Copyable {
    let core: TransactionCore

    init(core: consuming TransactionCore) { self.core = core }

    package var pointer: OpaquePointer { core.pointer }
    package var environment: Environment { core.environment }

    package func database(_ name: String) throws(LMDBError) -> Database? { try core.open(name, flags: 0) }
}

/// A transaction that holds the environment's write lock; see ``Environment/write(_:)``.
package struct WriteTransaction: Transaction, ~Copyable {
    let core: TransactionCore

    init(core: consuming TransactionCore) { self.core = core }

    package var pointer: OpaquePointer { core.pointer }
    package var environment: Environment { core.environment }

    package func database(_ name: String) throws(LMDBError) -> Database? { try core.open(name, flags: 0) }

    /// A named database, created with these flags when there is none of that name.
    package func database(_ name: String, creating flags: DatabaseFlags) throws(LMDBError) -> Database {
        if let existing = try core.open(name, flags: 0) { return existing }
        if let created = try core.open(name, flags: flags.rawValue | UInt32(MDB_CREATE)) { return created }
        throw environment.error(MDB_NOTFOUND, "create the database \(name)")
    }

    /// Writes a value; an existing one is replaced.
    package func put(
        _ database: Database, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(LMDBError) {
        var (key, value) = (MDB_val(key), MDB_val(value))
        let result = mdb_put(pointer, database.handle, &key, &value, 0)
        if result != 0 { throw environment.error(result, "write to the database \(database.name)") }
    }

    /// Removes a key with its value.
    ///
    /// - Returns: whether it was there.
    @discardableResult
    package func delete(_ database: Database, _ key: UnsafeRawBufferPointer) throws(LMDBError) -> Bool {
        var key = MDB_val(key)
        let result = mdb_del(pointer, database.handle, &key, nil)
        if result == MDB_NOTFOUND { return false }
        if result != 0 { throw environment.error(result, "delete from the database \(database.name)") }
        return true
    }
}

import CLMDB

/// The `MDB_txn` of a transaction: aborted when it goes out of scope without commit.
struct TransactionCore: ~Copyable {
    let pointer: OpaquePointer
    let environment: Environment
    let bounds: PageBounds
    let databases = NamedDatabases()
    /// Whether liblmdb has already freed the transaction.
    private var isOver = false

    init(_ pointer: OpaquePointer, _ environment: Environment, readOnly: Bool) {
        self.pointer = pointer
        self.environment = environment
        bounds = PageBounds(environment.info, isReadOnly: readOnly)
    }

    deinit {
        if !isOver { mdb_txn_abort(pointer) }
    }

    /// Ends the transaction; nothing written becomes visible.
    consuming func abort() {
        isOver = true
        mdb_txn_abort(pointer)
    }

    /// Leaks a read transaction with its small allocation.
    consuming func abandon() { isOver = true }

    /// Makes everything written visible; ends a read transaction so that the handles it opened are kept.
    consuming func commit() throws(LMDBError) {
        isOver = true
        let result = mdb_txn_commit(pointer)
        if result != 0 { throw environment.error(result, "commit a write transaction") }
    }
}

/// The interface shared by read and write transactions.
package protocol Transaction: ~Copyable {
    /// The `MDB_txn`.
    var pointer: OpaquePointer { get }
    /// The environment that it belongs to.
    var environment: Environment { get }
    /// The valid addresses of read data.
    var bounds: PageBounds { get }

    /// The named databases, sorted bytewise.
    ///
    /// Plain entries of the unnamed database are left out, and names that are not UTF-8 or contain a NUL, which
    /// cannot be opened by name.
    func databases() throws(LMDBError) -> [Database]

    /// A named database, nil if it does not exist.
    ///
    /// - Throws: ``LMDBError/Code/badName`` for a name that is not valid (empty, longer than a key, with a NUL),
    ///   ``LMDBError/Code/incompatible`` if an entry with this name is not a database,
    ///   ``LMDBError/Code/databasesFull`` if more are open than the options allow.
    func database(_ name: String) throws(LMDBError) -> Database?
}

extension Transaction where Self: ~Copyable {
    /// The transaction ID: for a reader that of the newest visible commit, for a writer its own.
    package var id: UInt64 { UInt64(truncatingIfNeeded: mdb_txn_id(pointer)) }

    /// The value of a key, nil if there is none; of several values the first.
    ///
    /// The bytes are in the map: they are valid until the transaction ends or writes.
    ///
    /// - Throws: ``LMDBError/Code/badSize`` for an empty key, and for an invalid size of an integer key.
    package func get(_ database: Database, _ key: UnsafeRawBufferPointer) throws(LMDBError) -> UnsafeRawBufferPointer? {
        try environment.checkKey(key, of: database, pointer)
        var mdbKey = MDB_val(key)
        var value = MDB_val()
        let result = mdb_get(pointer, database.handle, &mdbKey, &value)
        if result == MDB_NOTFOUND { return nil }
        if result != 0 {
            throw environment.error(
                bounds.meaning(of: result), "read from DBI \(database.name)", key: key.count)
        }
        guard bounds.contain(value) || bounds.containOverflow(value) else {
            throw environment.error(MDB_CORRUPTED, "read from DBI \(database.name)")
        }
        return UnsafeRawBufferPointer(value)
    }

    /// Opens a cursor before the first entry. It must not outlive the transaction.
    package func openCursor(_ database: Database) throws(LMDBError) -> Cursor {
        var cursor: OpaquePointer?
        let result = mdb_cursor_open(pointer, database.handle, &cursor)
        guard result == 0, let cursor else {
            throw environment.error(bounds.meaning(of: result), "open a cursor on DBI \(database.name)")
        }
        return Cursor(cursor, environment, database, bounds)
    }

    /// The size and shape of a database.
    package func statistics(_ database: Database) throws(LMDBError) -> DatabaseStatistics {
        var stat = MDB_stat()
        let result = mdb_stat(pointer, database.handle, &stat)
        if result != 0 {
            throw environment.error(
                bounds.meaning(of: result), "read the statistics of DBI \(database.name)")
        }
        return DatabaseStatistics(
            entries: Int(stat.ms_entries), depth: Int(stat.ms_depth), branchPages: Int(stat.ms_branch_pages),
            leafPages: Int(stat.ms_leaf_pages), overflowPages: Int(stat.ms_overflow_pages), pageSize: Int(stat.ms_psize)
        )
    }

    /// Compares two keys in the sort order of a database: negative, zero or positive.
    ///
    /// Integer keys of different sizes, which no database contains together, compare by size.
    package func compare(_ database: Database, _ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        if database.flags.contains(.integerKey), a.count != b.count || !integerSizes.contains(a.count) {
            return a.count - b.count
        }
        var (a, b) = (MDB_val(a), MDB_val(b))
        return Int(mdb_cmp(pointer, database.handle, &a, &b))
    }
}

/// One consistent view of an environment; see ``Environment/read(_:)``.
package struct ReadTransaction: Transaction, ~Copyable {
    let core: TransactionCore

    init(core: consuming TransactionCore) { self.core = core }

    /// The `MDB_txn`.
    package var pointer: OpaquePointer { core.pointer }
    /// The environment that it belongs to.
    package var environment: Environment { core.environment }
    /// The valid addresses of read data.
    package var bounds: PageBounds { core.bounds }
    /// The named databases; see ``Transaction/databases()``.
    package func databases() throws(LMDBError) -> [Database] { try core.databases.all(pointer, environment) }

    /// A named database, nil if it does not exist; see ``Transaction/database(_:)``.
    package func database(_ name: String) throws(LMDBError) -> Database? {
        try core.databases.database(name, pointer, environment)
    }
}

/// A transaction that holds the environment's write lock; see ``Environment/write(_:)``.
package struct WriteTransaction: Transaction, ~Copyable {
    let core: TransactionCore

    init(core: consuming TransactionCore) { self.core = core }

    /// The `MDB_txn`.
    package var pointer: OpaquePointer { core.pointer }
    /// The environment that it belongs to.
    package var environment: Environment { core.environment }
    /// The valid addresses of read data.
    package var bounds: PageBounds { core.bounds }
    /// The named databases; see ``Transaction/databases()``.
    package func databases() throws(LMDBError) -> [Database] { try core.databases.all(pointer, environment) }

    /// A named database, nil if it does not exist; see ``Transaction/database(_:)``.
    package func database(_ name: String) throws(LMDBError) -> Database? {
        try core.databases.database(name, pointer, environment)
    }

    /// A named database, created with these flags if it does not exist.
    ///
    /// An existing one keeps its flags.
    ///
    /// - Throws: as ``Transaction/database(_:)``, and ``LMDBError/Code/incompatible`` for flags that are unknown to LMDB
    ///   or cannot be combined.
    package func database(_ name: String, creating flags: DatabaseFlags) throws(LMDBError) -> Database {
        try core.databases.database(name, creating: flags, pointer, environment)
    }

    /// Writes a value: replaces an existing one, or adds to the values if a key may have several.
    ///
    /// - Parameters:
    ///   - key: 1 to ``Environment/maximumKeySize`` bytes.
    ///   - value: less than 4 GiB; if a key may have several values, no longer than a key.
    /// - Throws: ``LMDBError/Code/badSize`` for other sizes, and for sizes that do not match integer keys or values
    ///   of fixed size.
    package func put(
        _ database: Database, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(LMDBError) {
        try environment.checkKey(key, of: database, pointer)
        try environment.checkValue(value, of: database, pointer)
        var (mdbKey, mdbValue) = (MDB_val(key), MDB_val(value))
        let result = mdb_put(pointer, database.handle, &mdbKey, &mdbValue, 0)
        if result != 0 {
            throw environment.error(
                result, "write to DBI \(database.name)", key: key.count, value: value.count)
        }
    }

    /// Removes a key with its value, or all its values.
    ///
    /// - Returns: whether it existed.
    /// - Throws: ``LMDBError/Code/badSize`` for an empty key, and for an invalid size of an integer key.
    @discardableResult
    package func delete(_ database: Database, _ key: UnsafeRawBufferPointer) throws(LMDBError) -> Bool {
        try environment.checkKey(key, of: database, pointer)
        var mdbKey = MDB_val(key)
        let result = mdb_del(pointer, database.handle, &mdbKey, nil)
        if result == MDB_NOTFOUND { return false }
        if result != 0 { throw environment.error(result, "delete from DBI \(database.name)", key: key.count) }
        return true
    }

    /// Drops a named database with its contents, permanently when the transaction is committed.
    ///
    /// - Parameter database: opened in this transaction; neither it nor a cursor on it may be used afterwards.
    /// - Throws: ``LMDBError`` if it was dropped already. If LMDB itself fails, the transaction cannot be
    ///   committed.
    package func drop(_ database: Database) throws(LMDBError) {
        let (databases, pointer, environment) = (core.databases, pointer, environment)
        try environment.withoutOthers(forgetting: database.name) { () throws(LMDBError) in
            try databases.drop(database, pointer, environment)
        }
    }

    /// Removes one value of a key, if a key may have several values.
    ///
    /// - Returns: whether it existed.
    /// - Throws: as ``Cursor/find(_:value:)``.
    @discardableResult
    package func delete(
        _ database: Database, _ key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
    ) throws(LMDBError) -> Bool {
        var cursor = try openCursor(database)
        guard try cursor.find(key, value: value) else { return false }
        let result = mdb_cursor_del(cursor.pointer, 0)
        if result != 0 { throw environment.error(result, "delete from DBI \(database.name)", key: key.count) }
        return true
    }
}

import CLMDB

/// The handles (DBI numbers) of named databases that are open in an environment.
///
/// Handles stay open from one transaction to the next, while other processes drop databases and make them anew,
/// perhaps with other flags. liblmdb does not notice: it would go on with the handle's old flags, or take a dropped
/// database for one that is there. So each transaction checks a handle, before its first use, against the record
/// that the unnamed database holds of the database.
///
/// A class because handles are looked up through a borrowed transaction.
final class HandleTable {
    // By bytes: a String equals another one that is the same text in other code points.
    typealias Name = [UInt8]

    /// Open after the transactions before.
    private var kept: [Name: MDB_dbi]
    /// Checked or opened in this transaction.
    private var checked: [Name: Database] = [:]
    /// Opened in this transaction: closed by liblmdb if it is aborted.
    private var opened: Set<Name> = []

    init(_ kept: [Name: MDB_dbi]) { self.kept = kept }

    /// What is open after the transaction.
    ///
    /// - Parameter kept: whether the transaction ended in a way that keeps the handles it opened.
    func handles(keepingOpened isKept: Bool) -> [Name: MDB_dbi] {
        isKept ? kept : kept.filter { !opened.contains($0.key) }
    }

    /// The database of a name, nil when there is none.
    ///
    /// - Parameter creating: the flags to create it with where there is none.
    func database(
        _ text: String, creating flags: DatabaseFlags? = nil, _ transaction: OpaquePointer, _ environment: Environment
    ) throws(LMDBError) -> Database? {
        let name = try Self.check(text, environment)
        if let known = checked[name] { return known }
        guard let main = try Self.main(transaction, environment) else {
            guard flags != nil else { return nil }
            throw environment.error(MDB_INCOMPATIBLE, "create the database \(text)")
        }
        let stored = try Self.storedFlags(name, text, main, transaction, environment)
        if let handle = kept[name] {
            var known: UInt32 = 0
            let result = mdb_dbi_flags(transaction, handle, &known)
            if result == 0, case .flags(known) = stored {
                return try add(
                    Database(handle: handle, name: text, flags: DatabaseFlags(rawValue: known)), name, environment)
            }
            close(name, transaction)
        }
        var mode: UInt32 = 0
        if stored == .missing {
            guard let flags else { return nil }
            guard flags.areConsistent else { throw Self.unusable(flags, "create", text, .incompatible, environment) }
            mode = flags.rawValue | UInt32(MDB_CREATE)
        }
        var handle = MDB_dbi()
        var result = mdb_dbi_open(transaction, text, mode, &handle)
        if result == MDB_DBS_FULL, try closeVanished(main, transaction, environment) {
            result = mdb_dbi_open(transaction, text, mode, &handle)
        }
        if result == MDB_NOTFOUND { return nil }
        if result != 0 {
            throw environment.error(result, "\(stored == .missing ? "create" : "open") the database \(text)")
        }
        kept[name] = handle
        opened.insert(name)
        var actual: UInt32 = 0
        result = mdb_dbi_flags(transaction, handle, &actual)
        if result != 0 { throw environment.error(result, "read the flags of the database \(text)") }
        return try add(Database(handle: handle, name: text, flags: DatabaseFlags(rawValue: actual)), name, environment)
    }

    /// Drops a database with everything in it.
    ///
    /// liblmdb closes the handle at once, and does not open it again when the transaction is aborted: it must be
    /// forgotten here in any case, for its number may go to another database.
    func drop(
        _ database: Database, _ transaction: OpaquePointer, _ environment: Environment
    ) throws(LMDBError) {
        let name = Name(database.name.utf8)
        guard let known = checked[name], known.handle == database.handle else {
            throw environment.error(MDB_BAD_DBI, "drop the database \(database.name)")
        }
        let result = mdb_drop(transaction, database.handle, 1)
        if result != 0 { throw environment.error(result, "drop the database \(database.name)") }
        checked[name] = nil
        kept[name] = nil
        opened.remove(name)
    }

    private func add(_ database: Database, _ name: Name, _ environment: Environment) throws(LMDBError) -> Database {
        guard database.flags.areConsistent else {
            throw Self.unusable(database.flags, "open", database.name, .corrupted, environment)
        }
        checked[name] = database
        return database
    }

    private func close(_ name: Name, _ transaction: OpaquePointer) {
        guard let handle = kept.removeValue(forKey: name) else { return }
        // Allowed here: it has not been used in this transaction, and there is no other one.
        mdb_dbi_close(mdb_txn_env(transaction), handle)
    }

    /// Closes the handles of databases that are gone, for an application that makes and drops many of them.
    private func closeVanished(
        _ main: MDB_dbi, _ transaction: OpaquePointer, _ environment: Environment
    ) throws(LMDBError) -> Bool {
        var hasRoom = false
        for name in kept.keys where checked[name] == nil {
            let text = String(decoding: name, as: UTF8.self)
            guard try Self.storedFlags(name, text, main, transaction, environment) == .missing else { continue }
            close(name, transaction)
            hasRoom = true
        }
        return hasRoom
    }

    // MARK: The main database

    /// The handle of the unnamed database, nil when its flags keep it from holding named ones.
    static func main(_ transaction: OpaquePointer, _ environment: Environment) throws(LMDBError) -> MDB_dbi? {
        var main = MDB_dbi()
        var flags: UInt32 = 0
        var result = mdb_dbi_open(transaction, nil, 0, &main)
        if result == 0 { result = mdb_dbi_flags(transaction, main, &flags) }
        if result != 0 { throw environment.error(result, "open the main database") }
        return DatabaseFlags(rawValue: flags).isDisjoint(with: [.duplicateSort, .integerKey]) ? main : nil
    }

    private enum Stored: Equatable {
        case missing
        case flags(UInt32)
        case notADatabase
    }

    /// What the main database holds under a name.
    ///
    /// A database's record is 48 bytes, with its flags in bytes 4 and 5 (`MDB_db` of data format version 1). Whether
    /// an entry of that size is a record is found out by `mdb_dbi_open`.
    private static func storedFlags(
        _ name: Name, _ text: String, _ main: MDB_dbi, _ transaction: OpaquePointer, _ environment: Environment
    ) throws(LMDBError) -> Stored {
        var value = MDB_val()
        let result = name.withUnsafeBytes { bytes in
            var key = MDB_val(bytes)
            return mdb_get(transaction, main, &key, &value)
        }
        if result == MDB_NOTFOUND { return .missing }
        if result != 0 { throw environment.error(result, "look up the database \(text)") }
        guard value.mv_size == 48, let record = value.mv_data else { return .notADatabase }
        return .flags(UInt32(record.loadUnaligned(fromByteOffset: 4, as: UInt16.self)))
    }

    /// The bytes of a name that LMDB can take: a C string and a key.
    private static func check(_ name: String, _ environment: Environment) throws(LMDBError) -> Name {
        let bytes = Name(name.utf8)
        let longest = environment.maximumKeySize
        guard !bytes.isEmpty, bytes.count <= longest, !bytes.contains(0) else {
            let problem = bytes.contains(0) ? "contains a NUL" : "has \(bytes.count) bytes, LMDB takes 1 to \(longest)"
            throw LMDBError(
                .badName,
                "cannot open a database of LMDB \(environment.options.dataFile): its name \(problem)")
        }
        return bytes
    }

    private static func unusable(
        _ flags: DatabaseFlags, _ operation: String, _ name: String, _ code: LMDBError.Code, _ environment: Environment
    ) -> LMDBError {
        LMDBError(
            code,
            "cannot \(operation) the database \(name) of LMDB \(environment.options.dataFile): the flags "
                + "0x\(String(flags.rawValue, radix: 16)) are unknown, or need MDB_DUPSORT and come without it")
    }
}

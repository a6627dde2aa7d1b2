import CLMDB

/// The named databases of one transaction, each with its handle.
///
/// A class because databases are looked up through a borrowed transaction.
final class NamedDatabases {
    typealias Name = OpenHandles.Name

    private var present: [Name: Database] = [:]
    /// Dropped databases with open handles.
    private var vanished: [Name: Database] = [:]
    /// The error of `mdb_dbi_open` for those that cannot be opened.
    private(set) var failures: [Name: Int32] = [:]
    /// Opened in this transaction: closed by liblmdb if it is aborted.
    private(set) var opened: [Name: Database] = [:]

    /// Sets the databases found at the begin of the transaction.
    ///
    /// - Parameter failures: the errors of those that could not be opened.
    func begin(_ survey: DatabaseSurvey, failures: [Name: Int32]) {
        (present, vanished, self.failures) = (survey.present, survey.vanished, failures)
    }

    /// The same for a transaction that may open handles, which opens missing ones.
    func begin(
        opening survey: DatabaseSurvey, _ transaction: OpaquePointer, _ environment: Environment
    ) throws(LMDBError) {
        begin(survey, failures: [:])
        for (name, text) in survey.missing { try open(name, text, transaction, environment) }
    }

    /// All databases, sorted bytewise by name.
    func all(_ transaction: OpaquePointer, _ environment: Environment) throws(LMDBError) -> [Database] {
        let names = (Array(present.keys) + failures.keys).sorted { $0.lexicographicallyPrecedes($1) }
        var found: [Database] = []
        for name in names where failures[name] != MDB_INCOMPATIBLE {
            if let known = present[name], known.flags.areConsistent {
                found.append(known)
                continue
            }
            let text = String(decoding: name, as: UTF8.self)
            if let database = try database(text, transaction, environment) { found.append(database) }
        }
        return found
    }

    /// The database with a name, nil if it does not exist.
    func database(
        _ text: String, _ transaction: OpaquePointer, _ environment: Environment
    ) throws(LMDBError) -> Database? {
        let name = try Self.check(text, environment)
        if let known = present[name] {
            guard known.flags.areConsistent else {
                throw Self.unusable(known.flags, "open", text, .corrupted, environment)
            }
            return known
        }
        guard let main = try Self.main(transaction, environment),
            try Self.isListed(name, text, main, transaction, environment)
        else { return nil }
        throw environment.error(failures[name] ?? MDB_INCOMPATIBLE, "open DBI \(text)")
    }

    /// The database with a name, created if missing. For a transaction that may open handles.
    func database(
        _ text: String, creating flags: DatabaseFlags, _ transaction: OpaquePointer, _ environment: Environment
    ) throws(LMDBError) -> Database {
        if let known = try database(text, transaction, environment) { return known }
        guard try Self.main(transaction, environment) != nil else {
            throw environment.error(MDB_INCOMPATIBLE, "create DBI \(text)")
        }
        guard flags.areConsistent else { throw Self.unusable(flags, "create", text, .incompatible, environment) }
        let name = Name(text.utf8)
        if let old = vanished.removeValue(forKey: name) {
            // liblmdb would continue to use it.
            environment.withoutOthers(forgetting: text) { mdb_dbi_close(environment.pointer, old.handle) }
        }
        let result = open(name, text, flags.rawValue | UInt32(MDB_CREATE), transaction)
        if result != 0 { throw environment.error(result, "create DBI \(text)") }
        guard let database = try database(text, transaction, environment) else {
            throw environment.error(MDB_NOTFOUND, "create DBI \(text)")
        }
        return database
    }

    /// Opens an existing database, or records why that is impossible.
    ///
    /// - Throws: errors that concern more than this database.
    private func open(
        _ name: Name, _ text: String, _ transaction: OpaquePointer, _ environment: Environment
    ) throws(LMDBError) {
        let result = open(name, text, 0, transaction)
        switch result {
        case 0: break
        case MDB_INCOMPATIBLE, MDB_DBS_FULL: failures[name] = result
        default: throw environment.error(result, "open DBI \(text)")
        }
    }

    private func open(_ name: Name, _ text: String, _ mode: UInt32, _ transaction: OpaquePointer) -> Int32 {
        var handle = MDB_dbi()
        var flags: UInt32 = 0
        var result = mdb_dbi_open(transaction, text, mode, &handle)
        if result == 0 { result = mdb_dbi_flags(transaction, handle, &flags) }
        guard result == 0 else { return result }
        let database = Database(handle: handle, name: text, flags: DatabaseFlags(rawValue: flags))
        (present[name], opened[name]) = (database, database)
        return 0
    }

    /// Drops a database with all its entries, while no other transaction runs in this process.
    ///
    /// liblmdb closes the handle at once, and does not reopen it if the transaction is aborted: it must be
    /// forgotten in any case, because its number may be reused.
    func drop(_ database: Database, _ transaction: OpaquePointer, _ environment: Environment) throws(LMDBError) {
        let name = Name(database.name.utf8)
        guard let known = present[name], known.handle == database.handle else {
            throw environment.error(MDB_BAD_DBI, "drop DBI \(database.name)")
        }
        let result = mdb_drop(transaction, database.handle, 1)
        if result != 0 { throw environment.error(result, "drop DBI \(database.name)") }
        (present[name], opened[name]) = (nil, nil)
    }

    // MARK: The unnamed database

    /// The handle of the unnamed database, nil if its flags prevent it from containing named ones.
    ///
    /// It is open in every transaction: `mdb_dbi_open` takes no slot for it, so any transaction may call that.
    static func main(_ transaction: OpaquePointer, _ environment: Environment) throws(LMDBError) -> MDB_dbi? {
        var main = MDB_dbi()
        var flags: UInt32 = 0
        var result = mdb_dbi_open(transaction, nil, 0, &main)
        if result == 0 { result = mdb_dbi_flags(transaction, main, &flags) }
        if result != 0 { throw environment.error(result, "open the main database") }
        return DatabaseFlags(rawValue: flags).isDisjoint(with: [.duplicateSort, .integerKey]) ? main : nil
    }

    private static func isListed(
        _ name: Name, _ text: String, _ main: MDB_dbi, _ transaction: OpaquePointer, _ environment: Environment
    ) throws(LMDBError) -> Bool {
        var value = MDB_val()
        let result = name.withUnsafeBytes { bytes in
            var key = MDB_val(bytes)
            return mdb_get(transaction, main, &key, &value)
        }
        if result == MDB_NOTFOUND { return false }
        if result != 0 { throw environment.error(result, "look up DBI \(text)") }
        return true
    }

    /// The bytes of a name that is valid for LMDB: a C string and a key.
    private static func check(_ name: String, _ environment: Environment) throws(LMDBError) -> Name {
        let bytes = Name(name.utf8)
        let longest = environment.maximumKeySize
        guard !bytes.isEmpty, bytes.count <= longest, !bytes.contains(0) else {
            let size = "has \(bytes.count) bytes, LMDB supports 1 to \(longest)"
            let problem = bytes.contains(0) ? "contains a NUL" : size
            throw LMDBError(
                .badName,
                "cannot open a DBI of LMDB \(environment.options.dataFile): its name \(problem)")
        }
        return bytes
    }

    private static func unusable(
        _ flags: DatabaseFlags, _ operation: String, _ name: String, _ code: LMDBError.Code, _ environment: Environment
    ) -> LMDBError {
        LMDBError(
            code,
            "cannot \(operation) DBI \(name) of LMDB \(environment.options.dataFile): the flags "
                + "0x\(String(flags.rawValue, radix: 16)) are unknown, or need MDB_DUPSORT, which is missing")
    }
}

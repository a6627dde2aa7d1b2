import CLMDB

/// The open handles (DBI numbers) of an environment, for its next transaction.
///
/// Handles stay open between transactions, while other processes drop databases and recreate them,
/// perhaps with different flags.
struct OpenHandles: Sendable {
    // By bytes: String comparison uses Unicode equivalence.
    typealias Name = [UInt8]

    /// By name, each with the flags at the opening of its handle.
    private(set) var databases: [Name: Database] = [:]
    /// Changes whenever a handle is opened or closed.
    private(set) var generation = 0

    /// Adds handles opened by a transaction that has ended successfully.
    mutating func add(_ opened: [Name: Database]) {
        guard !opened.isEmpty else { return }
        databases.merge(opened) { $1 }
        generation += 1
    }

    /// Removes handles that are closed, or about to be.
    mutating func remove(_ names: some Sequence<Name>) {
        for name in names { databases[name] = nil }
        generation += 1
    }
}

/// The named databases that a transaction sees, compared with the open handles at its begin.
struct DatabaseSurvey {
    typealias Name = OpenHandles.Name

    /// Databases with a handle.
    private(set) var present: [Name: Database] = [:]
    /// Databases without one, by name and text.
    private(set) var missing: [(name: Name, text: String)] = []
    /// Databases whose handle must be closed: they were recreated with different flags, or replaced by a plain entry.
    private(set) var recreated: [Name] = []
    /// Dropped databases with open handles.
    private(set) var vanished: [Name: Database] = [:]

    /// Reads the unnamed database, which lists the named ones.
    ///
    /// A named database is an entry of 48 bytes, `MDB_db` of data format version 1, with the database's flags in bytes 4 and 5.
    /// `mdb_dbi_open` detects other entries of that size.
    init(_ transaction: borrowing some Transaction & ~Copyable, _ handles: OpenHandles) throws(LMDBError) {
        guard let main = try NamedDatabases.main(transaction.pointer, transaction.environment) else { return }
        var cursor = try transaction.openCursor(Database(handle: main, name: "", flags: []))
        var found: [Name] = []
        while try cursor.next() {
            guard !cursor.key.isEmpty, !cursor.key.contains(0) else { continue }
            let name = Name(cursor.key)
            guard cursor.value.count == 48 else {
                if handles.databases[name] != nil { recreated.append(name) }
                continue
            }
            let flags = UInt32(cursor.value.loadUnaligned(fromByteOffset: 4, as: UInt16.self))
            if let known = handles.databases[name] {
                if known.flags.rawValue == flags { found.append(name) } else { recreated.append(name) }
            } else if let text = String(validating: name, as: UTF8.self) {
                missing.append((name, text))
            }
        }
        // Mostly nothing has changed.
        guard found.count < handles.databases.count else {
            present = handles.databases
            return
        }
        for name in found { present[name] = handles.databases[name] }
        if found.count + recreated.count < handles.databases.count {
            vanished = handles.databases.filter { present[$0.key] == nil && !recreated.contains($0.key) }
        }
    }

    /// Whether handles should be closed before others are opened.
    ///
    /// - Parameters:
    ///   - known: number of open handles.
    ///   - limit: maximum number of handles.
    func wantsClosing(known: Int, limit: Int) -> Bool {
        // An application may create and drop many.
        !recreated.isEmpty || (!vanished.isEmpty && limit - known < max(8, missing.count))
    }
}

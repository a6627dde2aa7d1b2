import CLMDB

/// The handles (DBI numbers) that are open in an environment, as its next transaction finds them.
///
/// Handles stay open from one transaction to the next, while other processes drop databases and create them again,
/// perhaps with other flags.
struct OpenHandles: Sendable {
    // By bytes: a String equals another one that is the same text in other code points.
    typealias Name = [UInt8]

    /// By name, each with the flags that its handle was opened with.
    private(set) var databases: [Name: Database] = [:]
    /// Changes whenever a handle is opened or closed.
    private(set) var generation = 0

    /// Handles have been opened by a transaction that has ended well.
    mutating func add(_ opened: [Name: Database]) {
        guard !opened.isEmpty else { return }
        databases.merge(opened) { $1 }
        generation += 1
    }

    /// Handles are closed, or about to be.
    mutating func remove(_ names: some Sequence<Name>) {
        for name in names { databases[name] = nil }
        generation += 1
    }
}

/// The named databases that a transaction sees, beside the handles that were open when it began.
struct DatabaseSurvey {
    typealias Name = OpenHandles.Name

    /// Those with a handle.
    private(set) var present: [Name: Database] = [:]
    /// Those without one, by name and text.
    private(set) var missing: [(name: Name, text: String)] = []
    /// Those with a handle that must be closed: they were created again with other flags, or replaced by a plain entry.
    private(set) var recreated: [Name] = []
    /// Those whose handles are open, but that are gone.
    private(set) var vanished: [Name: Database] = [:]

    /// Reads the unnamed database, which lists the named ones.
    ///
    /// A named database is an entry of 48 bytes, `MDB_db` of data format version 1, with the database's flags in bytes 4 and 5. Of
    /// other entries of that size `mdb_dbi_open` finds out what they are.
    init(_ transaction: borrowing some Transaction & ~Copyable, _ handles: OpenHandles) throws(LMDBError) {
        guard let main = try NamedDatabases.main(transaction.pointer, transaction.environment) else { return }
        var cursor = try transaction.openCursor(Database(handle: main, name: "", flags: []))
        while try cursor.next() {
            guard !cursor.key.isEmpty, !cursor.key.contains(0) else { continue }
            let name = Name(cursor.key)
            guard cursor.value.count == 48 else {
                if handles.databases[name] != nil { recreated.append(name) }
                continue
            }
            let flags = UInt32(cursor.value.loadUnaligned(fromByteOffset: 4, as: UInt16.self))
            if let known = handles.databases[name] {
                if known.flags.rawValue == flags { present[name] = known } else { recreated.append(name) }
            } else if let text = String(validating: name, as: UTF8.self) {
                missing.append((name, text))
            }
        }
        if present.count + recreated.count < handles.databases.count {
            vanished = handles.databases.filter { present[$0.key] == nil && !recreated.contains($0.key) }
        }
    }

    /// Whether handles should be closed before others are opened.
    ///
    /// - Parameters:
    ///   - known: how many handles are open.
    ///   - limit: how many there may be.
    func wantsClosing(known: Int, limit: Int) -> Bool {
        // An application may create and drop many.
        !recreated.isEmpty || (!vanished.isEmpty && limit - known < max(8, missing.count))
    }
}

import CLMDB
import Glibc

extension Environment {
    /// Runs `body` in a read transaction: one consistent view, which does not block other processes, nor other
    /// transactions of this one.
    ///
    /// Nothing that `body` got from the transaction may be used after it, including cursors. `body` must not begin
    /// another transaction of this environment.
    ///
    /// - Throws: errors of `body`; ``LMDBError`` if the transaction cannot begin, for example
    ///   ``LMDBError/Code/readersFull``.
    package func read<R>(_ body: (borrowing ReadTransaction) throws -> R) throws -> R {
        // The transaction ends with the call, before the turn does.
        try begin { try body($0) }
    }

    /// Begins a read transaction that sees only databases with handles, and passes it to `use` with shared access.
    func begin<R>(_ use: (consuming ReadTransaction) throws -> R) throws -> R {
        counter.turn(begins: true)
        defer { counter.turn(begins: false) }
        var failures: [OpenHandles.Name: Int32] = [:]
        for _ in 0..<Self.mostAttempts {
            turns.beginShared()
            let begun: Begun<R>
            do {
                begun = try beginIfComplete(failures, use)
            } catch {
                turns.endShared()
                throw error
            }
            turns.endShared()
            switch begun {
            case .done(let result): return result
            case .mapHasGrown: try followMap()
            case .databasesAreMissing: failures = try openDatabases()
            }
        }
        throw LMDBError(EAGAIN, "start a read transaction while map or databases change all the time", options)
    }

    /// Runs `body` in a write transaction, after waiting for other writers.
    ///
    /// If `body` returns ``WriteOutcome/commit(_:)``, everything it wrote becomes visible at once; if it
    /// returns ``WriteOutcome/abort(_:)`` or throws, nothing does. An empty commit has no effect. Cursors must
    /// not outlive `body`, and `body` must not begin another transaction of this environment.
    ///
    /// Adopts a map enlarged by another process first, and, after ``LMDBError/Code/mapFull``, the size in the file.
    ///
    /// - Throws: errors of `body`; ``LMDBError`` if the transaction cannot begin or be committed.
    package func write<R>(_ body: (borrowing WriteTransaction) throws -> WriteOutcome<R>) throws -> R {
        guard !options.readOnly else {
            throw LMDBError(
                .noPermission,
                "cannot start a write transaction of LMDB \(options.dataFile): it was opened read-only")
        }
        counter.turn(begins: true)
        defer { counter.turn(begins: false) }
        turns.beginWriting()
        defer { turns.endWriting() }
        for _ in 0..<Self.mostAttempts {
            let known = handles.withLock(\.generation)
            // Waits, perhaps for PowerDNS, with only the turn to write.
            let pointer = try beginWriteTransaction()
            turns.beginOpening()
            turns.beginShared()
            defer {
                turns.endShared()
                turns.endOpening()
            }
            do {
                if let result = try writeIfComplete(pointer, known, body) { return result }
            } catch let error as LMDBError where error.code == .mapFull {
                map.withLock { if case .sound = $0 { $0 = .full } }
                throw error
            }
        }
        throw LMDBError(EAGAIN, "start a write transaction while databases change all the time", options)
    }

    // Each attempt but the first follows a concurrent change by another process.
    private static let mostAttempts = 32

    private enum Begun<R> {
        case done(R)
        case mapHasGrown
        case databasesAreMissing
    }

    private func beginIfComplete<R>(
        _ failures: [OpenHandles.Name: Int32], _ use: (consuming ReadTransaction) throws -> R
    ) throws -> Begun<R> {
        // Before the transaction begins: it sees every handle that is open now.
        let known = handles.withLock(\.self)
        guard let pointer = try beginReadTransaction() else { return .mapHasGrown }
        let transaction = ReadTransaction(core: TransactionCore(pointer, self, readOnly: true))
        let survey = try DatabaseSurvey(transaction, known)
        guard survey.recreated.isEmpty, survey.missing.allSatisfy({ failures[$0.name] != nil }) else {
            return .databasesAreMissing
        }
        transaction.core.databases.begin(survey, failures: failures)
        return .done(try use(transaction))
    }

    /// - Returns: nil if handles had to be opened or closed by others first, or the transaction does not see some of them.
    private func writeIfComplete<R>(
        _ pointer: OpaquePointer, _ generation: Int, _ body: (borrowing WriteTransaction) throws -> WriteOutcome<R>
    ) throws -> R? {
        let transaction = WriteTransaction(core: TransactionCore(pointer, self, readOnly: false))
        let known = handles.withLock(\.self)
        guard known.generation == generation else { return nil }
        let survey = try DatabaseSurvey(transaction, known)
        guard !survey.wantsClosing(known: known.databases.count, limit: options.handleLimit) else {
            // The transaction uses none of the handles: it ends first, and so does its share of the access.
            transaction.core.abort()
            turns.endShared()
            closeHandles(survey)
            turns.beginShared()
            return nil
        }
        let databases = transaction.core.databases
        try databases.begin(opening: survey, pointer, self)
        switch try body(transaction) {
        case .abort(let result): return result
        case .commit(let result):
            try transaction.core.commit()
            handles.withLock { $0.add(databases.opened) }
            return result
        }
    }

    /// - Returns: nil if the map must follow the file first.
    private func beginReadTransaction() throws(LMDBError) -> OpaquePointer? {
        let operation = "start a read transaction"
        var attempts = 0
        while true {
            try checkMap(operation)
            var transaction: OpaquePointer?
            let result = mdb_txn_begin(pointer, nil, UInt32(MDB_RDONLY), &transaction)
            if result == 0, let transaction { return transaction }
            attempts += 1
            switch result {
            case MDB_MAP_RESIZED: return nil
            case MDB_READERS_FULL where attempts < 2: clearStaleReaders()
            default: throw error(result, operation)
            }
        }
    }

    /// For a thread with the turn to write.
    private func beginWriteTransaction() throws(LMDBError) -> OpaquePointer {
        let operation = "start a write transaction"
        try checkMap(operation)
        try followLargerMap()
        var attempts = 0
        while true {
            try checkMap(operation)
            var transaction: OpaquePointer?
            let result = counter.waitingForLock { mdb_txn_begin(pointer, nil, 0, &transaction) }
            if result == 0, let transaction { return transaction }
            attempts += 1
            switch result {
            case MDB_MAP_RESIZED where attempts < 5: try resizeMap()
            case MDB_READERS_FULL where attempts < 2: clearStaleReaders()
            default: throw error(result, operation)
            }
        }
    }

    // MARK: Handles

    private enum Opening {
        /// All databases have handles except these, with the error of `mdb_dbi_open`.
        case done(failures: [OpenHandles.Name: Int32])
        /// Handles must be closed first.
        case mustClose(DatabaseSurvey)
    }

    /// Opens the databases without a handle, and closes the handles of those that were recreated with different
    /// flags.
    ///
    /// - Returns: those that cannot be opened, with the error of `mdb_dbi_open`.
    private func openDatabases() throws -> [OpenHandles.Name: Int32] {
        turns.beginOpening()
        defer { turns.endOpening() }
        for _ in 0..<Self.mostAttempts {
            turns.beginShared()
            let opening: Opening
            do {
                opening = try openMissing()
            } catch {
                turns.endShared()
                throw error
            }
            turns.endShared()
            switch opening {
            case .done(let failures): return failures
            case .mustClose(let survey): closeHandles(survey)
            }
        }
        return [:]
    }

    private func openMissing() throws -> Opening {
        let known = handles.withLock(\.self)
        // The caller detects this, and follows the map without holding a turn.
        guard let pointer = try beginReadTransaction() else { return .done(failures: [:]) }
        let transaction = ReadTransaction(core: TransactionCore(pointer, self, readOnly: true))
        let survey = try DatabaseSurvey(transaction, known)
        if survey.wantsClosing(known: known.databases.count, limit: options.handleLimit) { return .mustClose(survey) }
        let databases = transaction.core.databases
        try databases.begin(opening: survey, pointer, self)
        try transaction.core.commit()
        handles.withLock { $0.add(databases.opened) }
        return .done(failures: databases.failures)
    }

    /// Closes unused handles. For a thread with the turn to open, and without shared access.
    private func closeHandles(_ survey: DatabaseSurvey) {
        let names = survey.recreated + survey.vanished.keys
        withoutTransactions(.handleClosed) {
            handles.withLock { handles in
                for name in names {
                    if let database = handles.databases[name] { mdb_dbi_close(pointer, database.handle) }
                }
                handles.remove(names)
            }
        }
    }

    /// Calls `body`, which drops a database or closes its handle, while no other transaction runs. For a write transaction.
    func withoutOthers<E: Error>(forgetting name: String, _ body: () throws(E) -> Void) throws(E) {
        turns.endShared()
        defer { turns.beginShared() }
        try withoutTransactions(.handleClosed) { () throws(E) in
            try body()
            handles.withLock { $0.remove([OpenHandles.Name(name.utf8)]) }
        }
    }
}

import LMDB
import Snapshots
import Support

/// Writes a snapshot of everything in an LMDB.
package enum FullScan {
    /// A snapshot ready to be stored.
    package struct Result: Sendable {
        /// The name of the snapshot.
        package var name: SnapshotName
        /// The compressed bytes.
        package var body: Spool
        /// The number of entries.
        package var entries: Int
    }

    /// Reads all DBIs that are not private, in one read transaction.
    ///
    /// - Parameters:
    ///   - environment: the LMDB.
    ///   - identity: the sender.
    ///   - schema: where the versions are stored.
    ///   - positions: as of the other function.
    ///   - changes: the state of local changes; entries that the application has written since the last send are passed
    ///     to `inspection`. Read within the transaction, so that no later transaction of ours is taken for the
    ///     application's.
    ///   - stagingDirectory: where to create the file of a large snapshot.
    ///   - signal: cancels the scan.
    ///   - timestamp: returns the timestamp of the snapshot in nanoseconds since the UNIX epoch; called within the
    ///     transaction, so that no later change can be older than the snapshot.
    /// - Returns: the snapshot, nil if there are no DBIs, and the newest transaction read.
    /// - Throws: ``LocalContentError`` if something in the LMDB cannot be sent.
    package static func run(
        _ environment: Environment, identity: SenderIdentity, schema: Schema = .native,
        positions: [String: UInt64]? = nil, changes: () -> LocalChanges = LocalChanges.init,
        inspection: (any SendInspection)? = nil,
        stagingDirectory: String? = nil,
        signal: CancellationSignal = CancellationSignal(),
        timestamp: () -> UInt64
    ) throws -> (snapshot: Result?, transaction: UInt64) {
        let source = SnapshotSource(identity: identity, schema: schema, stagingDirectory: stagingDirectory)
        return try environment.read { transaction in
            let snapshot = try run(
                transaction, source, positions: positions, changes: changes, inspection: inspection, signal: signal,
                timestamp: timestamp)
            return (snapshot, transaction.id)
        }
    }

    /// The same in a given transaction.
    ///
    /// - Parameters:
    ///   - source: whose snapshot it is.
    ///   - positions: what was merged of other instances, for the metadata; nil for metadata without, which does not say
    ///     that the sender reads deltas either.
    /// - Returns: the snapshot, nil if there are no DBIs.
    static func run(
        _ transaction: borrowing ReadTransaction, _ source: SnapshotSource, positions: [String: UInt64]? = nil,
        changes: () -> LocalChanges = LocalChanges.init, inspection: (any SendInspection)? = nil,
        signal: CancellationSignal, timestamp: () -> UInt64
    ) throws -> Result? {
        let sent = try SentDatabases(transaction, source.schema)
        guard !sent.isEmpty else { return nil }
        try inspection?.begins(transaction)
        let timestamp = timestamp()
        let changes = inspection == nil ? LocalChanges() : changes()
        var writer = try SnapshotWriter(
            source.meta(transaction: transaction.id, timestamp: timestamp, positions: positions),
            stagingDirectory: source.stagingDirectory)
        var entries = 0
        for database in sent.databases {
            try writer.begin(database, source.schema)
            entries += try write(database.versions, transaction, &writer, signal, changes) {
                inspection?.change(of: $0, in: database.name, to: $1)
            }
        }
        return Result(name: source.fullName(timestamp), body: try writer.finish(), entries: entries)
    }

    private static func write(
        _ database: Database, _ transaction: borrowing ReadTransaction, _ writer: inout SnapshotWriter,
        _ signal: CancellationSignal, _ changes: LocalChanges,
        _ change: (UnsafeRawBufferPointer, MergeRule.Version) -> Void
    ) throws -> Int {
        // Nearly all entries are older, so this test must be fast.
        let sentThrough = changes.sentThrough ?? .max
        var cursor = try transaction.openCursor(database)
        var entries = 0
        while try cursor.next() {
            if entries & 0xffff == 0 { try signal.check() }
            let version = try Schema.version(at: &cursor)
            try writer.append(
                key: cursor.key, value: version.value, timestamp: version.timestamp, isDeleted: version.isDeleted)
            entries += 1
            let written = EntryHeader.transactionID(of: cursor.value)
            // A future ID originates from another file: from a backup, or from before a compaction.
            if written > sentThrough && written <= transaction.id && changes.contains(written) {
                change(cursor.key, version)
            }
        }
        try writer.endDatabase()
        return entries
    }
}

extension SnapshotWriter {
    /// Starts a DBI of the application.
    mutating func begin(_ database: SentDatabase, _ schema: Schema) throws {
        try beginDatabase(
            database.name, flags: UInt64(database.flags.rawValue), transform: schema.transform(database.flags))
    }
}

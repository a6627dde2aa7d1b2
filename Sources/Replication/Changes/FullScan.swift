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
        changes: () -> LocalChanges = LocalChanges.init, inspection: (any SendInspection)? = nil,
        stagingDirectory: String? = nil,
        signal: CancellationSignal = CancellationSignal(),
        timestamp: () -> UInt64
    ) throws -> (snapshot: Result?, transaction: UInt64) {
        try environment.read { transaction in
            let databases = try transaction.databases().filter { !PrivateDatabases.contains($0.name) }
            guard !databases.isEmpty else { return (nil, transaction.id) }
            try inspection?.begins(transaction)
            let timestamp = timestamp()
            let changes = inspection == nil ? LocalChanges() : changes()
            let name = SnapshotName(database: identity.database, instance: identity.instance, timestamp: timestamp)
            var writer = try SnapshotWriter(
                SnapshotMeta(
                    generationID: name.generation, instanceID: identity.instance, hostname: identity.hostname,
                    transactionID: Int64(clamping: transaction.id), timestamp: timestamp,
                    databaseName: identity.database),
                stagingDirectory: stagingDirectory)
            var entries = 0
            for database in databases {
                try schema.check(database)
                // A DBI without a shadow is new. It is sent once its shadow exists.
                guard let versions = try transaction.database(schema.versions(of: database.name)) else { continue }
                try writer.beginDatabase(
                    database.name, flags: UInt64(database.flags.rawValue), transform: schema.transform(database.flags))
                entries += try write(versions, transaction, &writer, signal, changes) {
                    inspection?.change(of: $0, in: database.name, to: $1)
                }
            }
            let body = try writer.finish()
            return (Result(name: name, body: body, entries: entries), transaction.id)
        }
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

/// The sender of a snapshot.
package struct SenderIdentity: Sendable {
    /// The name of the database in the configuration.
    package var database: String
    /// The instance's name.
    package var instance: String
    /// The host name.
    package var hostname: String

    /// See the properties of the same names.
    package init(database: String, instance: String, hostname: String) {
        self.database = database
        self.instance = instance
        self.hostname = hostname
    }
}

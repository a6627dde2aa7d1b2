import Snapshots

/// Whose snapshots are made, and how.
struct SnapshotSource: Sendable {
    /// The sender.
    var identity: SenderIdentity
    /// Where the versions are stored.
    var schema: Schema
    /// Where to create the file of a large snapshot.
    var stagingDirectory: String?

    /// The metadata of a full snapshot.
    ///
    /// - Parameters:
    ///   - transaction: the transaction of the data.
    ///   - timestamp: its time, in nanoseconds since the UNIX epoch.
    ///   - positions: what was merged of other instances; nil if nobody is told.
    func meta(transaction: UInt64, timestamp: UInt64, positions: [String: UInt64]?) -> SnapshotMeta {
        SnapshotMeta(
            generationID: SnapshotName.generation, instanceID: identity.instance, hostname: identity.hostname,
            transactionID: Int64(clamping: transaction), timestamp: timestamp, databaseName: identity.database,
            positions: positions ?? [:], readsDeltas: positions != nil)
    }

    /// The name of a full snapshot of this time.
    func fullName(_ timestamp: UInt64) -> SnapshotName {
        SnapshotName(database: identity.database, instance: identity.instance, timestamp: timestamp)
    }

    /// The name of a delta that begins at this time.
    func deltaName(from: UInt64) -> SnapshotName {
        SnapshotName(
            database: identity.database, instance: identity.instance, timestamp: from,
            fileExtension: SnapshotName.deltaExtension)
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

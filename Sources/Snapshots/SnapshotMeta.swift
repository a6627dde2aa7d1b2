/// The metadata in a snapshot.
package struct SnapshotMeta: Equatable, Sendable {
    /// Always "GX" today.
    package var generationID: String
    /// The configured name of the instance that wrote it (not as in the object name).
    package var instanceID: String
    /// The host on which it was written.
    package var hostname: String
    /// The LMDB transaction of the data.
    package var transactionID: Int64
    /// When that transaction was opened, in nanoseconds since the UNIX epoch.
    package var timestamp: UInt64
    /// The configured name of the LMDB.
    package var databaseName: String
    /// The snapshot contains only entries of later transactions; 0 in a full one.
    package var fromTransactionID: Int64

    /// Omitted values are zero or empty, and not written.
    package init(
        generationID: String = SnapshotName.generation, instanceID: String = "", hostname: String = "",
        transactionID: Int64 = 0, timestamp: UInt64 = 0, databaseName: String = "", fromTransactionID: Int64 = 0
    ) {
        self.generationID = generationID
        self.instanceID = instanceID
        self.hostname = hostname
        self.transactionID = transactionID
        self.timestamp = timestamp
        self.databaseName = databaseName
        self.fromTransactionID = fromTransactionID
    }
}

extension SnapshotMeta {
    /// The differences to the name of its object: "database main, instance ns1"; nil if there are none.
    ///
    /// The name counts. Snapshots are not rejected for a difference, because people copy and rename them.
    package func disagreement(with name: SnapshotName) -> String? {
        var parts: [String] = []
        if !databaseName.isEmpty, databaseName != name.database { parts.append("database \(databaseName)") }
        if !instanceID.isEmpty, SnapshotName.sanitize(instance: instanceID) != name.instance {
            parts.append("instance \(instanceID)")
        }
        if timestamp > 0, timestamp != name.timestamp { parts.append("time \(SnapshotTimestamp.text(timestamp))") }
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }
}

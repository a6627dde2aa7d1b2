/// What a snapshot says about itself.
package struct SnapshotMeta: Equatable, Sendable {
    /// Always "GX" today.
    package var generationID: String
    /// The instance that wrote it, as configured (not as in the object name).
    package var instanceID: String
    /// The host that it was written on.
    package var hostname: String
    /// The LMDB transaction that the data was read from.
    package var transactionID: Int64
    /// When that transaction was opened, in nanoseconds since the UNIX epoch.
    package var timestamp: UInt64
    /// The configured name of the LMDB.
    package var databaseName: String
    /// Only entries of later transactions are in the snapshot; 0 in a full one.
    package var fromTransactionID: Int64

    /// What is not given is zero or empty, and so not written.
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
    /// What it says otherwise than the name of its object: "database main, instance ns1"; nil when it does not.
    ///
    /// The name is what counts. People copy and rename snapshots, which is why nothing is refused for that.
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

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
    /// The snapshot contains only what changed after this time, in nanoseconds since the UNIX epoch; 0 in a full one.
    package var from: UInt64
    /// What the sender had merged of each other instance when it read the data: nanoseconds since the UNIX epoch, by
    /// the instance's name as in object names.
    package var positions: [String: UInt64]
    /// Whether the sender reads deltas.
    package var readsDeltas: Bool
    /// What shows that the sender has the identity with which the object is sealed; empty in unsealed ones.
    package var proof: [UInt8] = []

    /// Omitted values are zero or empty, and not written.
    package init(
        generationID: String = SnapshotName.generation, instanceID: String = "", hostname: String = "",
        transactionID: Int64 = 0, timestamp: UInt64 = 0, databaseName: String = "", fromTransactionID: Int64 = 0,
        from: UInt64 = 0, positions: [String: UInt64] = [:], readsDeltas: Bool = false
    ) {
        self.generationID = generationID
        self.instanceID = instanceID
        self.hostname = hostname
        self.transactionID = transactionID
        self.timestamp = timestamp
        self.databaseName = databaseName
        self.fromTransactionID = fromTransactionID
        self.from = from
        self.positions = positions
        self.readsDeltas = readsDeltas
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
    /// Why this cannot be the metadata of the delta `name`, nil if it can.
    ///
    /// Unlike a full snapshot, a delta is rejected for a difference: it only means something as the continuation of what
    /// its name says.
    package func problem(asDelta name: SnapshotName) -> String? {
        if SnapshotName.sanitize(instance: instanceID) != name.instance {
            return "it is of the instance \"\(instanceID)\", not of \(name.instance)"
        }
        if databaseName != name.database { return "it is of the database \"\(databaseName)\", not of \(name.database)" }
        if from == 0 { return "it does not say where it begins" }
        if from != name.timestamp {
            return "it begins at \(SnapshotTimestamp.text(from)), not at \(SnapshotTimestamp.text(name.timestamp))"
        }
        if timestamp <= from {
            return "it ends at \(SnapshotTimestamp.text(timestamp)), which is not after its beginning"
        }
        return nil
    }
}

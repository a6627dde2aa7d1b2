import BlobStorage
import Sealing
import Snapshots
import Support

/// A snapshot of the database "main" with one entry.
///
/// - Parameter from: where a delta begins; 0 for a full snapshot.
func snapshot(
    _ database: String = "main", _ instance: String = "ns1", from: UInt64 = 0, to: UInt64, value: String = "value"
) throws -> Spool {
    var writer = try SnapshotWriter(
        SnapshotMeta(
            instanceID: instance, hostname: "host", timestamp: to, databaseName: database, from: from))
    try writer.beginDatabase("entries", flags: 0)
    let (key, bytes) = (Array("key".utf8), Array(value.utf8))
    try key.withUnsafeBytes { key in
        try bytes.withUnsafeBytes { try writer.append(key: key, value: $0, timestamp: to, isDeleted: false) }
    }
    return try writer.finish()
}

/// The name of a full snapshot of the database "main".
func full(_ database: String = "main", _ instance: String = "ns1", _ time: UInt64) -> String {
    SnapshotName(database: database, instance: instance, timestamp: time).description
}

/// The name of a delta that begins at a time.
func delta(_ database: String = "main", _ instance: String = "ns1", _ time: UInt64) -> String {
    SnapshotName(
        database: database, instance: instance, timestamp: time, fileExtension: SnapshotName.deltaExtension
    ).description
}

/// The value of the only entry, and the metadata.
func contents(_ spool: Spool) throws -> (value: String, meta: SnapshotMeta) {
    var reader = SnapshotReader(spool, maximumEntrySize: 1 << 20)
    var value = ""
    while true {
        switch try reader.next() {
        case .entry: value = String(decoding: reader.value, as: UTF8.self)
        case .databaseBegin, .databaseEnd: break
        case .end: return (value, reader.meta)
        }
    }
}

/// The error of the storage that `body` throws; nil if it throws none.
func storageError(_ body: () async throws -> Void) async -> BlobStoreError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? BlobStoreError
    }
}

import BlobStorage
import Daemon
import Snapshots
import Support

/// The objects of a storage, for `snapshots list`.
struct SnapshotList {
    private var objects: [(blob: Blob, name: SnapshotName?)]

    /// - Parameter byTime: whether to sort by the time of the snapshot, oldest first, with other objects
    ///   first, by name. Otherwise the order is unchanged.
    init(_ blobs: [Blob], byTime: Bool) {
        objects = blobs.map { ($0, SnapshotName($0.name)) }
        guard byTime else { return }
        objects.sort { one, other in
            switch (one.name?.timestamp, other.name?.timestamp) {
            case (let first?, let second?) where first != second: first < second
            case (nil, _?): true
            case (_?, nil): false
            default: one.blob.name.utf8.lexicographicallyPrecedes(other.blob.name.utf8)
            }
        }
    }

    func writeNames(to output: inout BufferedOutput) throws {
        for (blob, _) in objects {
            output.append(PrintableText.line(blob.name))
            try output.endLine()
        }
    }

    /// For scripts, as in release 1.0: the size in bytes, a tab and the name, without a heading.
    func writeSizes(to output: inout BufferedOutput) throws {
        for (blob, _) in objects {
            let size = String(blob.size)
            output.append(String(repeating: " ", count: max(0, 12 - size.count)) + size + "\t")
            output.append(PrintableText.line(blob.name))
            try output.endLine()
        }
    }

    func writeTable(to output: inout BufferedOutput) throws {
        var table = Table([
            ("size", .right), ("time", .left), ("database", .left), ("instance", .left), ("name", .left),
        ])
        for (blob, name) in objects {
            let time = (name?.timestamp ?? blob.modified).map { WallTime(nanosecondsSinceEpoch: $0).rfc3339(digits: 0) }
            table.append([
                humanSize(blob.size), time ?? "-", PrintableText.line(name?.database ?? "-"), name?.instance ?? "-",
                PrintableText.line(blob.name),
            ])
        }
        try output.append(lines: table.lines)
    }

    func writeJSON(to output: inout BufferedOutput) throws {
        try output.appendJSONArray(objects.lazy.map { Row($0.blob, $0.name) })
    }

    /// An object in JSON; the last four fields only for snapshots, `modified` only if the storage provides it.
    private struct Row: Encodable {
        var name: String
        var size: Int
        var modified: String?
        var database: String?
        var instance: String?
        var time: String?
        var kind: String?

        init(_ blob: Blob, _ snapshot: SnapshotName?) {
            name = blob.name
            size = blob.size
            modified = blob.modified.map { WallTime(nanosecondsSinceEpoch: $0).rfc3339(digits: 3) }
            guard let snapshot else { return }
            database = snapshot.database
            instance = snapshot.instance
            time = WallTime(nanosecondsSinceEpoch: snapshot.timestamp).rfc3339(digits: 9)
            kind = snapshot.isFullSnapshot ? "full" : "other"
        }
    }
}

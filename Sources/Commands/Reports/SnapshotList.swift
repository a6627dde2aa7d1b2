import BlobStorage
import Daemon
import Sealing
import Snapshots
import Support

/// The objects of a storage, for `snapshots list`.
struct SnapshotList: Sendable {
    private var objects: [(blob: Blob, name: SnapshotName?)]
    /// How each object is sealed, by name; without those of which it is not known.
    private let seals: [String: SealedStore.Seal]
    /// Where deltas end, in nanoseconds since the UNIX epoch; empty if they were not read.
    private let ends: [SnapshotName: UInt64]
    /// One line for each delta that cannot be read.
    let problems: [String]

    /// - Parameters:
    ///   - byTime: whether to sort by the time of the snapshot, oldest first, with other objects first, by name.
    ///     Otherwise the order is unchanged.
    ///   - ends: where deltas end, in nanoseconds since the UNIX epoch, or why that is unknown.
    ///   - seal: how an object is sealed, if known.
    init(
        _ blobs: [Blob], byTime: Bool, ends: [SnapshotName: Result<UInt64, any Error>] = [:],
        seal: (String) -> SealedStore.Seal? = { _ in nil }
    ) {
        objects = blobs.map { ($0, SnapshotName($0.name)) }
        seals = Dictionary(blobs.compactMap { blob in seal(blob.name).map { (blob.name, $0) } }) { $1 }
        self.ends = ends.compactMapValues { try? $0.get() }
        problems = ends.sorted { $0.key < $1.key }.compactMap { _, end in
            guard case .failure(let error) = end else { return nil }
            // It may have been removed since the listing.
            if let error = error as? BlobStoreError, error.kind == .notFound { return nil }
            return "\(error)"
        }
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

    /// For people: the time after which a delta begins, and the time of the contents of snapshots and deltas. For other objects it is
    /// when they were stored.
    func writeTable(to output: inout BufferedOutput) throws {
        // Most storages have nothing that is sealed.
        let showsSeals = seals.values.contains { $0 != .none }
        var table = Table(
            [
                ("size", .right), ("kind", .left), ("from", .left), ("to", .left), ("database", .left),
                ("instance", .left),
            ] + (showsSeals ? [("sealed", .left)] : []) + [("name", .left)])
        let text = { (time: UInt64?) in
            time.map { WallTime(nanosecondsSinceEpoch: $0).rfc3339(digits: 3) } ?? "-"
        }
        for (blob, name) in objects {
            let seal = showsSeals ? [Self.text(seals[blob.name])] : []
            table.append(
                [
                    humanSize(blob.size), name.map(Self.kind) ?? "-", text(name.flatMap(from)),
                    text(name.map(to) ?? blob.modified), PrintableText.line(name?.database ?? "-"),
                    name?.instance ?? "-",
                ] + seal + [PrintableText.line(blob.name)])
        }
        try output.append(lines: table.lines)
    }

    private static func text(_ seal: SealedStore.Seal?) -> String {
        switch seal {
        case .some(.none), nil: "no"
        case .unknownKey: "yes"
        case .key(let id): id
        }
    }

    private static func kind(_ name: SnapshotName) -> String {
        name.isFullSnapshot ? "full" : name.isDelta ? "delta" : "other"
    }

    private func from(_ name: SnapshotName) -> UInt64? { name.isDelta ? name.timestamp : nil }

    /// nil if it is unknown.
    private func to(_ name: SnapshotName) -> UInt64? { name.isDelta ? ends[name] : name.timestamp }

    func writeJSON(to output: inout BufferedOutput) throws {
        try output.appendJSONArray(
            objects.lazy.map { Row($0.blob, $0.name, end: $0.name.flatMap { ends[$0] }, seal: seals[$0.blob.name]) })
    }

    /// An object in JSON; `modified` only if the storage provides it, the fields after it only for snapshots and deltas, `from` and
    /// `to` only for deltas; the key ID only if the object was read.
    private struct Row: Encodable {
        var name: String
        var size: Int
        var modified: String?
        var database: String?
        var instance: String?
        var time: String?
        var kind: String?
        var from: String?
        var to: String?
        var sealed: Bool?
        var keyID: String?

        init(_ blob: Blob, _ snapshot: SnapshotName?, end: UInt64?, seal: SealedStore.Seal?) {
            name = blob.name
            sealed = seal.map { $0 != .none }
            if case .key(let id)? = seal { keyID = id }
            size = blob.size
            modified = blob.modified.map { WallTime(nanosecondsSinceEpoch: $0).rfc3339(digits: 3) }
            guard let snapshot else { return }
            database = snapshot.database
            instance = snapshot.instance
            time = WallTime(nanosecondsSinceEpoch: snapshot.timestamp).rfc3339(digits: 9)
            kind = SnapshotList.kind(snapshot)
            if snapshot.isDelta { from = time }
            to = end.map { WallTime(nanosecondsSinceEpoch: $0).rfc3339(digits: 9) }
        }
    }
}

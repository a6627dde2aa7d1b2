import Snapshots

/// Notices snapshots under the own name that somebody else has written: two instances with one name hide each
/// other's changes.
struct NamesakeWatch {
    /// How many of the own snapshots are remembered that no listing has shown yet.
    private static let mostUnlisted = 64

    /// The time of the first own snapshot: what is older may come from an earlier run.
    private var first: UInt64?
    /// The own snapshots written last, oldest first.
    private var written: [SnapshotName] = []
    /// Those under the own name in the last listing.
    private var known: Set<SnapshotName> = []
    /// Those of somebody else that are in the last listing.
    private var strangers: Set<SnapshotName> = []

    /// A snapshot is about to be stored.
    mutating func willStore(_ name: SnapshotName) {
        first = first ?? name.timestamp
        written.append(name)
        if written.count > Self.mostUnlisted { written.removeFirst() }
    }

    /// These snapshots under the own name are all right, whoever has written them.
    mutating func accept(_ names: [SnapshotName]) { known.formUnion(names) }

    /// The storage was listed.
    ///
    /// - Parameter names: all snapshots under the own name.
    /// - Returns: the newest one that appeared since the last listing and is not ours, nil when there is none.
    mutating func listed(_ names: [SnapshotName]) -> SnapshotName? {
        defer { known = Set(names) }
        strangers.formIntersection(names)
        guard let first else { return nil }
        let new = names.filter { $0.timestamp > first && !known.contains($0) && !written.contains($0) }
        strangers.formUnion(new)
        return new.max()
    }

    /// The newest snapshot in the last listing that somebody else has written under our name, nil when there is none.
    var stranger: SnapshotName? { strangers.max() }
}

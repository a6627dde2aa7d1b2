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
    /// When the last one of them appeared.
    private var lastStranger = Duration.zero
    /// Those of them that are merged here, and those that a stored snapshot of ours has been made of since: nothing of
    /// them is hidden any more.
    private(set) var merged: Set<SnapshotName> = []
    private var covered: Set<SnapshotName> = []

    /// Another host that still runs sees what we store over its own, and stores again within that time.
    var quietTime = NamesakeCover().quietTime

    /// A snapshot is about to be stored.
    mutating func willStore(_ name: SnapshotName) {
        first = first ?? name.timestamp
        written.append(name)
        if written.count > Self.mostUnlisted { written.removeFirst() }
    }

    /// These snapshots under the own name are all right, whoever has written them.
    mutating func accept(_ names: [SnapshotName]) { known.formUnion(names) }

    /// One of somebody else has been merged.
    mutating func merged(_ name: SnapshotName) { if strangers.contains(name) { merged.insert(name) } }

    /// A snapshot of ours is stored.
    ///
    /// - Parameter merged: ``merged`` as it was before the LMDB was read for it.
    mutating func stored(covering merged: Set<SnapshotName>) {
        guard let newest = merged.max() else { return }
        covered.formUnion(strangers.filter { $0 <= newest })
    }

    /// The storage was listed.
    ///
    /// - Parameters:
    ///   - names: all snapshots under the own name.
    ///   - now: the time since a fixed moment.
    /// - Returns: the newest one that appeared since the last listing and is not ours, nil when there is none.
    mutating func listed(_ names: [SnapshotName], at now: Duration = .zero) -> SnapshotName? {
        defer { known = Set(names) }
        strangers.formIntersection(names)
        merged.formIntersection(names)
        covered.formIntersection(names)
        guard let first else { return nil }
        let new = names.filter { $0.timestamp > first && !known.contains($0) && !written.contains($0) }
        strangers.formUnion(new)
        if !new.isEmpty { lastStranger = now }
        return new.max()
    }

    /// The newest snapshot in the last listing that somebody else has written under our name, nil when there is none, or
    /// when ours hold everything that they hold and no other has come for a while.
    func stranger(at now: Duration = .zero) -> SnapshotName? {
        now - lastStranger < quietTime ? strangers.max() : strangers.subtracting(covered).max()
    }

    /// The newest of them, merged or not.
    var newest: SnapshotName? { strangers.max() }
}

/// When a snapshot of ours follows one that another host has written under our name.
///
/// The newest under the name is the only one that others load, so it has to hold both. Two such hosts answer each other
/// for as long as both run, which shows each that the other one does. As long as neither has anything new for the other one they
/// do so ever more rarely.
package struct NamesakeCover: Sendable {
    /// The pause after one that brought something, and the first one after one that did not.
    package static let shortestPause = Duration.seconds(30)
    /// The longest one.
    package static let longestPause = Duration.seconds(600)

    /// When ours is due; nil when there is nothing to answer.
    package private(set) var due: Duration?
    private var pause = Self.shortestPause
    private var lastMerge: Duration?

    /// How long after its last one the other host may be taken for gone: it pauses for twice as long as we do at most.
    package var quietTime: Duration { pause * 2 + .seconds(30) }

    /// One of the other host's is merged.
    ///
    /// - Parameter hasNews: whether it held anything that was not here.
    mutating func merged(hasNews: Bool, at now: Duration) {
        if let lastMerge, now - lastMerge > quietTime { pause = Self.shortestPause }
        lastMerge = now
        let time = now + (hasNews ? Self.shortestPause : pause)
        due = min(due ?? time, time)
    }

    /// One of ours follows now.
    mutating func answered() {
        guard due != nil else { return }
        due = nil
        pause = min(pause * 2, Self.longestPause)
    }
}

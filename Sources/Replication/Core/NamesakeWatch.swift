import Snapshots

/// Detects snapshots under the own name that another host has written: two instances with one name hide each other's
/// changes.
struct NamesakeWatch {
    /// How many own snapshots that no listing has shown yet are remembered.
    private static let mostUnlisted = 64

    /// The time of the first listing, or of the first own snapshot. Older ones may come from an earlier run.
    private var first: UInt64?
    /// The latest own snapshots, oldest first.
    private var written: [SnapshotName] = []
    /// The snapshots under the own name in the last listing.
    private var known: Set<SnapshotName> = []
    /// Those of them that have appeared since the first listing and are not ours: another host has written them, or an earlier run.
    private(set) var strangers: Set<SnapshotName> = []
    /// The one that appeared last, and when. A cleaner may have removed it since.
    private var latest: (name: SnapshotName, since: Duration)?
    /// Those that are merged here, and those that a stored snapshot of ours contains. Their contents are not hidden.
    private(set) var merged: Set<SnapshotName> = []
    private var covered: Set<SnapshotName> = []

    /// If the other host still runs, it detects our snapshot and stores its own again within this time.
    var quietTime = NamesakeCover().quietTime

    /// Reports that a snapshot is about to be stored.
    mutating func willStore(_ name: SnapshotName) {
        first = first ?? name.timestamp
        // A delta is stored many times.
        guard written.last != name, !known.contains(name) else { return }
        written.append(name)
        if written.count > Self.mostUnlisted { written.removeFirst() }
    }

    /// Accepts these snapshots under the own name, whoever wrote them.
    mutating func accept(_ names: [SnapshotName]) { known.formUnion(names) }

    /// Reports the merge of a snapshot of another host.
    mutating func merged(_ name: SnapshotName) { if strangers.contains(name) { merged.insert(name) } }

    /// Reports a rejected snapshot of another host: it hides nothing.
    mutating func refused(_ name: SnapshotName) { if strangers.contains(name) { covered.insert(name) } }

    /// Reports a stored snapshot of our own.
    ///
    /// - Parameter merged: ``merged`` as it was before the LMDB was read for it.
    mutating func stored(covering merged: Set<SnapshotName>) {
        guard let newest = merged.max() else { return }
        covered.formUnion(strangers.filter { $0 <= newest })
    }

    /// Checks a listing of the storage. The snapshots in the first one may come from an earlier run.
    ///
    /// - Parameters:
    ///   - names: all snapshots under the own name.
    ///   - began: when the listing began, by our clock, in nanoseconds since the UNIX epoch.
    ///   - now: the time since a fixed moment.
    /// - Returns: the newest new one that is not ours; nil if there is none.
    mutating func listed(_ names: [SnapshotName], began: UInt64? = nil, at now: Duration = .zero) -> SnapshotName? {
        defer { known = Set(names) }
        // A cleaner removes it once there is a newer one; otherwise somebody has removed it on purpose.
        if let name = latest?.name, !names.contains(name), !names.contains(where: { $0 > name }) { latest = nil }
        if !strangers.isEmpty {
            strangers.formIntersection(names)
            merged.formIntersection(names)
            covered.formIntersection(names)
        }
        guard let first else {
            first = began
            return nil
        }
        let new = names.filter { !known.contains($0) && !written.contains($0) }
        strangers.formUnion(new)
        // An older one may come from an earlier run, and have taken long to arrive. It is loaded as well.
        let newest = new.filter { $0.timestamp > first }.max()
        if let newest { latest = (newest, now) }
        return newest
    }

    /// The newest snapshot that another host has written under our name. Nil if none has appeared for ``quietTime``, and our
    /// own contain all that are left.
    func stranger(at now: Duration = .zero) -> SnapshotName? {
        if let latest, now - latest.since < quietTime { return latest.name }
        return strangers.subtracting(covered).filter { name in first.map { name.timestamp > $0 } ?? false }.max()
    }
}

/// Decides when to send after another host has written a snapshot under our name.
///
/// Other instances load only the newest snapshot of a name, so it has to contain the changes of both hosts. Two such
/// hosts answer each other as long as both run, which shows each that the other one runs. While neither has news for
/// the other, the pauses grow.
package struct NamesakeCover: Sendable {
    /// The pause after a snapshot with news, and the first one after a snapshot without.
    package static let shortestPause = Duration.seconds(30)
    /// The longest pause.
    package static let longestPause = Duration.seconds(600)

    /// When our snapshot is due; nil if there is nothing to answer.
    package private(set) var due: Duration?
    private var pause = Self.shortestPause
    private var lastMerge: Duration?

    /// The other host counts as gone after this time without a snapshot: its pause is at most twice as long as ours.
    package var quietTime: Duration { pause + pause + .seconds(30) }

    /// Reports the merge of a snapshot of the other host.
    ///
    /// - Parameter hasNews: whether it contained anything new.
    mutating func merged(hasNews: Bool, at now: Duration) {
        if let lastMerge, now - lastMerge > quietTime { pause = Self.shortestPause }
        lastMerge = now
        let time = now + (hasNews ? Self.shortestPause : pause)
        due = min(due ?? time, time)
    }

    /// Reports that our snapshot follows now.
    mutating func answered() {
        guard due != nil else { return }
        due = nil
        pause = min(pause * 2, Self.longestPause)
    }
}

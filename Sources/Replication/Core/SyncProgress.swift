import Snapshots

/// How far a database has come: what has been merged here of each instance, and what of that our own snapshots pass on.
///
/// This is the one place that knows it. Which snapshots are loaded, what a cleaner may remove, what the state object and the
/// status page say, and whether the fence opens, all go by this.
///
/// It lives in memory: after a restart nothing counts as merged until it has been merged again.
package struct SyncProgress: Sendable, Equatable {
    /// The newest snapshot that was read to its end, merged as a whole or with entries held back. Those in the far future
    /// follow each other apart from the others of their instance.
    package private(set) var read: [SnapshotHorizon.Group: SnapshotName] = [:]
    /// The newest snapshot of which everything is here, by instance; none in the far future.
    package private(set) var merged: [String: SnapshotName] = [:]
    /// By instance, the newest snapshot that was merged before ``sent`` was read from the LMDB; nil before anything was sent.
    package private(set) var covered: [String: SnapshotName]?
    /// The newest snapshot that was stored.
    package private(set) var sent: SnapshotName?
    /// Those in the last listing that can't be read, or must not be merged.
    package private(set) var refused: Set<SnapshotName> = []

    /// Nothing has happened yet.
    package init() {}

    /// The storage was listed: what has gone need not be remembered as refused.
    package mutating func listed(_ names: [SnapshotName]) {
        if !refused.isEmpty { refused.formIntersection(names) }
    }

    /// Forgets of which instances there is nothing any more.
    ///
    /// - Parameter isKept: whether there is still something.
    package mutating func keep(_ isKept: (SnapshotHorizon.Group) -> Bool) {
        read = read.filter { isKept($0.key) }
    }

    /// A snapshot has been merged.
    ///
    /// - Parameters:
    ///   - group: which snapshots it follows.
    ///   - isWhole: whether nothing of it was held back.
    package mutating func merged(_ name: SnapshotName, in group: SnapshotHorizon.Group, isWhole: Bool = true) {
        read[group] = max(read[group] ?? name, name)
        guard isWhole, !group.isFarAhead else { return }
        merged[name.instance] = max(merged[name.instance] ?? name, name)
    }

    /// A snapshot will never be merged.
    package mutating func refused(_ name: SnapshotName) { refused.insert(name) }

    /// The database has been rebuilt, so that nothing merged before need be in it.
    package mutating func forgetMerged() { (read, merged, covered) = ([:], [:], nil) }

    /// A full snapshot of our own has been stored.
    ///
    /// - Parameter covering: ``merged`` as it was before the LMDB was read for it.
    package mutating func stored(_ name: SnapshotName, covering: [String: SnapshotName]) {
        covered = covering
        sent = name
    }
}

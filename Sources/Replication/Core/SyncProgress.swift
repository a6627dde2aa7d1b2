import Snapshots

/// The progress of a database: which snapshot of each instance is merged here, and which of them our own snapshots
/// contain.
///
/// This is the only place for it. It determines which snapshots are loaded, which ones a cleaner may remove, the
/// contents of the state object and of the status page, and whether sending is allowed.
///
/// It is kept in memory: after a restart nothing counts as merged until it has been merged again.
package struct SyncProgress: Sendable, Equatable {
    /// The newest snapshot read to its end, merged as a whole or with held entries. Snapshots in the far future are
    /// separate from the others of their instance.
    package private(set) var read: [SnapshotHorizon.Group: SnapshotName] = [:]
    /// The newest snapshot merged as a whole, by instance; not counting those in the far future.
    package private(set) var merged: [String: SnapshotName] = [:]
    /// The newest snapshot that was merged before ``sent`` was read from the LMDB, by instance; nil before the first
    /// send.
    package private(set) var covered: [String: SnapshotName]?
    /// The newest snapshot that was stored.
    package private(set) var sent: SnapshotName?
    /// The snapshots in the last listing that cannot be read, or must not be merged.
    package private(set) var refused: Set<SnapshotName> = []

    /// No progress.
    package init() {}

    /// Reports a listing of the storage. Rejected snapshots that are gone are forgotten.
    package mutating func listed(_ names: [SnapshotName]) {
        if !refused.isEmpty { refused.formIntersection(names) }
    }

    /// Forgets groups that no longer exist.
    ///
    /// - Parameter isKept: whether a group exists.
    package mutating func keep(_ isKept: (SnapshotHorizon.Group) -> Bool) {
        if !read.keys.allSatisfy(isKept) { read = read.filter { isKept($0.key) } }
    }

    /// Reports a merged snapshot.
    ///
    /// - Parameters:
    ///   - group: the group of the snapshot.
    ///   - isWhole: whether no entry was held.
    package mutating func merged(_ name: SnapshotName, in group: SnapshotHorizon.Group, isWhole: Bool = true) {
        read[group] = max(read[group] ?? name, name)
        guard isWhole, !group.isFarAhead else { return }
        merged[name.instance] = max(merged[name.instance] ?? name, name)
    }

    /// Reports a rejected snapshot.
    package mutating func refused(_ name: SnapshotName) { refused.insert(name) }

    /// Reports that the database was rebuilt: snapshots merged before may be missing from it.
    package mutating func forgetMerged() { (read, merged, covered) = ([:], [:], nil) }

    /// Reports a stored full snapshot of our own.
    ///
    /// - Parameter covering: ``merged`` as it was before the LMDB was read for it.
    package mutating func stored(_ name: SnapshotName, covering: [String: SnapshotName]) {
        covered = covering
        sent = name
    }
}

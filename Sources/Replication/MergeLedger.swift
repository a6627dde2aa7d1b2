import Snapshots

/// What has been merged here, and what of that our own snapshots pass on: what a cleaner must know before it removes
/// the last trace of an instance.
///
/// It lives in memory: after a restart nothing counts as merged until it has been merged again.
package struct MergeLedger: Sendable, Equatable {
    /// The newest snapshot that was merged, by instance.
    package private(set) var merged: [String: SnapshotName] = [:]
    /// The newest snapshot that was read to its end, by instance: merged as a whole, or with entries held back.
    package private(set) var read: [String: SnapshotName] = [:]
    /// By instance, the newest snapshot that was merged before ``sent`` was read from the LMDB.
    package private(set) var covered: [String: SnapshotName] = [:]
    /// The newest snapshot that was stored.
    package private(set) var sent: SnapshotName?
    /// Those in the last listing that can't be read, or must not be merged.
    package private(set) var refused: Set<SnapshotName> = []

    /// Nothing has happened yet.
    package init() {}

    /// With what is known from elsewhere.
    package init(merged: [String: SnapshotName], covered: [String: SnapshotName], sent: SnapshotName?) {
        self.merged = merged
        read = merged
        self.covered = covered
        self.sent = sent
    }

    /// The storage was listed: what has gone need not be remembered as refused.
    package mutating func listed(_ names: [SnapshotName]) { refused.formIntersection(names) }

    /// A snapshot has been merged.
    package mutating func merged(_ name: SnapshotName) {
        merged[name.instance] = max(merged[name.instance] ?? name, name)
        read(name)
    }

    /// A snapshot has been read to its end, so that it is known to be a good one.
    package mutating func read(_ name: SnapshotName) {
        read[name.instance] = max(read[name.instance] ?? name, name)
    }

    /// A snapshot will never be merged.
    package mutating func refused(_ name: SnapshotName) { refused.insert(name) }

    /// The database has been rebuilt, so that nothing merged before need be in it.
    package mutating func forgetMerged() { (merged, covered) = ([:], [:]) }

    /// A full snapshot of our own has been stored.
    ///
    /// - Parameter covering: ``merged`` as it was before the LMDB was read for it.
    package mutating func stored(_ name: SnapshotName, covering: [String: SnapshotName]) {
        covered = covering
        sent = name
    }
}

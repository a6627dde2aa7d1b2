import Snapshots

/// The progress of a database: up to which position each instance's history is merged here, and what of it our own snapshots
/// contain.
///
/// This is the only place for it. It determines which snapshots are loaded, which ones a cleaner may remove, the
/// contents of the state object and of the status page, and whether sending is allowed.
///
/// A position is an instant of one instance's history: everything that its application had committed is merged, and everything in its
/// last full snapshot that was merged here. It is written as the name of the full snapshot of that instant, whether there is one or not.
package struct SyncProgress: Sendable, Equatable {
    /// The position up to which everything was read, merged as a whole or with held entries. Snapshots in the far future are
    /// separate from the others of their instance.
    package private(set) var read: [SnapshotHorizon.Group: SnapshotName] = [:] { didSet { revision.number += 1 } }
    /// The newest full snapshot that was read to its end. Deltas continue it, so later ones need not be read.
    package private(set) var readInFull: [SnapshotHorizon.Group: SnapshotName] = [:] { didSet { revision.number += 1 } }
    /// The instances of which the last listing shows something that is not read.
    package private(set) var unread: Set<String> = [] { didSet { revision.number += 1 } }
    /// The instances whose newest full snapshot may have something that is missing here, although its position is known.
    package private(set) var needed: Set<String> = [] { didSet { revision.number += 1 } }
    /// The position up to which everything was merged as a whole, by instance; not counting those in the far future.
    package private(set) var merged: [String: SnapshotName] = [:] { didSet { revision.number += 1 } }
    /// The positions that were merged before ``sent`` was read from the LMDB, by instance; nil before the first
    /// send.
    package private(set) var covered: [String: SnapshotName]? { didSet { revision.number += 1 } }
    /// The newest full snapshot that was stored.
    package private(set) var sent: SnapshotName? { didSet { revision.number += 1 } }
    /// The newest position of our own that is stored, in a full snapshot or a delta.
    package private(set) var position: SnapshotName? { didSet { revision.number += 1 } }
    /// The full snapshots in the last listing that cannot be read, or must not be merged.
    package private(set) var refused: Set<SnapshotName> = [] { didSet { revision.number += 1 } }
    /// Those of ``refused`` that could not even be opened, as something sealed with another identity: others may be able to.
    package private(set) var unopened: Set<SnapshotName> = [] { didSet { revision.number += 1 } }
    /// Positions that others have merged, and this database has not, by instance.
    package private(set) var owed: [String: UInt64] = [:] { didSet { revision.number += 1 } }
    /// The instances that read deltas, as their last objects say.
    package private(set) var readsDeltas: Set<String> = [] { didSet { revision.number += 1 } }

    /// Changes with each change, so that a comparison with an earlier value takes no time.
    package private(set) var revision = Revision()

    /// A number that does not count when two values are compared.
    package struct Revision: Sendable, Equatable {
        /// The number.
        package fileprivate(set) var number = 0
        /// Always equal.
        package static func == (one: Self, other: Self) -> Bool { true }
    }

    /// No progress.
    package init() {}

    /// Reports a listing of the storage. Rejected snapshots that are gone are forgotten.
    package mutating func listed(_ names: [SnapshotName]) {
        if !refused.isEmpty { refused.formIntersection(names) }
        if !unopened.isEmpty { unopened.formIntersection(names) }
    }

    /// Forgets groups that no longer exist.
    ///
    /// - Parameter isKept: whether a group exists.
    package mutating func keep(_ isKept: (SnapshotHorizon.Group) -> Bool) {
        if !read.keys.allSatisfy(isKept) { read = read.filter { isKept($0.key) } }
        if !readInFull.keys.allSatisfy(isKept) { readInFull = readInFull.filter { isKept($0.key) } }
    }

    /// Reports a merged snapshot.
    ///
    /// - Parameters:
    ///   - group: the group of the snapshot.
    ///   - isWhole: whether no entry was held.
    ///   - isFull: whether it is the name of a full snapshot that was read; otherwise it is a position.
    package mutating func merged(
        _ name: SnapshotName, in group: SnapshotHorizon.Group, isWhole: Bool = true, isFull: Bool = true
    ) {
        if isFull { readInFull(name, in: group) }
        read[group] = max(read[group] ?? name, name)
        guard isWhole, !group.isFarAhead else { return }
        merged[name.instance] = max(merged[name.instance] ?? name, name)
        if let position = owed[name.instance], position <= name.timestamp { owed[name.instance] = nil }
    }

    /// Reports what the sender of a merged snapshot had merged of others.
    mutating func owe(_ positions: [String: UInt64], except own: String?) {
        for (instance, position) in positions where instance != own {
            let known = max(
                read[.init(instance: instance, isFarAhead: false)]?.timestamp ?? 0, merged[instance]?.timestamp ?? 0)
            if position > known { owed[instance] = max(owed[instance] ?? 0, position) }
        }
    }

    /// Forgets what others have merged of instances that are gone.
    mutating func forgetOwed(except isKept: (String) -> Bool) { owed = owed.filter { isKept($0.key) } }

    /// Takes the recorded positions of a database.
    mutating func restored(_ positions: RecordedPositions, of database: String) {
        for (instance, position) in positions.merged {
            let name = SnapshotName(database: database, instance: instance, timestamp: position)
            read[.init(instance: instance, isFarAhead: false)] = name
            merged[instance] = name
        }
        owed = positions.owed
        readsDeltas = positions.readsDeltas
    }

    /// Forgets positions after this time: no clock of an instance that is right has reached them.
    ///
    /// - Parameter time: nanoseconds since the UNIX epoch.
    mutating func forget(after time: UInt64) {
        read = read.filter { $0.value.timestamp <= time }
        merged = merged.filter { $0.value.timestamp <= time }
        owed = owed.filter { $0.value <= time }
    }

    /// Reports whether an instance reads deltas.
    mutating func noteReader(_ instance: String, readsDeltas: Bool) {
        if readsDeltas { self.readsDeltas.insert(instance) } else { self.readsDeltas.remove(instance) }
    }

    /// Reports a full snapshot that was read to its end.
    mutating func readInFull(_ name: SnapshotName, in group: SnapshotHorizon.Group) {
        readInFull[group] = max(readInFull[group] ?? name, name)
    }

    /// Reports whether an instance has something that is not read.
    mutating func noteUnread(_ instance: String, _ isUnread: Bool) {
        guard unread.contains(instance) != isUnread else { return }
        if isUnread { unread.insert(instance) } else { unread.remove(instance) }
    }

    /// Reports whether the newest full snapshot of an instance may have something that is missing here.
    mutating func noteNeeded(_ instance: String, _ isNeeded: Bool) {
        guard needed.contains(instance) != isNeeded else { return }
        if isNeeded { needed.insert(instance) } else { needed.remove(instance) }
    }

    /// Reports a rejected snapshot.
    ///
    /// - Parameter isOpened: whether its contents were seen.
    package mutating func refused(_ name: SnapshotName, isOpened: Bool = true) {
        refused.insert(name)
        if !isOpened { unopened.insert(name) }
    }

    /// Whether a snapshot is of no use to anybody, as far as known.
    package func isWorthless(_ name: SnapshotName) -> Bool { refused.contains(name) && !unopened.contains(name) }

    /// Reports that the database was rebuilt: snapshots merged before may be missing from it.
    package mutating func forgetMerged() {
        (read, readInFull, merged, covered, owed) = ([:], [:], [:], nil, [:])
    }

    /// Reports a stored full snapshot of our own.
    ///
    /// - Parameter covering: ``merged`` as it was before the LMDB was read for it.
    package mutating func stored(_ name: SnapshotName, covering: [String: SnapshotName]) {
        covered = covering
        sent = name
        reached(name)
    }

    /// Reports a position of our own that is stored.
    package mutating func reached(_ name: SnapshotName) { position = max(position ?? name, name) }
}

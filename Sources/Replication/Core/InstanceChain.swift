import Snapshots

/// The objects of another instance in the storage, and which of them are to be read to know everything in them: its newest full
/// snapshot, or the deltas that continue what is known already.
///
/// A pure value. Times are positions: nanoseconds since the UNIX epoch.
struct InstanceChain: Sendable {
    /// A version of a delta that was read.
    private struct Version: Sendable, Equatable {
        /// The last ones that were read. A listing may show an earlier one than a hint.
        var tags: [String]
        /// The greatest position at which one of them ends.
        var end: UInt64

        /// The number of ``tags``.
        static let mostTags = 6
    }

    /// The full snapshots in the last listing, oldest first.
    private(set) var snapshots: [SnapshotName] = []
    /// The deltas in the last listing, by the position at which they begin.
    private(set) var deltas: [Catalog.Delta] = []
    /// The sizes of the full snapshots in the last listing, in bytes.
    private var sizes: [SnapshotName: Int] = [:]
    /// The versions that have been read.
    private var versionsRead: [SnapshotName: Version] = [:]
    /// The versions that can't be read, or must not be merged.
    private var versionsRefused: [SnapshotName: [String]] = [:]
    /// The versions that are being read. One has several tags if the storage says more than the listing.
    private var requested: [SnapshotName: [String]] = [:]
    /// The deltas of which a hint told, and no listing yet.
    private var hinted: Set<SnapshotName> = []
    /// Whether a delta of which a hint told was not in the storage since the last listing.
    private(set) var hasWrongHint = false
    /// The number of hints without a version.
    var hintCount = 0
    /// The last full snapshot that was read, and the last one of which nothing was held back.
    private var lastFull: SnapshotName?
    private var lastWhole: SnapshotName?
    /// Full snapshots are read even if their positions are known, until one of this time or later is: something of it may be missing
    /// here.
    private var fullFrom: UInt64?

    /// Takes the objects of a listing.
    ///
    /// - Parameters:
    ///   - snapshots: oldest first.
    ///   - deltas: by the position at which they begin.
    ///   - sizes: the sizes of full snapshots in bytes; only compared with those of deltas.
    mutating func listed(
        _ snapshots: [SnapshotName], _ deltas: [Catalog.Delta] = [], sizes: [SnapshotName: Int] = [:]
    ) {
        (self.snapshots, self.deltas, self.sizes) = (snapshots, deltas, sizes)
        (hinted, hasWrongHint) = ([], false)
        guard !versionsRead.isEmpty || !versionsRefused.isEmpty || !requested.isEmpty else { return }
        let names = Set(deltas.map(\.name))
        requested = requested.filter { names.contains($0.key) }
        versionsRead = versionsRead.filter { names.contains($0.key) }
        versionsRefused = versionsRefused.filter { names.contains($0.key) }
    }

    /// Whether a delta continues the newest full snapshot.
    var hasDeltasBehindFull: Bool {
        guard let delta = deltas.last else { return false }
        return snapshots.last.map { delta.name.timestamp >= $0.timestamp } ?? true
    }

    /// Whether nothing of the instance is in the storage.
    var isEmpty: Bool { snapshots.isEmpty && deltas.isEmpty }

    /// Whether an object is in the last listing.
    func contains(_ name: SnapshotName) -> Bool {
        name.isDelta ? index(of: name) != nil : snapshots.contains(name)
    }

    /// The size of a delta in the last listing, in bytes; nil if it is not there.
    func size(ofDelta name: SnapshotName) -> Int? { index(of: name).map { deltas[$0].size } }

    private func index(of delta: SnapshotName) -> Int? {
        delta.isDelta ? deltas.firstIndex { $0.name == delta } : nil
    }

    /// The greatest position that the names show. A delta may end later.
    var greatestPosition: UInt64 { max(snapshots.last?.timestamp ?? 0, deltas.last?.name.timestamp ?? 0) }

    /// Whether everything that the last listing shows is known.
    ///
    /// - Parameter position: up to where everything is known; nil if nothing is.
    func isRead(to position: UInt64?) -> Bool {
        guard let position, position >= greatestPosition else { return false }
        return deltas.last.map { !isUnread($0) && !isRefused($0) } ?? true
    }

    /// Whether the deltas do not lead on from a position: one is missing, can't be read, or must not be merged.
    func isStuck(at position: UInt64?) -> Bool {
        guard let position, let last = deltas.last else { return false }
        if last.name.timestamp > position { return true }
        return !versionsRefused.isEmpty && (deltas.last { $0.name.timestamp <= position }.map(isRefused) ?? false)
    }

    /// The object to read next; nil if everything is known.
    ///
    /// - Parameters:
    ///   - position: up to where everything is known; nil if nothing is.
    ///   - refused: the full snapshots that can't be read, or must not be merged.
    func next(from position: UInt64?, refused: Set<SnapshotName>) -> SnapshotName? {
        let newest = refused.isEmpty ? snapshots.last : snapshots.last { !refused.contains($0) }
        if fullFrom != nil, let newest, lastFull.map({ newest > $0 }) ?? true { return newest }
        guard let position else { return newest ?? firstUnread?.name }
        // The newest full snapshot that goes beyond what is known.
        let full = newest.flatMap { $0.timestamp > position ? $0 : nil }
        let chain = unread(from: position)
        guard let first = chain.deltas.first else { return full ?? chain.afterGap }
        if let full, let size = sizes[full], chain.deltas.reduce(0, { $0 + $1.size }) > size { return full }
        return first.name
    }

    /// The versions that continue a position without a gap, as far as the names show, and have not been read.
    ///
    /// If there are none, `afterGap` is the first one after a gap: it may be merged, but its position is not reached by that.
    private func unread(from position: UInt64) -> (deltas: ArraySlice<Catalog.Delta>, afterGap: SnapshotName?) {
        let index = deltas.lastIndex { $0.name.timestamp <= position }
        let rest = deltas[(index ?? 0)...]
        guard let first = rest.first else { return ([], nil) }
        if index != nil, first.name.timestamp <= position, isUnread(first) {
            return (rest.prefix { !isRefused($0) }, nil)
        }
        // Read, or refused: a later full snapshot takes its place. What begins elsewhere does not continue it.
        return ([], rest.first { $0.name.timestamp > position && isUnread($0) }?.name)
    }

    /// The delta that probably continues one that is being read; nil if there is none, or if it is known.
    func next(behind delta: SnapshotName) -> SnapshotName? {
        guard let next = deltas.first(where: { $0.name.timestamp > delta.timestamp }), isUnread(next) else {
            return nil
        }
        return next.name
    }

    private var firstUnread: Catalog.Delta? { deltas.first(where: isUnread) }

    func isUnread(_ delta: Catalog.Delta) -> Bool { !isKnown(delta.tag, of: delta.name) }

    private func isRefused(_ delta: Catalog.Delta) -> Bool {
        versionsRefused[delta.name]?.contains(delta.tag) ?? false
    }

    /// Whether a version of a delta was read or refused.
    func isKnown(_ tag: String, of name: SnapshotName) -> Bool {
        versionsRead[name]?.tags.contains(tag) ?? false || versionsRefused[name]?.contains(tag) ?? false
    }

    /// Whether the version was requested last.
    func isRequested(_ delta: Catalog.Delta) -> Bool {
        requested[delta.name]?.contains(delta.tag) ?? false
    }

    /// Whether a delta has another version than the one that was requested last.
    func isOverwritten(_ name: SnapshotName) -> Bool {
        guard let index = index(of: name), requested[name] != nil else { return false }
        return !isRequested(deltas[index])
    }

    // MARK: What happened

    /// Reports the begin of a download.
    mutating func requested(_ name: SnapshotName) {
        requested[name] = index(of: name).map { [deltas[$0].tag] }
    }

    /// Reports the version that a download has brought.
    mutating func downloaded(_ name: SnapshotName, version: String) {
        requested[name]?.append(version)
    }

    /// Adds a delta of which a hint told.
    mutating func insertHinted(_ delta: Catalog.Delta) {
        deltas.insert(delta, at: deltas.firstIndex { $0.name > delta.name } ?? deltas.endIndex)
        hinted.insert(delta.name)
    }

    /// A hint told of another version of a delta.
    mutating func setVersion(_ version: String, at index: Int) { deltas[index].version = version }

    /// Reports that a delta is not in the storage.
    ///
    /// - Returns: whether only a hint told of it.
    mutating func hintWasWrong(_ name: SnapshotName) -> Bool {
        guard hinted.remove(name) != nil else { return false }
        vanished(name)
        hasWrongHint = true
        return true
    }

    /// Reports that an object was merged.
    ///
    /// - Parameters:
    ///   - end: the position at which it ends.
    ///   - position: up to where everything was known.
    ///   - isWhole: whether nothing of it was held back.
    /// - Returns: up to where everything is known now; nil if that is not known.
    mutating func merged(
        _ name: SnapshotName, to end: UInt64, from position: UInt64?, isWhole: Bool
    ) -> UInt64? {
        var position = position
        if name.isDelta {
            if let tags = requested.removeValue(forKey: name) { noteRead(tags, of: name, to: end) }
            if !isWhole { requireFull(from: end) }
            guard let known = position else { return nil }
            if name.timestamp <= known { position = max(known, end) }
        } else {
            position = max(position ?? end, end)
            lastFull = max(lastFull ?? name, name)
            if isWhole { lastWhole = max(lastWhole ?? name, name) }
            if isWhole, let fullFrom, name.timestamp >= fullFrom { self.fullFrom = nil }
            if !isWhole { requireFull(from: end.nextTimestamp) }
        }
        return position.map(followed)
    }

    private mutating func noteRead(_ tags: [String], of name: SnapshotName, to end: UInt64) {
        let before = versionsRead[name]
        let all = (before?.tags ?? []).filter { !tags.contains($0) } + tags
        versionsRead[name] = Version(tags: all.suffix(Version.mostTags), end: max(before?.end ?? 0, end))
    }

    /// The end of what was read beyond a position: after a gap that is closed, too.
    private func followed(_ position: UInt64) -> UInt64 {
        var position = position
        for delta in deltas where delta.name.timestamp <= position {
            if let read = versionsRead[delta.name] { position = max(position, read.end) }
        }
        return position
    }

    /// Something that the instance had sent up to this position may be missing here: a full snapshot from then on has it, and earlier
    /// ones may have it.
    mutating func requireFull(from position: UInt64) { fullFrom = max(fullFrom ?? position, position) }

    /// Whether something that the instance has sent may be missing here.
    var isIncomplete: Bool { fullFrom != nil }

    /// Whether the newest full snapshot may have something that is missing here, though its position is known.
    var isNeeded: Bool {
        guard isIncomplete, let newest = snapshots.last else { return false }
        return lastWhole.map { newest > $0 } ?? true
    }

    /// Reports an object that is damaged, or must not be merged.
    mutating func refused(_ name: SnapshotName) {
        if let tags = requested.removeValue(forKey: name) { versionsRefused[name] = tags }
    }

    /// Reports that a listed object is gone.
    mutating func vanished(_ name: SnapshotName) {
        snapshots.removeAll { $0 == name }
        deltas.removeAll { $0.name == name }
    }

    /// Everything is read again.
    mutating func forget() { (versionsRead, lastFull, lastWhole, fullFrom) = ([:], nil, nil, nil) }
}

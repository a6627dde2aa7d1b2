import Snapshots

/// What to do next.
extension Receiver {
    /// The next snapshot to download. It counts as being downloaded from now on.
    package mutating func nextDownload(at now: Duration) -> SnapshotName? {
        nextDownload(isSmall: false, at: now) ?? nextDownload(isSmall: true, at: now)
    }

    /// Those that wait are put in order once, and not for each download.
    private mutating func nextDownload(isSmall: Bool, at now: Duration) -> SnapshotName? {
        guard hasRoom(small: isSmall), !waitingGroups[isSmall].all.isEmpty else { return nil }
        if let name = nextQueued(isSmall: isSmall, at: now) { return name }
        let candidates = waitingGroups[isSmall].all.compactMap { group in
            instances[group].flatMap { candidate(group, $0, at: now) }
        }
        waitingGroups[isSmall].queue = candidates.sorted { $1.isBefore($0, own: own) }.map(\.group)
        return nextQueued(isSmall: isSmall, at: now)
    }

    private mutating func nextQueued(isSmall: Bool, at now: Duration) -> SnapshotName? {
        while let group = waitingGroups[isSmall].queue.popLast() {
            guard let instance = instances[group], let next = candidate(group, instance, at: now),
                (next.smallSize != nil) == isSmall
            else { continue }
            begin(Request(name: next.name, smallSize: next.smallSize), of: group)
            return next.name
        }
        return nil
    }

    /// The instances of which something is to be downloaded.
    struct WaitingGroups {
        var all: Set<Group> = []
        /// Those that were among them when they were put in order last, the first one at the end.
        var queue: [Group] = []
    }

    /// They have limits of their own.
    struct Waiting {
        var large = WaitingGroups()
        var small = WaitingGroups()

        subscript(isSmall: Bool) -> WaitingGroups {
            get { isSmall ? small : large }
            _modify { if isSmall { yield &small } else { yield &large } }
        }
    }

    /// Updates which instances wait.
    mutating func noteWaiting(_ group: Group) {
        let next = instances[group].flatMap { candidate(group, $0, at: nil) }
        if let next, next.smallSize == nil {
            waitingGroups.large.all.insert(group)
        } else {
            waitingGroups.large.all.remove(group)
        }
        if let next, next.smallSize != nil {
            waitingGroups.small.all.insert(group)
        } else {
            waitingGroups.small.all.remove(group)
        }
    }

    /// An object that may be downloaded.
    private struct Candidate {
        var name: SnapshotName
        var group: Group
        var smallSize: Int?
        /// Whether others of its instance are in hand, which it continues.
        var isAhead: Bool

        /// The own snapshot first, as it blocks sending. Then what an instance waits for, and of that the oldest.
        func isBefore(_ other: Candidate, own: Group?) -> Bool {
            if (group == own) != (other.group == own) { return group == own }
            if isAhead != other.isAhead { return !isAhead }
            return (name.timestamp, name.instance) < (other.name.timestamp, other.name.instance)
        }
    }

    /// - Parameter now: nil for what waits for a retry, too.
    private func candidate(_ group: Group, _ instance: Instance, at now: Duration?) -> Candidate? {
        guard let last = instance.requests.last else {
            guard let wanted = wanted(group, instance) else { return nil }
            if let failure = instance.failure, let now, now < failure.retryAt, wanted == failure.name { return nil }
            return Candidate(
                name: wanted, group: group, smallSize: smallSize(of: wanted, instance), isAhead: false)
        }
        // What continues the delta before it is probably needed.
        guard instance.failure == nil, last.smallSize != nil, let next = instance.chain.next(behind: last.name),
            let size = smallSize(of: next, instance)
        else { return nil }
        return Candidate(name: next, group: group, smallSize: size, isAhead: true)
    }

    private func smallSize(of name: SnapshotName, _ instance: Instance) -> Int? {
        guard let size = instance.chain.size(ofDelta: name), size <= Self.smallSize else { return nil }
        return size
    }

    /// The snapshots whose download waits for others to end.
    package var waiting: [SnapshotName] {
        if hasRoom(small: false), hasRoom(small: true) { return [] }
        return unsettledGroups.compactMap { group in
            guard let instance = instances[group], instance.isIdle, let name = wanted(group, instance) else {
                return nil
            }
            return hasRoom(small: smallSize(of: name, instance) != nil) ? nil : name
        }
    }

    // MARK: Merges

    /// The number of downloaded snapshots that wait to be merged.
    package var readyCount: Int { ready.count }

    /// Whether a snapshot waits to be merged.
    package var hasReady: Bool { ready.contains { isNext($0) } }

    /// The next snapshot to merge. It counts as being merged from now on.
    package mutating func nextMerge() -> SnapshotName? {
        ready.firstIndex { isNext($0) }.map { beginMerge(at: $0) }
    }

    /// The next delta to merge together with these, which wait to be applied. It counts as being merged from now on.
    package mutating func nextMerge(together planned: [SnapshotName]) -> SnapshotName? {
        nextIndex(together: planned).map { beginMerge(at: $0) }
    }

    /// Whether a delta may be merged together with these.
    package func hasReady(together planned: [SnapshotName]) -> Bool { nextIndex(together: planned) != nil }

    private func nextIndex(together planned: [SnapshotName]) -> Int? {
        guard !ready.isEmpty, planned.count < Self.mostSmall else { return nil }
        var room = Self.mostTogether
        for name in planned {
            guard let size = joiningSize(of: name) else { return nil }
            room -= size
        }
        return ready.firstIndex { name in
            guard let size = joiningSize(of: name), size <= room else { return false }
            return isNext(name)
        }
    }

    /// The size of a small delta in hand. One under the own name is merged alone, as nobody else sends what is in it.
    private func joiningSize(of name: SnapshotName) -> Int? {
        name.instance == own?.instance ? nil : request(name)?.smallSize
    }

    /// Whether everything of its instance that comes before a downloaded object is being merged.
    private func isNext(_ name: SnapshotName) -> Bool {
        instances[key(name)]?.requests.first { $0.stage != .merging }?.name == name
    }

    // MARK: Retries

    /// When to retry a failed snapshot; nil if there is none, or if others have to end first.
    package var nextRetry: Duration? {
        var next: Duration?
        for group in unsettledGroups {
            // If another object is wanted by now, that waits for room only.
            guard let instance = instances[group], instance.requests.isEmpty, let failure = instance.failure,
                wanted(group, instance) == failure.name, hasRoom(small: smallSize(of: failure.name, instance) != nil)
            else { continue }
            next.bringForward(to: failure.retryAt)
        }
        return next
    }
}

import Snapshots

/// What begins on the LMDB.
extension SyncMachine {
    /// The next action on the LMDB that ``LMDBWork`` allows: merges first, then sends, then the sweeper. After
    /// ``mergesInARow`` merges a due send comes first.
    mutating func nextLMDBAction(at now: Duration) -> Action? {
        let sendIsDue = maySend && (sendDue.map { $0 <= now } ?? false)
        let comesFirst = sendIsDue && mergesSinceSend >= Self.mergesInARow
        if !work.planned.isEmpty {
            if !comesFirst, work.mayRead(at: now), let name = receiver.nextMerge(together: work.planned) {
                return compare(name)
            }
            if work.mayApply {
                let names = work.planned
                work.begin(.applying(names), at: now)
                return .apply(names)
            }
        }
        // A send captures by itself.
        if let due = capture?.due, due <= now, work.isIdle, !(isCaptured && sendIsDue) {
            capture?.started()
            work.begin(.capturing, at: now)
            return .capture
        }
        guard isCaptured, work.mayRead(at: now) else { return nil }
        if work.planned.isEmpty, !comesFirst, let name = receiver.nextMerge() { return compare(name) }
        if sendIsDue {
            work.begin(.scanning)
            return .send(beginSend(at: now))
        }
        guard work.isIdle else { return nil }
        if let record = fence?.recordDue(at: now) {
            work.begin(.recording, at: now)
            return .record(record)
        }
        return sweep(at: now)
    }

    private mutating func compare(_ name: SnapshotName) -> Action {
        work.begin(.comparing(name))
        mergesSinceSend += 1
        return .compare(name)
    }

    /// Whether there is something to compare, once the LMDB may be read.
    var mayCompare: Bool {
        work.planned.isEmpty ? receiver.hasReady : receiver.hasReady(together: work.planned)
    }

    private mutating func sweep(at now: Duration) -> Action? {
        guard let sweeper, let due = sweepDue(at: now), due <= now else { return nil }
        self.sweeper?.started(at: now)
        work.begin(.sweeping, at: now)
        return .sweep(deletionTime: sweeper.deletionTime)
    }

    /// When the sweeper may continue; nil while that takes an event.
    func sweepDue(at now: Duration) -> Duration? {
        guard let due = sweeper?.due, let begin = fence?.sweepsFrom(at: now) else { return nil }
        return max(due, begin)
    }
}

import Snapshots

/// Why a cleaner removes a snapshot. The raw values are those of release 1.0's metrics.
package enum CleaningReason: String, Sendable, CaseIterable {
    /// There is a newer one of the same instance.
    case newerSnapshot = "newer snapshot"
    /// Its instance is gone, and everything in it is merged here and sent on.
    case staleInstance = "stale instance"
}

/// The verdict on a snapshot, with the reason.
package enum CleaningVerdict: Sendable, Hashable {
    /// It may be removed.
    case remove(CleaningReason)
    /// It stays.
    case keep(Need)

    /// Why a snapshot is still needed.
    package enum Need: Sendable, Hashable {
        /// It is the newest of its instance.
        case newest
        /// It lies in the far future, so it does not count as the newest of its instance.
        case farAhead
        /// It is our own newest.
        case own
        /// It has not been in the storage for long enough.
        case recent
        /// The newest one of its instance has just appeared.
        case predecessor
        /// It is the newest one of its instance that can be read.
        case readable
        /// No newer one has been read here yet. It is needed if all of them are damaged.
        case fallback
        /// It is the newest one of its instance that has been merged here.
        case merged
        /// Its instance is gone, but it is not merged here.
        case notMerged
        /// Its instance is gone and it is merged here, but no snapshot of ours in the storage contains it.
        case notSentOn
    }
}

/// Decides which snapshots of a database are no longer needed.
///
/// Only the newest snapshot of an instance matters: it contains everything in the earlier ones. But it may be damaged,
/// so an earlier one is removed only after a newer one was read here. An instance that is gone is not needed once a
/// snapshot of ours contains its last one.
package struct CleaningRule: Sendable {
    /// This instance's name.
    package var instance: String
    /// The minimum age of the newest snapshot of an instance that counts as gone.
    package var removeOldInstancesInterval: Duration

    /// See the properties of the same names.
    package init(instance: String, removeOldInstancesInterval: Duration) {
        self.instance = instance
        self.removeOldInstancesInterval = removeOldInstancesInterval
    }

    /// A snapshot in the storage.
    package struct Candidate: Sendable {
        /// Its name.
        package var name: SnapshotName
        /// Whether it has been in the storage for less than the time for which every snapshot is kept.
        package var isRecent: Bool
        /// Whether it is the newest one of its instance, and has just appeared.
        package var hasJustAppeared: Bool

        /// See the properties of the same names.
        package init(name: SnapshotName, isRecent: Bool, hasJustAppeared: Bool) {
            self.name = name
            self.isRecent = isRecent
            self.hasJustAppeared = hasJustAppeared
        }
    }

    /// The snapshots that a cleaner handles, oldest first: those without unknown extras in their names.
    package static func groups(in catalog: Catalog) -> [SnapshotHorizon.Group: [Catalog.Snapshot]] {
        catalog.groups.mapValues { $0.filter(\.name.extras.isEmpty) }.filter { !$0.value.isEmpty }
    }

    /// The verdict on each snapshot, sorted by name.
    ///
    /// - Parameters:
    ///   - candidates: all snapshots of the database that a cleaner handles.
    ///   - progress: what is merged and sent here.
    ///   - time: nanoseconds since the UNIX epoch.
    package func verdicts(
        on candidates: [Candidate], _ progress: SyncProgress, at time: UInt64
    ) -> [(name: SnapshotName, verdict: CleaningVerdict)] {
        let horizon = SnapshotHorizon(now: time)
        let ownNewest = candidates.lazy.map(\.name)
            .filter { $0.instance == instance && !horizon.isFarAhead($0) }.max()
        // The changes of other instances are sent on only while our snapshot that contains them is in the storage.
        let isSentOn = progress.sent.map { sent in ownNewest.map { $0 >= sent } ?? false } ?? false
        var result: [(name: SnapshotName, verdict: CleaningVerdict)] = []
        for (key, group) in Dictionary(grouping: candidates, by: { horizon.group($0.name) }) {
            let instance = key.instance
            let sorted = group.sorted { $0.name < $1.name }
            guard let newest = sorted.last else { continue }
            var end = verdict(onNewest: newest.name, of: instance, progress, isSentOn: isSentOn, at: time)
            if key.isFarAhead { end = .keep(.farAhead) }
            // Keep the newest until the others are removed.
            if case .remove = end, group.contains(where: \.isRecent) { end = .keep(.recent) }
            let readable = sorted.last { !progress.isWorthless($0.name) }?.name
            let sent = !key.isFarAhead && instance == self.instance ? progress.sent : nil
            // A position reached by deltas does not show that a full snapshot before it can be read.
            let (read, reached) = (max(progress.readInFull[key], sent), max(progress.read[key], sent))
            let fallback = sorted.dropLast().last { !progress.isWorthless($0.name) }?.name
            for (index, candidate) in sorted.dropLast().enumerated() {
                let isPredecessor = newest.hasJustAppeared && index == sorted.count - 2
                let verdict: CleaningVerdict =
                    if candidate.isRecent {
                        .keep(.recent)
                    } else if candidate.name == progress.sent {
                        .keep(.own)
                    } else if end == .remove(.staleInstance) {
                        // The contents of the newest one are safe, and so are those of the others.
                        .remove(.newerSnapshot)
                    } else if isPredecessor {
                        .keep(.predecessor)
                    } else if candidate.name == readable {
                        .keep(.readable)
                    } else if candidate.name == progress.merged[instance], !(isSentOn && instance == self.instance) {
                        // Of our own, the one merged at start is needed until another one contains it.
                        .keep(.merged)
                    } else if candidate.name == read, progress.merged[instance].map({ $0 < candidate.name }) ?? true {
                        // What is held back of it here is in the newer ones, too, but those have not been read yet.
                        .keep(.fallback)
                    } else if !progress.isWorthless(candidate.name), read.map({ candidate.name > $0 }) ?? true,
                        candidate.name == fallback || reached.map({ candidate.name > $0 }) ?? true
                    {
                        .keep(.fallback)
                    } else {
                        .remove(.newerSnapshot)
                    }
                result.append((candidate.name, verdict))
            }
            result.append((newest.name, end))
        }
        return result.sorted { $0.name < $1.name }
    }

    private func max(_ one: SnapshotName?, _ other: SnapshotName?) -> SnapshotName? {
        [one, other].compactMap(\.self).max()
    }

    private func verdict(
        onNewest name: SnapshotName, of instance: String, _ progress: SyncProgress, isSentOn: Bool, at time: UInt64
    ) -> CleaningVerdict {
        guard instance != self.instance else { return .keep(.own) }
        let merged = progress.merged[instance]
        let latest = Swift.max(name.timestamp, merged?.timestamp ?? 0)
        let age = Duration.nanoseconds(Int64(clamping: time.elapsed(since: latest)))
        guard age > removeOldInstancesInterval else { return .keep(.newest) }
        guard let merged, merged >= name, !progress.unread.contains(instance), !progress.needed.contains(instance)
        else { return .keep(.notMerged) }
        guard let covered = progress.covered?[instance], covered >= merged, isSentOn else { return .keep(.notSentOn) }
        return .remove(.staleInstance)
    }

    // MARK: Deltas

    /// How long the deltas before a full snapshot stay after it has appeared.
    package static let deltaGrace = Duration.seconds(60)

    /// The deltas that are no longer needed, sorted by name.
    ///
    /// A delta ends where the next one of its instance begins, or before. It is needed from the oldest full snapshot on that may be.
    ///
    /// - Parameters:
    ///   - deltas: all deltas of the database.
    ///   - verdicts: the verdicts on the full snapshots.
    ///   - isSettled: whether a full snapshot has been in the storage for ``deltaGrace``.
    ///   - time: nanoseconds since the UNIX epoch.
    package func removable(
        _ deltas: [Catalog.Delta], beside verdicts: [(name: SnapshotName, verdict: CleaningVerdict)],
        isSettled: (SnapshotName) -> Bool, at time: UInt64
    ) -> [SnapshotName] {
        let horizon = SnapshotHorizon(now: time)
        var begins: [String: SnapshotName] = [:]
        for (name, verdict) in verdicts where !horizon.isFarAhead(name) && verdict.isNeeded {
            begins[name.instance] = begins[name.instance] ?? name
        }
        var removable: [SnapshotName] = []
        for (instance, chain) in Dictionary(grouping: deltas.filter { $0.name.extras.isEmpty }, by: \.name.instance) {
            let names = chain.map(\.name).sorted()
            guard let begin = begins[instance], isSettled(begin) else { continue }
            for (name, next) in zip(names, names.dropFirst()) where next.timestamp <= begin.timestamp {
                removable.append(name)
            }
        }
        return removable.sorted()
    }

    /// The last deltas of instances that are gone, and of which there are no full snapshots: others have removed those. All deltas and
    /// the state of the instance go with them.
    ///
    /// - Parameters:
    ///   - catalog: the objects of the database.
    ///   - time: nanoseconds since the UNIX epoch.
    package func leftovers(in catalog: Catalog, _ progress: SyncProgress, at time: UInt64) -> [SnapshotName] {
        let ownNewest = catalog.newest(of: instance)?.name
        guard let sent = progress.sent, let ownNewest, ownNewest >= sent else { return [] }
        let full = catalog.instances
        return catalog.lastDeltas.values.filter { last in
            let delta = last.name
            guard delta.extras.isEmpty, delta.instance != instance, !full.contains(delta.instance),
                let merged = progress.merged[delta.instance], merged.timestamp >= delta.timestamp,
                !progress.unread.contains(delta.instance),
                let covered = progress.covered?[delta.instance], covered >= merged,
                // A version that was stored since is not known to be merged.
                let stored = last.modified
            else { return false }
            let newest = Swift.max(stored, merged.timestamp)
            return .nanoseconds(Int64(clamping: time.elapsed(since: newest))) > removeOldInstancesInterval
        }
        .map(\.name)
        .sorted()
    }
}

extension CleaningVerdict {
    /// Whether deltas may have to continue it.
    fileprivate var isNeeded: Bool {
        switch self {
        case .keep(.newest), .keep(.own), .keep(.readable), .keep(.fallback), .keep(.merged), .keep(.notMerged),
            .keep(.notSentOn):
            true
        case .keep(.recent), .keep(.predecessor), .keep(.farAhead), .remove: false
        }
    }
}

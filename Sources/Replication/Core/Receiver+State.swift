import Snapshots

/// Where things stand.
extension Receiver {
    /// Whether the storage has been listed once.
    package var hasListing: Bool { seenAtStart != nil }

    /// Whether the newest usable snapshot under the own name is merged, or there is none.
    package var isOwnLoaded: Bool { hasListing && (!ownIsWanted || own.map { !unsettledGroups.contains($0) } ?? true) }

    /// Whether everything in the last listing is merged or rejected.
    package var isSettled: Bool { hasListing && unsettledGroups.isEmpty }

    /// The progress of loading.
    package enum Progress: Equatable, Sendable {
        /// Some snapshots have not been tried, or have not failed for long.
        case loading
        /// Everything in the last listing is merged or rejected.
        case settled
        /// As ``settled``, except that some have failed for long. Their changes up to this time have arrived through
        /// others: the timestamp of the newest merged snapshot of another instance, 0 if there is none.
        case failing(through: UInt64)
    }

    /// The progress of loading.
    ///
    /// - Parameters:
    ///   - instance: this instance's name.
    ///   - patience: snapshots that have failed for this long are disregarded.
    package func progress(of instance: String, patience: Duration, at now: Duration) -> Progress {
        guard hasListing else { return .loading }
        var isFailing = false
        for group in unsettledGroups {
            guard let since = instances[group]?.failingSince, now - since >= patience else { return .loading }
            isFailing = true
        }
        for group in stuckGroups {
            guard let since = stuck[group]?.since, now - since >= max(patience, Self.patienceWithGaps) else {
                return .loading
            }
            isFailing = true
        }
        guard isFailing else { return .settled }
        var through: UInt64 = 0
        for group in instances.keys
        where group.instance != instance && !group.isFarAhead && !unsettledGroups.contains(group)
            && !stuckGroups.contains(group) && instances[group]?.chain.isIncomplete != true
        {
            through = max(through, progress.read[group]?.timestamp ?? 0)
        }
        return .failing(through: through)
    }

    /// The instances of which not everything is merged, sorted by name, and whether it cannot be.
    package var unsettled: [(instance: String, isFailing: Bool)] {
        (unsettledGroups.map { ($0.instance, instances[$0]?.failingSince != nil) }
            + stuckGroups.map { ($0.instance, true) })
            .sorted { $0.0 < $1.0 }
    }

    /// Merges everything again, because the database has been rebuilt.
    package mutating func forgetMerged() {
        progress.forgetMerged()
        for group in instances.keys {
            instances[group]?.chain.forget()
            refresh(group)
        }
    }

    /// Reports a stored delta of our own, which ends at this position.
    package mutating func reached(_ position: SnapshotName) { progress.reached(position) }

    /// Whether some instance writes full snapshots that do not show that it reads deltas.
    package var hasReadersOfFullOnly: Bool { !readersOfFullOnly.isEmpty }

    func isReaderOfFullOnly(_ group: Group, _ instance: Instance) -> Bool {
        group != own && !instance.chain.snapshots.isEmpty && !instance.chain.hasDeltasBehindFull
            && !progress.readsDeltas.contains(group.instance)
    }

    /// Up to where the history under our own name is known, in nanoseconds since the UNIX epoch; 0 if it is not.
    var ownPosition: UInt64 { max(ownRead, progress.position?.timestamp ?? 0) }

    /// Takes the positions that were recorded in the LMDB, before the first listing.
    package mutating func restored(_ positions: RecordedPositions, of database: String) {
        progress.restored(positions, of: database)
    }

    /// Forgets recorded positions after this time: an object that gave a wrong one must not hide all later ones for ever.
    mutating func forgetPositions(after time: UInt64) { progress.forget(after: time) }

    /// Reports a stored snapshot of our own.
    ///
    /// - Parameter covering: ``SyncProgress/merged`` as it was before the LMDB was read for it.
    package mutating func stored(_ name: SnapshotName, covering: [String: SnapshotName]) {
        progress.stored(name, covering: covering)
    }

    /// Whether the snapshots of all instances seen at start are merged or gone.
    package var isStartLoaded: Bool {
        guard let seenAtStart else { return false }
        return unsettledGroups.isDisjoint(with: seenAtStart)
    }

    /// Whether the snapshots of all instances seen at start are merged, gone, or have failed at least once.
    package var isStartLoadedOrFailing: Bool {
        guard let seenAtStart else { return false }
        return unsettledGroups.allSatisfy { !seenAtStart.contains($0) || instances[$0]?.failingSince != nil }
    }

    /// The largest number of failures in a row for one instance.
    package var mostFailures: Int {
        instances.values.map(\.failures).max() ?? 0
    }

    func isSettled(_ name: Group, _ instance: Instance) -> Bool {
        guard instance.isIdle, !instance.awaitsListing else { return false }
        return wanted(name, instance) == nil
    }

    /// What is to be read next; nil if everything is merged.
    func wanted(_ name: Group, _ instance: Instance) -> SnapshotName? {
        instance.chain.next(from: progress.read[name]?.timestamp, refused: progress.refused)
    }
}

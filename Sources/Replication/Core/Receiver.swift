import Snapshots

/// Decides which snapshots of a database to download and merge, and in which order: the newest of each instance.
///
/// A pure state machine over events and times; times are durations since a fixed moment of the process.
package struct Receiver {
    /// Configuration.
    package struct Settings: Sendable {
        /// The maximum number of snapshots that are being downloaded or wait to be merged.
        package var concurrentDownloads: Int
        /// How long to wait after a failure before the same snapshot is retried.
        package var retryInterval: Duration

        /// See the properties of the same names.
        package init(concurrentDownloads: Int, retryInterval: Duration) {
            self.concurrentDownloads = concurrentDownloads
            self.retryInterval = retryInterval
        }
    }

    private typealias Group = SnapshotHorizon.Group

    private enum Phase: Equatable {
        case idle
        case downloading(SnapshotName)
        case downloaded(SnapshotName)
        case merging(SnapshotName)
        case failed(SnapshotName, retryAt: Duration)
    }

    private struct Instance {
        /// The snapshots in the last listing, oldest first.
        var listed: [SnapshotName] = []
        var phase = Phase.idle
        /// When the tries that have failed since the last success began.
        var failingSince: Duration?
        /// The number of tries that have failed since the last success.
        var failures = 0
        /// Whether a listed snapshot was not found. The next listing shows its successor.
        var awaitsListing = false
        /// The last listed snapshot that was not found.
        var vanished: SnapshotName?

        /// Takes the snapshots of a listing, oldest first.
        mutating func list(_ names: [SnapshotName]) {
            listed = names
            awaitsListing = false
            // A snapshot that failed and is gone cannot be retried.
            if case .failed(let name, _) = phase, !names.contains(name) { phase = .idle }
        }
    }

    private let settings: Settings
    private let own: Group?
    /// Which snapshots are merged, rejected and sent on.
    package private(set) var progress = SyncProgress()
    private var instances: [Group: Instance] = [:]
    /// Downloaded snapshots that wait to be merged, in the order of arrival.
    private var ready: [SnapshotName] = []
    /// Whether snapshots under the own name are loaded: until start-up has loaded the newest one.
    private var ownIsWanted = true
    private var seenAtStart: Set<Group>?
    /// The snapshots in the far future.
    private var farAhead: Set<SnapshotName> = []

    /// - Parameter own: this instance's name; nil for a receiver.
    package init(own: String?, settings: Settings) {
        self.own = own.map { Group(instance: $0, isFarAhead: false) }
        self.settings = settings
    }

    // MARK: What happened

    /// Reports a listing of the storage.
    ///
    /// - Parameters:
    ///   - names: the full snapshots of this database, in any order.
    ///   - strangers: those under the own name that another host has written since the start.
    ///   - horizon: separates those in the far future.
    package mutating func listed(
        _ names: [SnapshotName], strangers: Set<SnapshotName> = [],
        horizon: SnapshotHorizon = SnapshotHorizon(now: .max)
    ) {
        var byInstance: [Group: [SnapshotName]] = [:]
        progress.listed(names)
        sortOut(names, horizon)
        for name in names { byInstance[key(name), default: []].append(name) }
        if !ownIsWanted, let own {
            let theirs = (byInstance[own] ?? []).filter(strangers.contains)
            byInstance[own] = theirs.isEmpty ? nil : theirs
        }
        for (group, names) in byInstance { instances[group, default: Instance()].list(names.sorted()) }
        for group in Array(instances.keys) where byInstance[group] == nil {
            instances[group]?.list([])
            // Forget instances that are gone from the storage and leave nothing to do.
            if instances[group]?.phase == .idle { instances[group] = nil }
        }
        if seenAtStart == nil { seenAtStart = Set(byInstance.keys) }
        progress.keep { [instances] in instances[$0] != nil }
        if ownIsWanted, isOwnLoaded { ownIsWanted = false }
    }

    /// Updates the snapshots in the far future. The first classification of a snapshot stays, even if clocks change.
    private mutating func sortOut(_ names: [SnapshotName], _ horizon: SnapshotHorizon) {
        let far = names.filter { name in
            farAhead.contains(name)
                || (horizon.isFarAhead(name)
                    && instances[Group(instance: name.instance, isFarAhead: false)]?.listed.contains(name) != true)
        }
        let inHand = farAhead.filter { instances[key($0)].map { $0.phase != .idle } ?? false }
        farAhead = Set(far).union(inHand)
    }

    /// The group of a snapshot: those in the far future are handled like those of a separate instance.
    private func key(_ name: SnapshotName) -> Group {
        Group(instance: name.instance, isFarAhead: !farAhead.isEmpty && farAhead.contains(name))
    }

    /// Reports a finished download.
    package mutating func downloaded(_ name: SnapshotName) {
        instances[key(name)]?.phase = .downloaded(name)
        ready.append(name)
    }

    /// Reports that the snapshot is gone from the storage: a cleaner removed it, and there is a newer one.
    ///
    /// - Returns: whether to list again. False if it was listed again after it had gone: this counts as a failure,
    ///   otherwise it would be retried endlessly.
    package mutating func vanished(_ name: SnapshotName, at now: Duration) -> Bool {
        if instances[key(name)]?.vanished == name {
            failed(name, at: now)
            return false
        }
        instances[key(name)]?.vanished = name
        instances[key(name)]?.listed.removeAll { $0 == name }
        instances[key(name)]?.phase = .idle
        instances[key(name)]?.awaitsListing = true
        return true
    }

    /// Reports a download or a merge that failed for a temporary reason.
    package mutating func failed(_ name: SnapshotName, at now: Duration) {
        guard let instance = instances[key(name)] else { return }
        // A snapshot that is gone cannot be retried.
        let isListed = instance.listed.contains(name)
        instances[key(name)]?.phase = isListed ? .failed(name, retryAt: now + settings.retryInterval) : .idle
        instances[key(name)]?.failingSince = instance.failingSince ?? now
        instances[key(name)]?.failures += 1
    }

    /// Reports a snapshot that is damaged or must not be merged. The instance's previous one replaces it.
    package mutating func refused(_ name: SnapshotName) {
        progress.refused(name)
        instances[key(name)]?.phase = .idle
        instances[key(name)]?.failingSince = nil
        if ownIsWanted, isOwnLoaded { ownIsWanted = false }
    }

    /// Reports a merged snapshot.
    ///
    /// - Parameter isWhole: whether no entry was held.
    package mutating func merged(_ name: SnapshotName, isWhole: Bool = true) {
        progress.merged(name, in: key(name), isWhole: isWhole)
        instances[key(name)]?.phase = .idle
        instances[key(name)]?.failingSince = nil
        instances[key(name)]?.failures = 0
        if ownIsWanted, isOwnLoaded { ownIsWanted = false }
    }

    // MARK: What to do

    /// The next snapshot to download. It counts as being downloaded from now on.
    package mutating func nextDownload(at now: Duration) -> SnapshotName? {
        guard inHand < settings.concurrentDownloads else { return nil }
        var best: SnapshotName?
        for (name, instance) in instances {
            guard let wanted = wanted(name, instance) else { continue }
            switch instance.phase {
            case .idle: break
            case .failed(let failed, let retryAt) where now >= retryAt || wanted != failed: break
            default: continue
            }
            guard let candidate = best else {
                best = wanted
                continue
            }
            // The own snapshot first, as it blocks sending. Then the oldest.
            if name == own || (key(candidate) != own && isBefore(wanted, candidate)) { best = wanted }
        }
        if let best { instances[key(best)]?.phase = .downloading(best) }
        return best
    }

    /// The snapshots whose download waits for others to end.
    package var waiting: [SnapshotName] {
        guard inHand >= settings.concurrentDownloads else { return [] }
        return instances.compactMap { $0.value.phase == .idle ? wanted($0.key, $0.value) : nil }
    }

    /// The number of downloaded snapshots that wait to be merged.
    package var readyCount: Int { ready.count }

    /// Whether a snapshot waits to be merged.
    package var hasReady: Bool { !ready.isEmpty }

    /// The next snapshot to merge. It counts as being merged from now on.
    package mutating func nextMerge() -> SnapshotName? {
        guard !ready.isEmpty else { return nil }
        let name = ready.removeFirst()
        instances[key(name)]?.phase = .merging(name)
        return name
    }

    /// When to retry a failed snapshot; nil if there is none, or if others have to end first.
    package var nextRetry: Duration? {
        guard inHand < settings.concurrentDownloads else { return nil }
        return instances.values.compactMap { instance in
            if case .failed(_, let retryAt) = instance.phase { retryAt } else { nil }
        }.min()
    }

    // MARK: Where things stand

    /// Whether the storage has been listed once.
    package var hasListing: Bool { seenAtStart != nil }

    /// Whether the newest usable snapshot under the own name is merged, or there is none.
    package var isOwnLoaded: Bool { hasListing && (!ownIsWanted || own.map(isSettled) ?? true) }

    /// Whether everything in the last listing is merged or rejected.
    package var isSettled: Bool { hasListing && instances.allSatisfy { isSettled($0.key, $0.value) } }

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
        for (group, state) in instances where !isSettled(group, state) {
            guard let since = state.failingSince, now - since >= patience else { return .loading }
            isFailing = true
        }
        guard isFailing else { return .settled }
        var through: UInt64 = 0
        for (group, state) in instances
        where group.instance != instance && !group.isFarAhead && isSettled(group, state) {
            through = max(through, progress.read[group]?.timestamp ?? 0)
        }
        return .failing(through: through)
    }

    /// The instances whose newest snapshot is not merged, sorted by name, and whether its merge has failed.
    package var unsettled: [(instance: String, isFailing: Bool)] {
        instances.filter { !isSettled($0.key, $0.value) }.map { ($0.key.instance, $0.value.failingSince != nil) }
            .sorted { $0.0 < $1.0 }
    }

    /// Merges everything again, because the database has been rebuilt.
    package mutating func forgetMerged() { progress.forgetMerged() }

    /// Reports a stored snapshot of our own.
    ///
    /// - Parameter covering: ``SyncProgress/merged`` as it was before the LMDB was read for it.
    package mutating func stored(_ name: SnapshotName, covering: [String: SnapshotName]) {
        progress.stored(name, covering: covering)
    }

    /// Whether the snapshots of all instances seen at start are merged or gone.
    package var isStartLoaded: Bool {
        guard let seenAtStart else { return false }
        return seenAtStart.allSatisfy { isSettled($0) }
    }

    /// Whether the snapshots of all instances seen at start are merged, gone, or have failed at least once.
    package var isStartLoadedOrFailing: Bool {
        guard let seenAtStart else { return false }
        return seenAtStart.allSatisfy { isSettled($0) || instances[$0]?.failingSince != nil }
    }

    /// The largest number of failures in a row for one instance.
    package var mostFailures: Int {
        instances.values.map(\.failures).max() ?? 0
    }

    private func isSettled(_ name: Group) -> Bool {
        instances[name].map { isSettled(name, $0) } ?? true
    }

    private func isSettled(_ name: Group, _ instance: Instance) -> Bool {
        guard case .idle = instance.phase, !instance.awaitsListing else { return false }
        return wanted(name, instance) == nil
    }

    /// The newest usable snapshot; nil if it is merged.
    private func wanted(_ name: Group, _ instance: Instance) -> SnapshotName? {
        let newest =
            progress.refused.isEmpty
            ? instance.listed.last : instance.listed.last { !progress.refused.contains($0) }
        guard let newest else { return nil }
        if let read = progress.read[name], newest <= read { return nil }
        return newest
    }

    /// The number of snapshots that are being downloaded or wait to be merged. The limit bounds memory and disk usage.
    private var inHand: Int {
        instances.values.count { instance in
            switch instance.phase {
            case .downloading, .downloaded, .merging: true
            case .idle, .failed: false
            }
        }
    }

    private func isBefore(_ a: SnapshotName, _ b: SnapshotName) -> Bool {
        (a.timestamp, a.instance) < (b.timestamp, b.instance)
    }
}

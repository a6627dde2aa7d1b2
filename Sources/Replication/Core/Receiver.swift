import Snapshots

/// Which snapshots of a database to download and merge, and in which order: the newest of each instance.
///
/// A pure state machine: it is told what happened, with the time, and says what to do next. Times are
/// durations since a fixed moment of the process.
package struct Receiver {
    /// What the machine goes by.
    package struct Settings: Sendable {
        /// How many snapshots may be on their way, or wait to be merged, at a time.
        package var concurrentDownloads: Int
        /// How long to wait after a failure before the same snapshot is tried again.
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
        /// Since when tries have failed, with none that succeeded.
        var failingSince: Duration?
        /// How many tries have failed since one succeeded.
        var failures = 0
        /// Whether one that was listed could not be found: the next listing tells what took its place.
        var awaitsListing = false
        /// The last one that was listed but could not be found.
        var vanished: SnapshotName?
    }

    private let settings: Settings
    private let own: Group?
    /// What has been merged and refused, and what of that is sent on.
    package private(set) var progress = SyncProgress()
    private var instances: [Group: Instance] = [:]
    /// Downloaded and waiting to be merged, first come first merged.
    private var ready: [SnapshotName] = []
    /// Whether snapshots under the own name are still of interest: until start-up has loaded the newest one.
    private var ownIsWanted = true { didSet { lastNames = nil } }
    private var seenAtStart: Set<Group>?
    /// What the last listing showed; nil where something has changed since then that the next one has to take into account.
    private var lastNames: [SnapshotName]?
    private var lastStranger: SnapshotName?
    /// The snapshots that lie in the far future.
    private var farAhead: Set<SnapshotName> = []

    /// - Parameter own: this instance's name, nil for one that only receives.
    package init(own: String?, settings: Settings) {
        self.own = own.map { Group(instance: $0, isFarAhead: false) }
        self.settings = settings
    }

    // MARK: What happened

    /// A listing of the storage succeeded.
    ///
    /// - Parameters:
    ///   - names: the full snapshots of this database, in any order.
    ///   - stranger: the newest one under the own name that somebody else has written since the start.
    ///   - horizon: tells those that lie in the far future.
    package mutating func listed(
        _ names: [SnapshotName], stranger: SnapshotName? = nil, horizon: SnapshotHorizon = SnapshotHorizon(now: .max)
    ) {
        var byInstance: [Group: [SnapshotName]] = [:]
        progress.listed(names)
        // Most listings show nothing new, and nothing in the far future.
        if names == lastNames, stranger == lastStranger, farAhead.isEmpty, !names.contains(where: horizon.isFarAhead),
            instances.values.allSatisfy({ !$0.listed.isEmpty })
        {
            for instance in instances.keys { instances[instance]?.awaitsListing = false }
            return
        }
        (lastNames, lastStranger) = (names, stranger)
        sortOut(names, horizon)
        for name in names { byInstance[key(name), default: []].append(name) }
        if !ownIsWanted, let own { byInstance[own] = stranger.flatMap { key($0) == own ? [$0] : nil } }
        for instance in Set(instances.keys).union(byInstance.keys) {
            let listed = (byInstance[instance] ?? []).sorted()
            instances[instance, default: Instance()].listed = listed
            instances[instance]?.awaitsListing = false
            // What failed and is gone can't be tried again.
            if case .failed(let name, _) = instances[instance]?.phase, !listed.contains(name) {
                instances[instance]?.phase = .idle
            }
        }
        if seenAtStart == nil { seenAtStart = Set(byInstance.keys) }
        // An instance that has gone from the storage and left nothing to do is forgotten.
        instances = instances.filter { !$0.value.listed.isEmpty || $0.value.phase != .idle }
        progress.keep { [instances] in instances[$0] != nil }
        if ownIsWanted, isOwnLoaded { ownIsWanted = false }
    }

    /// What a snapshot is stays what it was when it was first seen, however clocks change.
    private mutating func sortOut(_ names: [SnapshotName], _ horizon: SnapshotHorizon) {
        let far = names.filter { name in
            farAhead.contains(name)
                || (horizon.isFarAhead(name)
                    && instances[Group(instance: name.instance, isFarAhead: false)]?.listed.contains(name) != true)
        }
        let inHand = farAhead.filter { instances[key($0)].map { $0.phase != .idle } ?? false }
        farAhead = Set(far).union(inHand)
    }

    /// Those in the far future follow each other, as if they were of another instance.
    private func key(_ name: SnapshotName) -> Group {
        Group(instance: name.instance, isFarAhead: farAhead.contains(name))
    }

    /// A download ended with the snapshot in hand.
    package mutating func downloaded(_ name: SnapshotName) {
        instances[key(name)]?.phase = .downloaded(name)
        ready.append(name)
    }

    /// The snapshot has gone from the storage: a cleaner removed it, and there is a newer one.
    ///
    /// - Returns: whether a new listing will tell more. Not so for one that was listed again after it had gone:
    ///   that counts as a failure, or it would be asked for without end.
    package mutating func vanished(_ name: SnapshotName, at now: Duration) -> Bool {
        if instances[key(name)]?.vanished == name {
            failed(name, at: now)
            return false
        }
        lastNames = nil
        instances[key(name)]?.vanished = name
        instances[key(name)]?.listed.removeAll { $0 == name }
        instances[key(name)]?.phase = .idle
        instances[key(name)]?.awaitsListing = true
        return true
    }

    /// A download or a merge failed for a reason that may pass.
    package mutating func failed(_ name: SnapshotName, at now: Duration) {
        guard let instance = instances[key(name)] else { return }
        // What has gone meanwhile can't be tried again.
        let isListed = instance.listed.contains(name)
        instances[key(name)]?.phase = isListed ? .failed(name, retryAt: now + settings.retryInterval) : .idle
        instances[key(name)]?.failingSince = instance.failingSince ?? now
        instances[key(name)]?.failures += 1
    }

    /// The snapshot is corrupt or must not be merged: the instance's previous one takes its place.
    package mutating func refused(_ name: SnapshotName) {
        progress.refused(name)
        instances[key(name)]?.phase = .idle
        instances[key(name)]?.failingSince = nil
        if ownIsWanted, isOwnLoaded { ownIsWanted = false }
    }

    /// The snapshot has been merged.
    ///
    /// - Parameter isWhole: whether nothing of it was held back.
    package mutating func merged(_ name: SnapshotName, isWhole: Bool = true) {
        progress.merged(name, in: key(name), isWhole: isWhole)
        instances[key(name)]?.phase = .idle
        instances[key(name)]?.failingSince = nil
        instances[key(name)]?.failures = 0
        if ownIsWanted, isOwnLoaded { ownIsWanted = false }
    }

    // MARK: What to do

    /// The next snapshot to download, which counts as being downloaded from here on.
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
            // The own one first: until it is loaded nothing may be sent. Then those that wait longest.
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

    /// How many downloaded snapshots wait to be merged.
    package var readyCount: Int { ready.count }

    /// Whether a snapshot waits to be merged.
    package var hasReady: Bool { !ready.isEmpty }

    /// The next snapshot to merge, which counts as being merged from here on.
    package mutating func nextMerge() -> SnapshotName? {
        guard !ready.isEmpty else { return nil }
        let name = ready.removeFirst()
        instances[key(name)]?.phase = .merging(name)
        return name
    }

    /// When a failed snapshot is to be tried again, nil when there is none, or when others have to end first.
    package var nextRetry: Duration? {
        guard inHand < settings.concurrentDownloads else { return nil }
        return instances.values.compactMap { instance in
            if case .failed(_, let retryAt) = instance.phase { retryAt } else { nil }
        }.min()
    }

    // MARK: Where things stand

    /// Whether the storage has been listed once.
    package var hasListing: Bool { seenAtStart != nil }

    /// Whether the newest snapshot under the own name is merged, or there is none that can be.
    package var isOwnLoaded: Bool { hasListing && (!ownIsWanted || own.map(isSettled) ?? true) }

    /// Whether everything in the last listing is merged, or refused.
    package var isSettled: Bool { hasListing && instances.keys.allSatisfy { isSettled($0) } }

    /// How far loading has come.
    package enum Progress: Equatable, Sendable {
        /// Something is still to be tried, or has not failed for long.
        case loading
        /// Everything in the last listing is merged, or refused.
        case settled
        /// Everything else is, but some has failed for long. Up to this time its changes are here by way of others:
        /// that of the newest snapshot of another instance that is merged, 0 when there is none.
        case failing(through: UInt64)
    }

    /// How far loading has come.
    ///
    /// - Parameters:
    ///   - instance: this instance's name.
    ///   - patience: what has failed for that long does not count any more.
    package func progress(of instance: String, patience: Duration, at now: Duration) -> Progress {
        guard hasListing else { return .loading }
        var progress = Progress.settled
        var through: UInt64 = 0
        for (name, state) in instances {
            if isSettled(name) {
                guard name.instance != instance, !name.isFarAhead, let merged = self.progress.read[name] else {
                    continue
                }
                through = max(through, merged.timestamp)
            } else if let since = state.failingSince, now - since >= patience {
                progress = .failing(through: 0)
            } else {
                return .loading
            }
        }
        return progress == .settled ? .settled : .failing(through: through)
    }

    /// The instances whose newest snapshot is not merged, and whether that has failed, by name.
    package var unsettled: [(instance: String, isFailing: Bool)] {
        instances.filter { !isSettled($0.key) }.map { ($0.key.instance, $0.value.failingSince != nil) }
            .sorted { $0.0 < $1.0 }
    }

    /// Merges everything once more: somebody has rebuilt the database.
    package mutating func forgetMerged() { progress.forgetMerged() }

    /// A snapshot of ours has been stored.
    ///
    /// - Parameter covering: ``SyncProgress/merged`` as it was before the LMDB was read for it.
    package mutating func stored(_ name: SnapshotName, covering: [String: SnapshotName]) {
        progress.stored(name, covering: covering)
    }

    /// Whether every instance seen at start is merged or gone.
    package var isStartLoaded: Bool {
        guard let seenAtStart else { return false }
        return seenAtStart.allSatisfy { isSettled($0) }
    }

    /// Whether every instance seen at start is merged, gone, or has at least been tried in vain.
    package var isStartLoadedOrFailing: Bool {
        guard let seenAtStart else { return false }
        return seenAtStart.allSatisfy { isSettled($0) || instances[$0]?.failingSince != nil }
    }

    /// How many tries in a row have failed for one instance at most.
    package var mostFailures: Int {
        instances.values.map(\.failures).max() ?? 0
    }

    private func isSettled(_ name: Group) -> Bool {
        guard let instance = instances[name] else { return true }
        return instance.phase == .idle && wanted(name, instance) == nil && !instance.awaitsListing
    }

    /// The newest one that would bring something, nil when all is merged.
    private func wanted(_ name: Group, _ instance: Instance) -> SnapshotName? {
        guard let newest = instance.listed.last(where: { !progress.refused.contains($0) }) else { return nil }
        if let read = progress.read[name], newest <= read { return nil }
        return newest
    }

    /// How many snapshots are on their way or wait to be merged: the limit bounds memory and disk, too.
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

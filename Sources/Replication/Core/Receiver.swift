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

    typealias Group = SnapshotHorizon.Group

    /// Deltas up to this size are small: they do not count towards ``Settings/concurrentDownloads``, and several of them are merged
    /// together.
    package static let smallSize = 64 << 10
    /// The maximum number of small deltas that are being downloaded or wait to be merged.
    package static let mostSmall = 32
    /// The maximum size of the small deltas that are merged together, in bytes.
    package static let mostTogether = 256 << 10

    /// An object that is being downloaded, waits to be merged, or is being merged.
    struct Request: Equatable {
        enum Stage { case downloading, downloaded, merging }

        var name: SnapshotName
        var stage = Stage.downloading
        /// Its size in the last listing, if it is a small delta.
        var smallSize: Int?
    }

    struct Failure {
        var name: SnapshotName
        var retryAt: Duration
    }

    struct Instance {
        /// Its objects in the last listing.
        var chain = InstanceChain()
        /// The objects in hand, in the order of the chain. After the first one there are only small deltas.
        var requests: [Request] = []
        /// The object that has failed last, and when to retry it; nil if another one was merged since.
        var failure: Failure?
        /// When the tries that have failed since the last success began.
        var failingSince: Duration?
        /// The number of tries that have failed since the last success.
        var failures = 0
        /// Whether a listed snapshot was not found. The next listing shows its successor.
        var awaitsListing = false
        /// The listed snapshots that were not found.
        var vanished: Set<SnapshotName> = []

        var isIdle: Bool { requests.isEmpty && failure == nil }

        /// Takes the objects of a listing, oldest first.
        mutating func list(_ objects: Objects, _ sizes: [SnapshotName: Int]) {
            chain.listed(objects.snapshots.sorted(), objects.deltas.sorted { $0.name < $1.name }, sizes: sizes)
            awaitsListing = false
            if !vanished.isEmpty { vanished = vanished.filter(chain.contains) }
            // A snapshot that failed and is gone cannot be retried, and another version need not be waited for.
            if let failure, !chain.contains(failure.name) || chain.isOverwritten(failure.name) { self.failure = nil }
        }
    }

    struct Objects {
        var snapshots: [SnapshotName] = []
        var deltas: [Catalog.Delta] = []
    }

    private let settings: Settings
    let own: Group?
    /// Which snapshots are merged, rejected and sent on.
    package internal(set) var progress = SyncProgress()
    var instances: [Group: Instance] = [:]
    /// The instances of which something is in hand, has failed, or is to be read.
    private(set) var unsettledGroups: Set<Group> = []
    /// The instances whose deltas do not lead on from what is merged, although nothing of them is left to read.
    private(set) var stuckGroups: Set<Group> = []
    /// Since when, and whether it was long enough to look for it elsewhere.
    var stuck: [Group: (since: Duration, isLong: Bool)] = [:]
    /// The instances of which something is not merged: it is to be read, or can't be.
    private(set) var unreadGroups: Set<Group> = []
    /// The instances that write full snapshots and do not show that they read deltas.
    private(set) var readersOfFullOnly: Set<Group> = []
    /// The instances of which something is to be downloaded.
    var waitingGroups = Waiting()
    /// How many listings there were.
    package private(set) var listings = 0
    /// The numbers of objects in hand.
    private var inHand = (large: 0, small: 0)
    /// Downloaded snapshots that wait to be merged, in the order of arrival.
    private(set) var ready: [SnapshotName] = []
    /// Whether snapshots under the own name are loaded: until start-up has loaded the newest one.
    var ownIsWanted = true
    /// The greatest position under the own name that was read.
    var ownRead: UInt64 = 0
    var seenAtStart: Set<Group>?
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
    ///   - deltas: its deltas, in any order, without those that this process has written.
    ///   - sizes: the sizes of the full snapshots, in bytes.
    ///   - strangers: those under the own name that another host has written since the start.
    ///   - horizon: separates those in the far future.
    package mutating func listed(
        _ names: [SnapshotName], deltas: [Catalog.Delta] = [], sizes: [SnapshotName: Int] = [:],
        strangers: Set<SnapshotName> = [], horizon: SnapshotHorizon = SnapshotHorizon(now: .max)
    ) {
        var objects: [Group: Objects] = [:]
        progress.listed(names)
        sortOut(names, horizon)
        for name in names { objects[key(name), default: Objects()].snapshots.append(name) }
        // A chain in the far future has full snapshots, too.
        for delta in deltas where !horizon.isFarAhead(delta.name) {
            objects[Group(instance: delta.name.instance, isFarAhead: false), default: Objects()].deltas.append(delta)
        }
        if !ownIsWanted, let own {
            objects[own]?.snapshots.removeAll { !strangers.contains($0) }
            if objects[own]?.snapshots.isEmpty ?? true, objects[own]?.deltas.isEmpty ?? true { objects[own] = nil }
        }
        requireFullsIfLost(objects)
        for (group, objects) in objects {
            instances[group, default: Instance()].list(objects, sizes)
            dropFailure(of: group)
        }
        for group in Array(instances.keys) where objects[group] == nil {
            instances[group]?.list(Objects(), [:])
            // Forget instances that are gone from the storage and leave nothing to do.
            if instances[group]?.isIdle ?? true { instances[group] = nil }
        }
        for group in unsettledGroups.union(readersOfFullOnly).union(unreadGroups) where instances[group] == nil {
            refresh(group)
        }
        for group in instances.keys { refresh(group) }
        (waitingGroups.large.queue, waitingGroups.small.queue) = ([], [])
        listings += 1
        if seenAtStart == nil { seenAtStart = Set(objects.keys) }
        progress.keep { [instances] in instances[$0] != nil }
        if ownIsWanted, isOwnLoaded { ownIsWanted = false }
    }

    /// Has the next full snapshots of all others read, even if their positions are known by then.
    mutating func requireFulls() {
        for group in instances.keys where group != own {
            instances[group]?.chain.requireFull(from: progress.read[group]?.timestamp ?? 0)
            refresh(group)
        }
    }

    /// Updates what is known of an instance after a change.
    mutating func refresh(_ group: Group) {
        let instance = instances[group]
        if instance.map({ isSettled(group, $0) }) ?? true {
            unsettledGroups.remove(group)
        } else {
            unsettledGroups.insert(group)
        }
        let isStuck = instance?.chain.isStuck(at: progress.read[group]?.timestamp) ?? false
        if isStuck || instance.map({ wanted(group, $0) != nil }) ?? false {
            unreadGroups.insert(group)
        } else {
            unreadGroups.remove(group)
        }
        if isStuck, group != own, !unsettledGroups.contains(group) {
            stuckGroups.insert(group)
        } else {
            stuckGroups.remove(group)
            if !isStuck, !stuck.isEmpty { stuck[group] = nil }
        }
        let twin = Group(instance: group.instance, isFarAhead: !group.isFarAhead)
        progress.noteUnread(group.instance, unreadGroups.contains(group) || unreadGroups.contains(twin))
        progress.noteNeeded(
            group.instance, [group, twin].contains { instances[$0]?.chain.isNeeded ?? false })
        noteWaiting(group)
        if let instance, isReaderOfFullOnly(group, instance) {
            readersOfFullOnly.insert(group)
        } else {
            readersOfFullOnly.remove(group)
        }
    }

    /// The instances of which something may be missing here although their positions are known.
    var incomplete: Set<String> { Set(instances.filter(\.value.chain.isIncomplete).keys.map(\.instance)) }

    /// The positions of the instances that are in the storage.
    var listedPositions: [String: UInt64] {
        progress.merged.filter { instances[Group(instance: $0.key, isFarAhead: false)] != nil }.mapValues(\.timestamp)
    }

    /// Has the full snapshots of all others read if an instance is gone of which something is missing here: who has merged it leaves it
    /// out of the deltas.
    private mutating func requireFullsIfLost(_ objects: [Group: Objects]) {
        var isLost = false
        for (group, instance) in instances where objects[group] == nil && group != own && !instance.chain.isEmpty {
            if instance.chain.isIncomplete || !instance.chain.isRead(to: progress.read[group]?.timestamp) {
                isLost = true
            }
        }
        for (name, position) in progress.owed {
            let group = Group(instance: name, isFarAhead: false)
            let known = max(progress.read[group]?.timestamp ?? 0, progress.merged[name]?.timestamp ?? 0)
            if objects[group] == nil, known < position { isLost = true }
        }
        guard isLost else { return }
        progress.forgetOwed { name in objects[Group(instance: name, isFarAhead: false)] != nil }
        for group in objects.keys where instances[group] == nil { instances[group] = Instance() }
        requireFulls()
    }

    /// Forgets a failure if what failed is known from another object by now, or from another version.
    private mutating func dropFailure(of group: Group) {
        guard let instance = instances[group], instance.failure != nil, wanted(group, instance) == nil else { return }
        instances[group]?.failure = nil
        instances[group]?.failingSince = nil
    }

    /// Whether something of an instance has failed that is still to be read, apart from this object.
    private func stillFails(_ group: Group, without name: SnapshotName) -> Bool {
        guard let instance = instances[group], let failure = instance.failure, failure.name != name else {
            return false
        }
        return wanted(group, instance) == failure.name
    }

    /// Updates the snapshots in the far future. The first classification of a snapshot stays, even if clocks change.
    private mutating func sortOut(_ names: [SnapshotName], _ horizon: SnapshotHorizon) {
        let far = names.filter { name in
            farAhead.contains(name)
                || (horizon.isFarAhead(name)
                    && instances[Group(instance: name.instance, isFarAhead: false)]?.chain.contains(name) != true)
        }
        let inHand = farAhead.filter { instances[key($0)].map { !$0.isIdle } ?? false }
        farAhead = Set(far).union(inHand)
    }

    /// The group of a snapshot: those in the far future are handled like those of a separate instance.
    func key(_ name: SnapshotName) -> Group {
        Group(instance: name.instance, isFarAhead: !farAhead.isEmpty && farAhead.contains(name))
    }

    /// Reports a finished download.
    package mutating func downloaded(_ name: SnapshotName) {
        setStage(.downloaded, of: name)
        ready.append(name)
    }

    private mutating func setStage(_ stage: Request.Stage, of name: SnapshotName) {
        let group = key(name)
        guard let index = instances[group]?.requests.firstIndex(where: { $0.name == name }) else { return }
        instances[group]?.requests[index].stage = stage
    }

    /// Ends a request, whatever has become of it.
    mutating func remove(_ name: SnapshotName, of group: Group) {
        guard let index = instances[group]?.requests.firstIndex(where: { $0.name == name }),
            let request = instances[group]?.requests.remove(at: index)
        else { return }
        if request.smallSize == nil { inHand.large -= 1 } else { inHand.small -= 1 }
        if request.stage == .downloaded { ready.removeAll { $0 == name } }
    }

    /// Reports that the snapshot is gone from the storage: a cleaner removed it, and there is a newer one.
    ///
    /// - Returns: whether to list again. False if it was listed again after it had gone: this counts as a failure,
    ///   otherwise it would be retried endlessly.
    package mutating func vanished(_ name: SnapshotName, at now: Duration) -> Bool {
        let group = key(name)
        if instances[group]?.vanished.contains(name) ?? false {
            failed(name, at: now)
            return false
        }
        remove(name, of: group)
        instances[group]?.vanished.insert(name)
        instances[group]?.chain.vanished(name)
        instances[group]?.awaitsListing = true
        refresh(group)
        return true
    }

    /// Reports a download or a merge that failed for a temporary reason.
    package mutating func failed(_ name: SnapshotName, at now: Duration) {
        let group = key(name)
        guard let instance = instances[group] else { return }
        remove(name, of: group)
        // A snapshot that is gone cannot be retried.
        let isListed = instance.chain.contains(name)
        // What others wait for is retried first.
        if !stillFails(group, without: name) {
            instances[group]?.failure =
                isListed ? Failure(name: name, retryAt: now + settings.retryInterval) : nil
        }
        instances[group]?.failingSince = instance.failingSince ?? now
        instances[group]?.failures += 1
        dropFailure(of: group)
        refresh(group)
    }

    /// Reports a snapshot that is damaged or must not be merged. The instance's previous one replaces it.
    ///
    /// - Parameter isOpened: whether its contents were seen.
    package mutating func refused(_ name: SnapshotName, isOpened: Bool = true) {
        // A delta is tried again when its version changes.
        let group = key(name)
        remove(name, of: group)
        if name.isDelta { instances[group]?.chain.refused(name) } else { progress.refused(name, isOpened: isOpened) }
        if !stillFails(group, without: name) {
            instances[group]?.failure = nil
            instances[group]?.failingSince = nil
        }
        refresh(group)
        if ownIsWanted, isOwnLoaded { ownIsWanted = false }
    }

    /// Reports a merged snapshot.
    ///
    /// - Parameters:
    ///   - end: the position at its end; that in the name of a full snapshot if nil.
    ///   - others: what its sender had merged of others, by instance.
    ///   - isWhole: whether no entry was held.
    ///   - readsDeltas: whether its sender reads deltas.
    package mutating func merged(
        _ name: SnapshotName, to end: UInt64? = nil, others: [String: UInt64] = [:], isWhole: Bool = true,
        readsDeltas: Bool = false
    ) {
        let group = key(name)
        remove(name, of: group)
        let known = progress.read[group]?.timestamp
        let position = instances[group]?.chain.merged(
            name, to: end ?? name.timestamp, from: known, isWhole: isWhole)
        if let position = position ?? (name.isDelta ? nil : name.timestamp) {
            progress.merged(
                name.at(position), in: group, isWhole: isWhole && instances[group]?.chain.isIncomplete != true,
                isFull: false)
        }
        if !name.isDelta { progress.readInFull(name, in: group) }
        if group == own { ownRead = max(ownRead, end ?? name.timestamp) }
        progress.owe(others, except: own?.instance)
        progress.noteReader(name.instance, readsDeltas: readsDeltas)
        if !stillFails(group, without: name) {
            instances[group]?.failure = nil
            instances[group]?.failingSince = nil
            instances[group]?.failures = 0
        }
        refresh(group)
        refresh(Group(instance: group.instance, isFarAhead: !group.isFarAhead))
        if ownIsWanted, isOwnLoaded { ownIsWanted = false }
    }

    // MARK: Objects in hand

    /// Whether another object may be downloaded. The limits bound memory and disk usage.
    func hasRoom(small: Bool) -> Bool {
        small ? inHand.small < Self.mostSmall : inHand.large < settings.concurrentDownloads
    }

    mutating func begin(_ request: Request, of group: Group) {
        if request.smallSize == nil { inHand.large += 1 } else { inHand.small += 1 }
        // A retry. Its time has come, or there is something else to read.
        if instances[group]?.requests.isEmpty ?? false { instances[group]?.failure = nil }
        instances[group]?.requests.append(request)
        instances[group]?.chain.requested(request.name)
        refresh(group)
    }

    func request(_ name: SnapshotName) -> Request? {
        instances[key(name)]?.requests.first { $0.name == name }
    }

    mutating func beginMerge(at index: Int) -> SnapshotName {
        let name = ready.remove(at: index)
        setStage(.merging, of: name)
        return name
    }
}

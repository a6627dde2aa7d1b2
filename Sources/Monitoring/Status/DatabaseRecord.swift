import Observability
import Replication
import Snapshots
import Support

/// The state of one database's syncing, for the report, the state object and the checks.
///
/// A pure state machine: it receives events with their times. Its size depends only on the number of instances.
struct DatabaseRecord: Sendable {
    static let mostActivities = 30

    let name: String
    /// This instance's name in snapshot names.
    let own: String
    let receiveOnly: Bool

    private(set) var instances: [String: Instance] = [:]
    private(set) var isStarted = false
    private(set) var listing: (snapshots: Int, deltas: Int, bytes: Int, time: WallTime)?
    private(set) var sent: (name: SnapshotName, size: Int)?
    /// Merged positions, and which of them are sent.
    private var progress = SyncProgress()
    /// The merged delta whose progress is not reported yet.
    private var mergedDelta: (name: SnapshotName, size: Int)?
    /// The positions of others reached by the last progress, with the age of those that a delta has reached.
    private(set) var reached: [(position: SnapshotName, age: Duration?)] = []
    /// Every change up to this transaction is stored; nil while one is not.
    private(set) var settled: UInt64?
    private(set) var namesake: SnapshotName?
    /// The snapshots in the far future, by name.
    private(set) var farAhead: [SnapshotName] = []
    /// Why nothing is sent, if so.
    private(set) var fence: String?
    /// What currently blocks sending.
    private(set) var blocked: String?
    /// Why the database is not in sync, before it is fenced.
    private(set) var notInSync: String?
    /// The instances whose clocks are too far ahead, and how far.
    private(set) var skewed: [String: Duration] = [:]
    /// How far the local clock is ahead of the storage's (negative if it is slow), and whether that exceeds the tolerance; nil
    /// if the storage does not provide its time.
    private(set) var ownClock: (ahead: Duration, exceeds: Bool)?
    /// Times of the state objects of others, by the storage's clock, in nanoseconds since the UNIX epoch.
    private(set) var stateTimes: [String: UInt64] = [:]
    /// Instances that have missed publications, with the time since the last one.
    private(set) var silent: [String: Duration] = [:]
    /// Why the last send failed, until its changes are stored.
    private(set) var sendProblem: String?
    /// By which way changes of others become known.
    private(set) var hearing = Hearing()
    /// Whether a comparison of pages was wrong.
    private(set) var hasWrongDiff = false
    /// Newest first.
    private(set) var activities: [StatusReport.Activity] = []
    var history: HourHistory
    /// The key ID with which this process seals.
    private let keyID: String?
    /// That of the last full snapshot; nil until this process has stored one.
    private(set) var sealedWith: String?

    /// The horizon of the last listing.
    private var horizon = SnapshotHorizon(now: .max)
    /// By instance, the newest position that existed before this process started; nil before the first listing.
    private var old: [String: SnapshotName]?

    init(name: String, own: String, receiveOnly: Bool, keyID: String? = nil, at now: Moment) {
        self.name = name
        self.keyID = keyID
        self.own = SnapshotName.sanitize(instance: own)
        self.receiveOnly = receiveOnly
        history = HourHistory(at: now.wall)
    }

    mutating func handle(_ event: SyncEvent, at now: Moment) {
        switch event {
        case .listed(let catalog):
            listed(catalog, at: now)
            let times = catalog.stateTimes.filter { $0.key != own }.sorted { $0.key < $1.key }
            stateTimes = Dictionary(uniqueKeysWithValues: times.prefix(OtherStates.mostKept).map { ($0.key, $0.value) })
        case .merged(let report): merged(report, at: now)
        case .progressed(let progress): progressed(progress, at: now)
        case .refused(let name, _, let error, _): instances[name.instance, default: Instance()].refused[name] = error
        case .stored(let report):
            stored(report, at: now)
            sendProblem = nil
        case .sendFailed(let error), .sendingGivenUp(let error): sendProblem = error
        case .settled(let transaction):
            settled = transaction
            if transaction != nil { sendProblem = nil }
        case .proved(let proof): hasWrongDiff = hasWrongDiff || !proof.isSound
        case .hearing(let hearing): self.hearing = hearing
        case .ownClock(let ahead, let exceeds): ownClock = (ahead, exceeds)
        case .started:
            isStarted = true
            settleOwn()
        case .namesake(let name): namesake = name
        case .fenced(let reason):
            fence = reason
        case .sendBlocked(let reason): blocked = reason
        case .notInSync(let reason): notInSync = reason
        case .clockSkew(let instance, let ahead, let exceeds):
            // This event precedes the listing with the instance.
            instances[instance, default: Instance()].clockSkew = ahead
            skewed[instance] = exceeds ? ahead : nil
        case .opened, .listStarted, .listFailed, .downloadStarted, .downloaded, .downloadVanished, .downloadFailed,
            .downloadsWaiting, .mergesWaiting, .mergeStarted, .mergeFailed, .storing, .compared, .hinted, .hintMerged,
            .pinned, .swept,
            .cleanerListed, .cleanerListFailed, .cleanerDeleted, .cleanerDeleteFailed, .ended:
            break
        }
    }

    /// Detects silent instances.
    ///
    /// - Parameters:
    ///   - states: the known states of the instances.
    ///   - now: the time by the storage's clock.
    ///   - senseless: instances with an invalid state, which are not judged.
    /// - Returns: whether the result depends on unknown states.
    mutating func listen(to states: [String: InstanceState], at now: UInt64, senseless: Set<String>) -> Bool {
        silent = [:]
        var isUnknown = false
        for (instance, stored) in stateTimes {
            let time = states[instance]?.heard(stateTime: stored) ?? stored
            guard now.elapsed(since: time) > InstanceState.patience else { continue }
            if senseless.contains(instance) { continue }
            guard let state = states[instance] else {
                isUnknown = true
                continue
            }
            guard state.isSilent(stateTime: time, at: now) else { continue }
            silent[instance] = .nanoseconds(Int64(clamping: now.elapsed(since: time)))
        }
        return isUnknown
    }

    private mutating func listed(_ catalog: Catalog, at now: Moment) {
        horizon = catalog.horizon
        farAhead = catalog.groups.filter(\.key.isFarAhead).values.joined().map(\.name).sorted()
        let (newest, deltas) = (catalog.newest, catalog.lastDeltas)
        let existing = Set(newest.keys).union(deltas.keys)
        let bytes = (catalog.snapshots.map(\.size) + catalog.deltas.map(\.size)).saturatedSum()
        listing = (catalog.snapshots.count, catalog.deltas.count, bytes, now.wall)
        // Instances that have gone from the storage are forgotten.
        instances = instances.filter { existing.contains($0.key) }
        let hasRefused = instances.contains { !$0.value.refused.isEmpty }
        let names = hasRefused ? Set(catalog.names).union(catalog.deltas.map(\.name)) : []
        for instance in existing {
            var known = instances[instance] ?? Instance()
            known.list(newest[instance], deltas[instance], in: catalog)
            if hasRefused { known.refused = known.refused.filter { names.contains($0.key) } }
            catchUp(instance, &known, at: now)
            instances[instance] = known
        }
        if old == nil { old = instances.compactMapValues(\.latest) }
        skewed = skewed.filter { existing.contains($0.key) }
        if sent == nil, !receiveOnly, let last = instances[own]?.listed, !horizon.isFarAhead(last.name) { sent = last }
        settleOwn()
    }

    private mutating func progressed(_ new: SyncProgress, at now: Moment) {
        let before = progress.read
        progress = new
        reached = []
        for (group, position) in new.read where !group.isFarAhead && before[group] != position {
            if group.instance == own, !receiveOnly { continue }
            let isOfDelta = mergedDelta?.name.instance == group.instance
            reached.append((position, isOfDelta ? Self.age(of: position, at: now.wall) : nil))
        }
        for (name, instance) in instances {
            var instance = instance
            catchUp(name, &instance, at: now)
            instances[name] = instance
        }
        for (position, age) in reached {
            if let age { arrived(position, age, at: now) }
        }
        mergedDelta = nil
        // At start, what is ours is read from the storage as well.
        if !receiveOnly, !isStarted, let position = new.read[.init(instance: own, isFarAhead: false)],
            let last = sent, horizon.supersedes(position, last.name)
        {
            sent = (position, last.size)
        }
        settleOwn()
    }

    /// Updates what is merged of an instance.
    private func catchUp(_ name: String, _ instance: inout Instance, at now: Moment) {
        if let position = progress.read[.init(instance: name, isFarAhead: false)] {
            instance.reached(position, size: mergedDelta?.name.instance == name ? mergedDelta?.size : nil, horizon)
        }
        instance.hasUnread = progress.unread.contains(name)
        instance.update(horizon, at: now)
    }

    /// Notes how long a delta took to arrive here.
    private mutating func arrived(_ position: SnapshotName, _ age: Duration, at now: Moment) {
        guard isNew(position) else { return }
        instances[position.instance]?.latency = age
        history.note(at: now.wall) { $0.latency = max($0.latency ?? 0, age / .seconds(1)) }
    }

    /// Whether it was sent while this process ran.
    private func isNew(_ position: SnapshotName) -> Bool {
        old.map { old in old[position.instance].map { $0 < position } ?? true } ?? false
    }

    /// How many seconds the merged position of each other instance is behind the newest one in the storage; not of those of
    /// which nothing is merged.
    var positionLags: [String: Double] {
        var lags: [String: Double] = [:]
        for (name, instance) in instances where receiveOnly || name != own {
            guard let newest = instance.newest?.name, !horizon.isFarAhead(newest),
                let position = progress.read[.init(instance: name, isFarAhead: false)]
            else { continue }
            lags[name] = Double(newest.timestamp.elapsed(since: position.timestamp)) / 1e9
        }
        return lags
    }

    /// By instance, the newest merged snapshot that still exists.
    var applied: [String: SnapshotName] { progress.merged.filter { instances[$0.key]?.newest != nil } }

    /// The subset merged before the reading of ``sent`` began; nil if it was sent before this process started.
    var covered: [String: SnapshotName]? { progress.covered }

    /// The instance's own objects contain local entries; only start-up merges some.
    private mutating func settleOwn() {
        guard !receiveOnly, isStarted else { return }
        instances[own]?.settle(sent, horizon)
    }

    private mutating func merged(_ report: MergeReport, at now: Moment) {
        let name = report.name
        let latency = !name.isDelta && isNew(name) ? Self.age(of: name, at: now.wall) : nil
        var instance = instances[name.instance] ?? Instance()
        if name.isDelta {
            // Where it ends is known with the progress.
            mergedDelta = (name, report.size)
            instance.refused[name] = nil
        } else {
            mergedDelta = nil
            instance.reached(name, size: report.size, horizon)
        }
        instance.mergedAt = now.wall
        if let latency { instance.latency = latency }
        instance.held = report.held
        instance.update(horizon, at: now)
        instances[name.instance] = instance
        history.note(at: now.wall) { minute in
            minute.merges += 1
            minute.entries += report.written
            if let seconds = latency.map({ $0 / .seconds(1) }) { minute.latency = max(minute.latency ?? 0, seconds) }
        }
        let (entries, overflow) = report.written.addingReportingOverflow(report.kept)
        add(
            .merge, name, entries: overflow ? .max : entries, changed: report.written, report.size, report.totalTime,
            lock: report.lockTime, now)
    }

    private mutating func stored(_ report: SendReport, at now: Moment) {
        sent = (report.position, report.size)
        if !report.name.isDelta { sealedWith = keyID }
        settleOwn()
        history.note(at: now.wall) { $0.sends += 1 }
        add(.send, report.name, entries: report.entries, changed: nil, report.size, report.totalTime, lock: nil, now)
    }

    private mutating func add(
        _ kind: StatusReport.Activity.Kind, _ name: SnapshotName, entries: Int, changed: Int?, _ size: Int,
        _ time: Duration, lock: Duration?, _ now: Moment
    ) {
        var activity = StatusReport.Activity()
        activity.time = now.wall.rfc3339(digits: 3)
        activity.kind = kind
        activity.snapshot = name.description
        activity.instance = name.instance
        activity.isDelta = name.isDelta
        activity.entries = entries
        activity.changed = changed
        activity.size = size
        activity.duration = time / .seconds(1)
        activity.lock = lock.map { $0 / .seconds(1) }
        activities.insert(activity, at: 0)
        if activities.count > Self.mostActivities { activities.removeLast() }
    }

    /// The time since a snapshot; zero for one from the future.
    static func age(of name: SnapshotName, at time: WallTime) -> Duration {
        let shown = WallTime(nanosecondsSinceEpoch: name.timestamp)
        let age =
            Duration.seconds(time.seconds - shown.seconds) + .nanoseconds(Int64(time.nanoseconds - shown.nanoseconds))
        return max(.zero, age)
    }
}

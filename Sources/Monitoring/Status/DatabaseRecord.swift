import Observability
import Replication
import Snapshots
import Support

/// The state of one database's syncing, for the report, the state object and the checks.
///
/// A pure state machine: it receives events with their times. Its size depends only on the number of instances.
struct DatabaseRecord: Sendable {
    /// The state of an instance.
    struct Instance: Sendable {
        var newest: (name: SnapshotName, size: Int)?
        /// The time since which a snapshot is waiting to be merged here.
        var behindSince: Duration?
        var merged: (name: SnapshotName, size: Int)?
        var mergedAt: WallTime?
        var latency: Duration?
        var clockSkew: Duration?
        /// Its rejected snapshots with reasons.
        var refused: [SnapshotName: String] = [:]
        /// Entries held in its last merged snapshot.
        var held: HeldEntries?

        /// Updates whether the merged snapshot is older than the newest one.
        mutating func update(_ horizon: SnapshotHorizon, at now: Moment) {
            guard let newest = newest?.name else { return }
            let isMerged = merged.map { !horizon.supersedes(newest, $0.name) } ?? false
            behindSince = isMerged ? nil : behindSince ?? now.uptime
        }
    }

    static let mostActivities = 30

    let name: String
    /// This instance's name in snapshot names.
    let own: String
    let receiveOnly: Bool

    private(set) var instances: [String: Instance] = [:]
    private(set) var isStarted = false
    private(set) var listing: (count: Int, bytes: Int, time: WallTime)?
    private(set) var sent: (name: SnapshotName, size: Int)?
    /// Merged snapshots, and which of them are sent.
    private var progress = SyncProgress()
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
    /// Newest first.
    private(set) var activities: [StatusReport.Activity] = []
    var history: HourHistory

    /// The horizon of the last listing.
    private var horizon = SnapshotHorizon(now: .max)
    /// By instance, the newest snapshot that existed before this process started; nil before the first listing.
    private var old: [String: SnapshotName]?

    init(name: String, own: String, receiveOnly: Bool, at now: Moment) {
        self.name = name
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
        case .progressed(let progress): self.progress = progress
        case .refused(let name, _, let error, _): instances[name.instance, default: Instance()].refused[name] = error
        case .stored(let report):
            stored(report, at: now)
            sendProblem = nil
        case .sendFailed(let error), .sendingGivenUp(let error): sendProblem = error
        case .settled(let transaction):
            settled = transaction
            if transaction != nil { sendProblem = nil }
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
            .downloadsWaiting, .mergesWaiting, .mergeStarted, .mergeFailed, .storing, .swept, .cleanerListed,
            .cleanerListFailed, .cleanerDeleted, .cleanerDeleteFailed, .ended:
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
        for (instance, time) in stateTimes where now.elapsed(since: time) > InstanceState.patience {
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
        let newest = catalog.newest
        let bytes = catalog.snapshots.map(\.size).saturatedSum()
        listing = (catalog.snapshots.count, bytes, now.wall)
        if old == nil { old = newest.mapValues(\.name) }
        // Instances that have gone from the storage are forgotten.
        instances = instances.filter { newest[$0.key] != nil }
        let hasRefused = instances.contains { !$0.value.refused.isEmpty }
        let names = hasRefused ? Set(catalog.names) : []
        for (instance, newest) in newest {
            var known = instances[instance] ?? Instance()
            known.newest = (newest.name, newest.size)
            if hasRefused { known.refused = known.refused.filter { names.contains($0.key) } }
            known.update(horizon, at: now)
            instances[instance] = known
        }
        skewed = skewed.filter { newest[$0.key] != nil }
        settleOwn()
        if sent == nil, !receiveOnly, let last = catalog.newest(of: own) { sent = (last.name, last.size) }
    }

    /// By instance, the newest merged snapshot that still exists.
    var applied: [String: SnapshotName] { progress.merged.filter { instances[$0.key]?.newest != nil } }

    /// The subset merged before the reading of ``sent`` began; nil if it was sent before this process started.
    var covered: [String: SnapshotName]? { progress.covered }

    /// The instance's own snapshots contain local entries; only start-up merges one.
    private mutating func settleOwn() {
        guard !receiveOnly, isStarted else { return }
        instances[own]?.behindSince = nil
        if let newest = instances[own]?.newest { instances[own]?.merged = newest }
    }

    private mutating func merged(_ report: MergeReport, at now: Moment) {
        let name = report.name
        let isNew = old.map { old in old[name.instance].map { $0 < name } ?? true } ?? false
        let latency = isNew ? Self.age(of: name, at: now.wall) : nil
        var instance = instances[name.instance] ?? Instance()
        if instance.merged.map({ horizon.isFarAhead(name) && !horizon.isFarAhead($0.name) }) != true {
            instance.merged = (name, report.size)
        }
        instance.mergedAt = now.wall
        if let latency { instance.latency = latency }
        instance.held = report.held
        instance.refused = instance.refused.filter { $0.key > name }
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
        sent = (report.name, report.size)
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

import Observability
import Replication
import Snapshots
import Support

/// What is remembered of the syncing of one database, for the report, the state object and the checks.
///
/// A pure machine: it is told what happened, and when. What it keeps grows with the number of instances only.
struct DatabaseRecord: Sendable {
    /// What is known of an instance.
    struct Instance: Sendable {
        var newest: (name: SnapshotName, size: Int)?
        /// Since when there has been a snapshot of it that is not merged here.
        var behindSince: Duration?
        var merged: (name: SnapshotName, size: Int)?
        var mergedAt: WallTime?
        var latency: Duration?
        var clockSkew: Duration?
        /// What was refused of it, and why.
        var refused: [SnapshotName: String] = [:]
        /// What was left out of the last one that was merged.
        var held: HeldEntries?

        /// Whether what is merged is behind what there is.
        mutating func update(_ horizon: SnapshotHorizon, at now: Moment) {
            guard let newest = newest?.name else { return }
            let isMerged = merged.map { !horizon.supersedes(newest, $0.name) } ?? false
            behindSince = isMerged ? nil : behindSince ?? now.uptime
        }
    }

    static let mostActivities = 30

    let name: String
    /// This instance's name as it stands in names of snapshots.
    let own: String
    let receiveOnly: Bool

    private(set) var instances: [String: Instance] = [:]
    private(set) var isStarted = false
    private(set) var listing: (count: Int, bytes: Int, time: WallTime)?
    private(set) var sent: (name: SnapshotName, size: Int)?
    /// What has been merged here, and what of that is sent on.
    private var progress = SyncProgress()
    /// Every change up to this transaction is stored; nil while one is not.
    private(set) var settled: UInt64?
    private(set) var namesake: SnapshotName?
    /// The snapshots in the far future, by name.
    private(set) var farAhead: [SnapshotName] = []
    /// Why nothing is sent, where that is so.
    private(set) var fence: String?
    /// What keeps changes from being sent for the time being.
    private(set) var blocked: String?
    /// Why it is not in sync, long before it is fenced for that.
    private(set) var notInSync: String?
    /// The instances whose clocks are too far ahead, and how far.
    private(set) var skewed: [String: Duration] = [:]
    /// How far our own clock is ahead of the storage's (negative when it is behind), and whether that is too much; nil
    /// where the storage does not tell the time.
    private(set) var ownClock: (ahead: Duration, exceeds: Bool)?
    /// When the state objects of others were written, by the storage's clock, in nanoseconds since the UNIX epoch.
    private(set) var heard: [String: UInt64] = [:]
    /// Those of them that have missed publications, and for how long nothing has come from them.
    private(set) var silent: [String: Duration] = [:]
    /// Why the last send failed, as long as what it was to send is not stored.
    private(set) var sendProblem: String?
    /// Newest first.
    private(set) var activities: [StatusReport.Activity] = []
    var history: HourHistory

    /// That of the last listing.
    private var horizon = SnapshotHorizon(now: .max)
    /// By instance, the newest snapshot that was there before this process began; nil before the first listing.
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
            let times = catalog.heard.filter { $0.key != own }.sorted { $0.key < $1.key }
            heard = Dictionary(uniqueKeysWithValues: times.prefix(OtherStates.mostKept).map { ($0.key, $0.value) })
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
            // Told before the listing that shows the instance.
            instances[instance, default: Instance()].clockSkew = ahead
            skewed[instance] = exceeds ? ahead : nil
        default: break
        }
    }

    /// Finds those that have fallen silent.
    ///
    /// - Parameters:
    ///   - states: what the instances say, as far as is known.
    ///   - now: the time by the storage's clock.
    ///   - senseless: those that say nothing that makes sense: these are not judged.
    /// - Returns: whether it depends on what others say that is not known.
    mutating func listen(to states: [String: InstanceState], at now: UInt64, senseless: Set<String>) -> Bool {
        silent = [:]
        var isUnknown = false
        for (instance, time) in heard where now.elapsed(since: time) > InstanceState.patience {
            if senseless.contains(instance) { continue }
            guard let state = states[instance] else {
                isUnknown = true
                continue
            }
            guard state.isSilent(heard: time, at: now) else { continue }
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
        // What has gone from the storage is forgotten.
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

    /// By instance, the newest snapshot that is merged here and still of interest.
    var applied: [String: SnapshotName] { progress.merged.filter { instances[$0.key]?.newest != nil } }

    /// Of these, what was merged when the reading of ``sent`` began; nil when it was sent before this process began.
    var covered: [String: SnapshotName]? { progress.covered }

    /// Our own snapshots are made of what is here; only start-up merges one.
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

    /// From the instant that a snapshot shows to a time; zero for one from the future.
    static func age(of name: SnapshotName, at time: WallTime) -> Duration {
        let shown = WallTime(nanosecondsSinceEpoch: name.timestamp)
        let age =
            Duration.seconds(time.seconds - shown.seconds) + .nanoseconds(Int64(time.nanoseconds - shown.nanoseconds))
        return max(.zero, age)
    }
}

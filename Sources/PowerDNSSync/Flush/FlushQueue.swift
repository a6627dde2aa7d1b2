import PowerDNSFormat

/// The queue of zones to flush from PowerDNS's caches; pure, with times as durations since a fixed moment.
///
/// There is one request at a time. While PowerDNS is unreachable, the zones wait, with growing pauses between
/// attempts, until their cached answers have expired.
struct FlushQueue: Sendable {
    /// The target of a request.
    enum Target: Hashable, Sendable {
        /// All answers for a zone and below it, its keys and metadata, and whether the zone exists.
        case zone(ZoneName)
        /// All answers, and nothing else.
        case everything
    }

    /// The next step.
    enum Step: Equatable, Sendable {
        case send(Target)
        /// Nothing to do until then.
        case wait(until: Duration)
        case idle
    }

    /// The outcome of a request.
    enum Outcome: Sendable {
        case done
        /// PowerDNS is unreachable or refuses access: a retry can succeed. Nothing waits for that.
        case failed
        /// PowerDNS has not answered in time: a retry can succeed, and is waited for.
        case late
        /// PowerDNS rejects this request.
        case rejected
    }

    /// If more zones wait, everything is flushed instead.
    static let most = 100
    /// Maximum number of zones queued by name: PowerDNS notices changes of others when its caches expire.
    static let mostByName = MergedZones.most
    /// Maximum waiting time of a zone: PowerDNS's default caches expire sooner.
    static let patience = Duration.seconds(300)
    static let firstPause = Duration.milliseconds(500)
    static let longestPause = Duration.seconds(30)

    private struct Waiting {
        var since: Duration
        /// Whether more than answers has changed, so that flushing everything is not sufficient.
        var isByName: Bool
        /// What ends with the flush.
        var holds: [FlushHold] = []
    }

    /// In order of arrival.
    private var order: [ZoneName] = []
    private var zones: [ZoneName: Waiting] = [:]
    /// Number of zones that must be flushed by name.
    private var byNameCount = 0
    private var everythingSince: Duration?
    /// What ends with the flush of everything.
    private var everythingHolds: [FlushHold] = []
    /// Whether the last request has failed, and so will the next ones: nothing waits for them.
    private var isRefused = false
    private var underWay: (target: Target, waiting: Waiting)?
    private var failures = 0
    private var pausedUntil = Duration.zero

    /// The number of waiting requests.
    var count: Int { zones.count + (everythingSince == nil ? 0 : 1) }

    /// Adds the zones changed by a merge.
    ///
    /// - Parameter areNamed: whether zones without a name are new to PowerDNS. They will be added
    ///   again with their names. Otherwise everything is flushed.
    mutating func add(_ changed: MergedZones, areNamed: Bool, at now: Duration) {
        // For zones, keys and metadata PowerDNS has separate caches.
        let isByName = changed.role == .main
        let holds = isRefused ? [] : [changed.hold].compactMap(\.self)
        switch changed.zones {
        case .all: addEverything(since: now, holds)
        case .some(let changes):
            for change in changes {
                guard let name = change.name else {
                    if !areNamed { addEverything(since: now, holds) }
                    continue
                }
                // A variant of a zone answers with the zone's name.
                for zone in name.variant.isEmpty ? [name] : [ZoneName(name.name), name] {
                    add(zone, Waiting(since: now, isByName: isByName, holds: holds))
                }
            }
        }
    }

    /// Drops requests that have waited for too long.
    ///
    /// - Returns: their number.
    mutating func giveUp(at now: Duration) -> Int {
        let before = count
        if let since = everythingSince, now - since > Self.patience { (everythingSince, everythingHolds) = (nil, []) }
        keep { now - $0.since <= Self.patience }
        return before - count
    }

    /// The next step; a request in it is running until ``ended(_:at:random:)``.
    mutating func next(at now: Duration) -> Step {
        guard count > 0 else { return .idle }
        guard now >= pausedUntil else { return .wait(until: pausedUntil) }
        if let since = everythingSince {
            underWay = (.everything, Waiting(since: since, isByName: false, holds: everythingHolds))
            (everythingSince, everythingHolds) = (nil, [])
            return .send(.everything)
        }
        guard let zone = order.first, let waiting = zones.removeValue(forKey: zone) else { return .idle }
        order.removeFirst()
        if waiting.isByName { byNameCount -= 1 }
        underWay = (.zone(zone), waiting)
        return .send(.zone(zone))
    }

    /// The running request has ended.
    mutating func ended(_ outcome: Outcome, at now: Duration, random: Double) {
        guard let target = underWay?.target, var waiting = underWay?.waiting else { return }
        underWay = nil
        isRefused = outcome == .failed
        switch outcome {
        case .done, .rejected:
            failures = 0
        case .failed, .late:
            if isRefused { dropHolds(&waiting) }
            failures += 1
            let pause = min(Self.longestPause, Self.firstPause * (1 << min(failures - 1, 10)))
            pausedUntil = now + pause * (0.5 + random / 2)
            switch target {
            case .everything: addEverything(since: waiting.since, waiting.holds)
            case .zone(let zone): add(zone, waiting)
            }
        }
    }

    private mutating func add(_ zone: ZoneName, _ waiting: Waiting) {
        var waiting = waiting
        if let known = zones[zone] {
            waiting.since = max(known.since, waiting.since)
            waiting.holds += known.holds
            if known.isByName { (waiting.isByName, byNameCount) = (true, byNameCount - 1) }
        } else {
            let isTooMuch = waiting.isByName ? byNameCount >= Self.mostByName : everythingSince != nil
            if isTooMuch { return addEverything(since: waiting.since, waiting.holds) }
            order.append(zone)
        }
        zones[zone] = waiting
        if waiting.isByName { byNameCount += 1 }
        if zones.count - byNameCount > Self.most { addEverything(since: waiting.since, []) }
    }

    /// Nothing waits for any request any more.
    private mutating func dropHolds(_ failed: inout Waiting) {
        failed.holds = []
        everythingHolds = []
        for zone in zones.keys { zones[zone]?.holds = [] }
    }

    private mutating func addEverything(since: Duration, _ holds: [FlushHold]) {
        everythingSince = max(everythingSince ?? since, since)
        everythingHolds += holds
        for waiting in zones.values where !waiting.isByName { everythingHolds += waiting.holds }
        keep(\.isByName)
    }

    private mutating func keep(_ isKept: (Waiting) -> Bool) {
        zones = zones.filter { isKept($0.value) }
        byNameCount = zones.values.count(where: \.isByName)
        order.removeAll { zones[$0] == nil }
    }
}

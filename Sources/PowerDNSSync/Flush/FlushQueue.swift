import PowerDNSFormat

/// Which zones are to be flushed from PowerDNS's caches, and when; pure, with times as durations since a fixed moment.
///
/// One request is under way at a time. While PowerDNS can't be reached, the zones wait, with growing pauses between the
/// attempts, until their answers have changed by themselves.
struct FlushQueue: Sendable {
    /// What one request flushes.
    enum Target: Hashable, Sendable {
        /// All answers about a zone and below it, its keys and metadata, and whether there is this zone.
        case zone(ZoneName)
        /// All answers, and nothing else.
        case everything
    }

    /// What to do next.
    enum Step: Equatable, Sendable {
        case send(Target)
        /// Until then, nothing.
        case wait(until: Duration)
        case idle
    }

    /// How a request ended.
    enum Outcome: Sendable {
        case done
        /// PowerDNS is not to be had, or refuses us: another attempt can help.
        case failed
        /// PowerDNS does not take this request.
        case rejected
    }

    /// When more zones wait than this, everything is flushed in their place.
    static let most = 100
    /// So many zones wait at most whose names are needed: what has changed in others PowerDNS finds by itself.
    static let mostByName = MergedZones.most
    /// After this time a zone is given up: PowerDNS's caches are younger by default.
    static let patience = Duration.seconds(300)
    static let firstPause = Duration.milliseconds(500)
    static let longestPause = Duration.seconds(30)

    private struct Waiting {
        var since: Duration
        /// Whether more has changed than answers, so that flushing everything does not do.
        var isByName: Bool
    }

    /// In the order in which they came.
    private var order: [ZoneName] = []
    private var zones: [ZoneName: Waiting] = [:]
    /// How many of them are flushed by name in any case.
    private var byNameCount = 0
    private var everythingSince: Duration?
    private var underWay: (target: Target, waiting: Waiting)?
    private var failures = 0
    private var pausedUntil = Duration.zero

    /// How many requests wait.
    var count: Int { zones.count + (everythingSince == nil ? 0 : 1) }

    /// A merge has changed zones.
    ///
    /// - Parameter areNamed: whether zones without a name are ones that PowerDNS does not know yet. They are told of
    ///   again with their names. Otherwise everything is flushed.
    mutating func add(_ changed: MergedZones, areNamed: Bool, at now: Duration) {
        // The zones themselves, their keys and metadata: PowerDNS has caches of their own for them.
        let isByName = changed.role == .main
        switch changed.zones {
        case .all: addEverything(since: now)
        case .some(let changes):
            for change in changes {
                guard let name = change.name else {
                    if !areNamed { addEverything(since: now) }
                    continue
                }
                // A variant of a zone answers under the zone's name.
                for zone in name.variant.isEmpty ? [name] : [ZoneName(name.name), name] {
                    add(zone, Waiting(since: now, isByName: isByName))
                }
            }
        }
    }

    /// Forgets what has waited for too long.
    ///
    /// - Returns: how many requests that were.
    mutating func giveUp(at now: Duration) -> Int {
        let before = count
        if let since = everythingSince, now - since > Self.patience { everythingSince = nil }
        keep { now - $0.since <= Self.patience }
        return before - count
    }

    /// What to do next; what is to be sent is under way then, until ``ended(_:at:random:)``.
    mutating func next(at now: Duration) -> Step {
        guard count > 0 else { return .idle }
        guard now >= pausedUntil else { return .wait(until: pausedUntil) }
        if let since = everythingSince {
            everythingSince = nil
            underWay = (.everything, Waiting(since: since, isByName: false))
            return .send(.everything)
        }
        guard let zone = order.first, let waiting = zones.removeValue(forKey: zone) else { return .idle }
        order.removeFirst()
        if waiting.isByName { byNameCount -= 1 }
        underWay = (.zone(zone), waiting)
        return .send(.zone(zone))
    }

    /// The request that was under way has ended.
    mutating func ended(_ outcome: Outcome, at now: Duration, random: Double) {
        guard let (target, waiting) = underWay else { return }
        underWay = nil
        switch outcome {
        case .done, .rejected:
            failures = 0
        case .failed:
            failures += 1
            let pause = min(Self.longestPause, Self.firstPause * (1 << min(failures - 1, 10)))
            pausedUntil = now + pause * (0.5 + random / 2)
            switch target {
            case .everything: addEverything(since: waiting.since)
            case .zone(let zone): add(zone, waiting)
            }
        }
    }

    private mutating func add(_ zone: ZoneName, _ waiting: Waiting) {
        var waiting = waiting
        if let known = zones[zone] {
            waiting.since = max(known.since, waiting.since)
            if known.isByName { (waiting.isByName, byNameCount) = (true, byNameCount - 1) }
        } else {
            if everythingSince != nil, !waiting.isByName { return addEverything(since: waiting.since) }
            if waiting.isByName, byNameCount >= Self.mostByName { return addEverything(since: waiting.since) }
            order.append(zone)
        }
        zones[zone] = waiting
        if waiting.isByName { byNameCount += 1 }
        if zones.count - byNameCount > Self.most { addEverything(since: waiting.since) }
    }

    private mutating func addEverything(since: Duration) {
        everythingSince = max(everythingSince ?? since, since)
        keep(\.isByName)
    }

    private mutating func keep(_ isKept: (Waiting) -> Bool) {
        zones = zones.filter { isKept($0.value) }
        byNameCount = zones.values.count(where: \.isByName)
        order.removeAll { zones[$0] == nil }
    }
}

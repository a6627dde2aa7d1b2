import Support

/// Credentials as they are handed out.
struct Issued<Credentials: Hashable & Sendable>: Sendable, Equatable {
    var credentials: Credentials
    /// nil if they do not expire.
    var expires: WallTime?

    /// Roles without an expiration are asked for again after this time.
    static var unlimited: Duration { .seconds(3600) }
}

/// Credentials, and when to renew them. Pure.
struct CredentialLease<Credentials: Hashable & Sendable>: Sendable {
    var credentials: Credentials
    /// nil if they do not expire.
    var expires: WallTime?
    /// Time since the source was opened after which they are renewed.
    var renewAt: Duration

    /// - Parameters:
    ///   - interval: the time after which credentials without an expiration are read again.
    ///   - random: 0..<1; spreads the renewals of many instances.
    init(_ issued: Issued<Credentials>, at now: Moment, interval: Duration, random: Double) {
        credentials = issued.credentials
        expires = issued.expires
        guard let expires else {
            renewAt = now.uptime + interval
            return
        }
        let left = Duration.seconds(max(0, expires.seconds - now.wall.seconds))
        // AWS has new ones at least five minutes before the end; short ones are kept for half of their time.
        let lead = Duration.seconds(300) + .seconds(300) * random
        renewAt = now.uptime + max(left - lead, left / 2)
    }

    /// Whether the server may still accept them.
    func isUsable(at now: Moment) -> Bool { expires.map { now.wall.seconds < $0.seconds } ?? true }

    /// Whether it is time to renew them.
    func isDue(at now: Moment) -> Bool { now.uptime >= renewAt }

    /// Puts off the next attempt after a failed one.
    mutating func putOff(at now: Moment, interval: Duration, random: Double) {
        renewAt = now.uptime + (expires == nil ? interval : .seconds(30) + .seconds(30) * random)
    }
}

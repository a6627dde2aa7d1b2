/// Limits a rate: a full second's worth at once, and the same number each second.
///
/// A pure value. Times are durations since a fixed moment; a clock that stands still or goes back gives nothing.
package struct RateLimit: Sendable {
    private let rate: Double
    private var left: Double
    private var since: Duration?

    /// - Parameter rate: the number a second.
    package init(rate: Int) {
        self.rate = Double(rate)
        left = Double(rate)
    }

    /// Whether one more is allowed now.
    package mutating func hasRoom(at now: Duration) -> Bool {
        if let since { left = min(rate, left + max(0, (now - since) / .seconds(1)) * rate) }
        since = now
        return left >= 1
    }

    /// Takes one for which there is room.
    package mutating func take() { left -= 1 }

    /// Takes one; false if there were too many.
    package mutating func take(at now: Duration) -> Bool {
        guard hasRoom(at: now) else { return false }
        take()
        return true
    }
}

/// Compares this host's clock with the storage's, in both directions.
///
/// One listing proves nothing: a slow response or one wrong `Date` resembles a wrong clock.
struct OwnClockWatch {
    /// The result of a listing.
    struct Finding: Equatable {
        /// How far our clock is ahead of the storage's; negative if it is behind, zero if it agrees.
        var ahead: Duration
        /// Whether that exceeds the tolerance.
        var exceeds: Bool
        /// Whether ``exceeds`` or the direction has changed.
        var isNews: Bool
    }

    private let tolerance: Duration
    /// Whether our clock was too far ahead (1) or behind (-1) in the last listing, or neither (0).
    private var seen = 0
    /// The same, confirmed by two listings in a row.
    private var known = 0

    init(tolerance: Duration) { self.tolerance = tolerance }

    /// Checks a listing of the storage.
    ///
    /// - Parameters:
    ///   - offset: how far the storage's clock is ahead of ours.
    ///   - precision: a smaller difference counts as none.
    mutating func listed(offset: Duration, precision: Duration) -> Finding {
        var ahead = Duration.zero - offset
        if ahead <= precision, ahead >= .zero - precision { ahead = .zero }
        let sign = ahead > tolerance ? 1 : ahead < .zero - tolerance ? -1 : 0
        let before = known
        if sign == 0 || sign == seen { known = sign }
        seen = sign
        return Finding(ahead: ahead, exceeds: known != 0, isNews: known != before)
    }
}

/// Explains a wrong clock of this host.
package enum OwnClock {
    /// One line: the difference, its effect and the remedy.
    ///
    /// - Parameter ahead: how far the clock is ahead of the storage's; negative if it is behind.
    package static func text(ahead: Duration) -> String {
        ahead < .zero
            ? "this host's clock is \(logText(.zero - ahead)) behind the storage's: local changes lose to earlier "
                + "changes of others; correct the clock (NTP)"
            : "this host's clock is \(logText(ahead)) ahead of the storage's: local changes win over later "
                + "changes of others; correct the clock (NTP)"
    }
}

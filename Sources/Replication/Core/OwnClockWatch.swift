/// Compares this host's clock with the storage's, in both directions.
///
/// One listing shows nothing: an answer that was long under way, or one wrong `Date`, looks like a wrong clock.
struct OwnClockWatch {
    /// What a listing shows.
    struct Finding: Equatable {
        /// How far our clock is ahead of the storage's; negative when it is behind, zero when it is neither.
        var ahead: Duration
        /// Whether that is more than is tolerated.
        var exceeds: Bool
        /// Whether ``exceeds`` or the direction has changed.
        var isNews: Bool
    }

    private let tolerance: Duration
    /// Whether the last listing showed our clock to be too far ahead (1) or behind (-1), or neither.
    private var seen = 0
    /// The same, as of two listings in a row.
    private var known = 0

    init(tolerance: Duration) { self.tolerance = tolerance }

    /// The storage was listed.
    ///
    /// - Parameters:
    ///   - offset: how far the storage's clock is ahead of ours.
    ///   - precision: a smaller difference is none.
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

/// What a wrong clock of this host means.
package enum OwnClock {
    /// One line: how far it is off, what comes of it, and what to do.
    ///
    /// - Parameter ahead: how far it is ahead of the storage's; negative when it is behind.
    package static func text(ahead: Duration) -> String {
        ahead < .zero
            ? "this host's clock is \(logText(.zero - ahead)) behind the storage's: what changes here loses against "
                + "earlier changes of others; set the clock right (NTP)"
            : "this host's clock is \(logText(ahead)) ahead of the storage's: what changes here wins over later changes of "
                + "others; set the clock right (NTP)"
    }
}

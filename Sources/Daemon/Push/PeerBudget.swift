/// When another instance that cannot be reached is tried again: five times an hour, the first times sooner, and whenever it shows that it
/// is there, but not more often than every five minutes.
///
/// A pure value. Times are durations since a fixed moment.
struct PeerBudget: Sendable, Equatable {
    /// Failed attempts in any hour.
    static let most = 5
    static let window = Duration.seconds(3600)
    /// The pause after the first failed attempt; it doubles with each further one.
    static let firstPause = Duration.seconds(5)

    /// The least time between two attempts for which an instance has shown that it is there.
    static let patience = Duration.seconds(300)

    /// The failed attempts of the last hour since the last one that did not fail.
    private var failures: [Duration] = []
    /// When an attempt was allowed because the instance has shown that it is there.
    private var allowedAt: Duration?
    /// Whether that attempt is still to be made.
    private var isAllowed = false

    /// Whether the last attempt failed.
    var isFailing: Bool { !failures.isEmpty }

    /// Whether to try now.
    func allows(at now: Duration) -> Bool {
        guard !isAllowed, let last = failures.last else { return true }
        let recent = failures.filter { now - $0 < Self.window }
        guard recent.count < Self.most else { return false }
        return now - last >= Self.firstPause * (1 << max(0, recent.count - 1))
    }

    /// An attempt has failed.
    mutating func failed(at now: Duration) {
        failures = failures.suffix(Self.most - 1) + [now]
        isAllowed = false
    }

    /// The instance shows that it is there. That does not mean that it can be reached.
    mutating func heard(at now: Duration) {
        guard isFailing, allowedAt.map({ now - $0 >= Self.patience }) ?? true else { return }
        (allowedAt, isAllowed) = (now, true)
    }

    /// An attempt has succeeded, or it is another one that is tried from now on.
    mutating func succeeded() { self = PeerBudget() }
}

/// The schedule for writing the state object: soon after a change, but not too often, and periodically without a
/// change.
///
/// A pure state machine; times are durations since a fixed moment.
struct PublishSchedule: Sendable {
    /// Minimum time between two writes.
    static let shortest = Duration.seconds(1)
    /// Maximum time between two writes.
    static let longest = Duration.minutes(5)

    private var isChanged = false
    private var isWriting = false
    /// Start of the last write; initially the creation of this value.
    private var last: Duration
    private var hasWritten = false

    init(at now: Duration) { last = now }

    /// The state has changed.
    mutating func changed() { isChanged = true }

    /// The time of the next write; nil during a write.
    var due: Duration? {
        guard !isWriting else { return nil }
        guard isChanged else { return last + Self.longest }
        return hasWritten ? last + Self.shortest : .zero
    }

    /// A write starts, including all changes so far.
    mutating func began(at now: Duration) {
        isWriting = true
        isChanged = false
        hasWritten = true
        last = now
    }

    /// A write has ended. A failed one is repeated by the next.
    mutating func ended() { isWriting = false }
}

extension Duration {
    fileprivate static func minutes(_ count: Int64) -> Duration { .seconds(count * 60) }
}

/// When the state object is written: soon after something changed, but not too often, and now and then without a
/// change.
///
/// A pure state machine; times are durations since a fixed moment.
struct PublishSchedule: Sendable {
    /// Two writes begin at least this far apart.
    static let shortest = Duration.seconds(1)
    /// After so long it is written although nothing has changed.
    static let longest = Duration.minutes(5)

    private var isChanged = false
    private var isWriting = false
    /// When the last write began; at first when this one was made.
    private var last: Duration
    private var hasWritten = false

    init(at now: Duration) { last = now }

    /// The state has something new to say.
    mutating func changed() { isChanged = true }

    /// When to write; nil while a write is under way.
    var due: Duration? {
        guard !isWriting else { return nil }
        guard isChanged else { return last + Self.longest }
        return hasWritten ? last + Self.shortest : .zero
    }

    /// A write begins, with all that has changed until now.
    mutating func began(at now: Duration) {
        isWriting = true
        isChanged = false
        hasWritten = true
        last = now
    }

    /// It ended. What failed is made up for by the next one.
    mutating func ended() { isWriting = false }
}

extension Duration {
    fileprivate static func minutes(_ count: Int64) -> Duration { .seconds(count * 60) }
}

import Observability
import Support

/// The activity in each of the last 60 minutes.
struct HourHistory: Sendable {
    /// The activity within one minute.
    struct Minute: Sendable, Equatable {
        var merges = 0
        var sends = 0
        var entries = 0
        var latency: Double?
    }

    static let length = 60

    /// A ring: the minute with the number `n` since the epoch is at `n` modulo its length.
    private var minutes = [Minute](repeating: Minute(), count: length)
    private var newest: Int64

    init(at time: WallTime) { newest = Self.minute(time) }

    /// Counts an event. If the clock was set back, it counts for the newest minute.
    mutating func note(at time: WallTime, _ change: (inout Minute) -> Void) {
        advance(to: time)
        change(&minutes[Self.place(newest)])
    }

    /// The minutes with their start times, oldest first.
    mutating func minutes(at time: WallTime) -> [(start: WallTime, minute: Minute)] {
        advance(to: time)
        return (0..<Int64(Self.length)).map { index in
            let number = newest - Int64(Self.length) + 1 + index
            return (WallTime(seconds: number * 60), minutes[Self.place(number)])
        }
    }

    private mutating func advance(to time: WallTime) {
        let now = Self.minute(time)
        // Otherwise a clock set far back would stop the history.
        if now < newest - Int64(Self.length) {
            self = HourHistory(at: time)
            return
        }
        guard now > newest else { return }
        for number in max(newest + 1, now - Int64(Self.length) + 1)...now { minutes[Self.place(number)] = Minute() }
        newest = now
    }

    private static func minute(_ time: WallTime) -> Int64 { Int64(floorDivided(Int(time.seconds), by: 60)) }
    private static func place(_ number: Int64) -> Int { Int(number) - floorDivided(Int(number), by: length) * length }
}

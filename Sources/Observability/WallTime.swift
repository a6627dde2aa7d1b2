import Glibc
import Support

/// A point in time as the system clock counts it, and its text in UTC.
package struct WallTime: Sendable, Hashable {
    /// Whole seconds since 1970-01-01T00:00:00Z, negative before.
    package var seconds: Int64
    /// 0 to 999,999,999, counted up from ``seconds``.
    package var nanoseconds: Int32

    /// A time; nanoseconds outside of a second are cut.
    package init(seconds: Int64, nanoseconds: Int32 = 0) {
        self.seconds = seconds
        self.nanoseconds = min(max(nanoseconds, 0), 999_999_999)
    }

    /// A time given in nanoseconds since 1970-01-01T00:00:00Z.
    package init(nanosecondsSinceEpoch: UInt64) {
        self.init(
            seconds: Int64(nanosecondsSinceEpoch / 1_000_000_000),
            nanoseconds: Int32(nanosecondsSinceEpoch % 1_000_000_000))
    }

    /// The system clock, now.
    package static func now() -> WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(seconds: Int64(time.tv_sec), nanoseconds: Int32(truncatingIfNeeded: time.tv_nsec))
    }

    /// Date and time by RFC 3339, in UTC: `2026-11-21T00:11:41.839Z`.
    ///
    /// - Parameter digits: decimal places of the second, 0 to 9; further ones are cut off.
    package func rfc3339(digits: Int) -> String {
        let date = CivilDate(daysSinceEpoch: day)
        return zeroPadded(date.year, 4) + "-" + zeroPadded(date.month, 2) + "-" + zeroPadded(date.day, 2)
            + "T" + timeOfDay(digits: digits) + "Z"
    }

    /// Reads what ``rfc3339(digits:)`` writes; nil for anything else.
    package init?(rfc3339 text: String) {
        let bytes = Array(text.utf8)
        let separators: [(Int, Character)] = [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")]
        guard (20...30).contains(bytes.count), bytes.last == UInt8(ascii: "Z"),
            separators.allSatisfy({ Character(UnicodeScalar(bytes[$0.0])) == $0.1 })
        else { return nil }
        func number(_ range: Range<Int>) -> Int? {
            bytes[range].reduce(0 as Int?) { value, byte in
                guard let value, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                return value * 10 + Int(byte - UInt8(ascii: "0"))
            }
        }
        let fraction = bytes.count == 20 ? 0..<0 : 20..<bytes.count - 1
        guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), let hour = number(11..<13),
            let minute = number(14..<16), let second = number(17..<19), var nanoseconds = number(fraction),
            bytes.count == 20 || (bytes[19] == UInt8(ascii: ".") && !fraction.isEmpty),
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second <= 60
        else { return nil }
        for _ in fraction.count..<9 { nanoseconds *= 10 }
        let days = CivilDate(year: year, month: month, day: day).daysSinceEpoch
        self.init(
            seconds: Int64(days * Self.secondsPerDay + hour * 3600 + minute * 60 + second),
            nanoseconds: Int32(clamping: nanoseconds))
    }

    /// The time of day in UTC: `00:11:41.839`.
    ///
    /// - Parameter digits: decimal places of the second, 0 to 9; further ones are cut off.
    package func timeOfDay(digits: Int) -> String {
        let second = Int(seconds) - day * Self.secondsPerDay
        var text =
            zeroPadded(second / 3600, 2) + ":" + zeroPadded(second / 60 % 60, 2) + ":" + zeroPadded(second % 60, 2)
        if digits > 0 { text += "." + zeroPadded(Int(nanoseconds), 9).prefix(digits) }
        return text
    }

    private static let secondsPerDay = 86_400

    // Days since 1970-01-01, rounded down.
    private var day: Int { floorDivided(Int(seconds), by: Self.secondsPerDay) }
}

extension UInt64 {
    /// Nanoseconds since the UNIX epoch; 0 for a time before it.
    package init(_ time: WallTime) {
        let (nanoseconds, overflows) = UInt64(clamping: time.seconds).multipliedReportingOverflow(by: 1_000_000_000)
        self = overflows ? .max : nanoseconds &+ UInt64(clamping: time.nanoseconds)
    }
}

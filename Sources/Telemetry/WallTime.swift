import Glibc

/// A point in time as the system clock counts it, and its text in UTC.
package struct WallTime: Sendable, Hashable {
    /// Whole seconds since 1970-01-01T00:00:00Z, negative before.
    package var seconds: Int64
    /// 0 to 999,999,999, counted up from ``seconds``.
    package var nanoseconds: Int32

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
        let date = civilDate
        return Self.padded(date.year, 4) + "-" + Self.padded(date.month, 2) + "-" + Self.padded(date.day, 2)
            + "T" + timeOfDay(digits: digits) + "Z"
    }

    /// The time of day in UTC: `00:11:41.839`.
    ///
    /// - Parameter digits: decimal places of the second, 0 to 9; further ones are cut off.
    package func timeOfDay(digits: Int) -> String {
        let second = seconds - day * Self.secondsPerDay
        var text =
            Self.padded(second / 3600, 2) + ":" + Self.padded(second / 60 % 60, 2) + ":" + Self.padded(second % 60, 2)
        if digits > 0 { text += "." + Self.padded(Int64(nanoseconds), 9).prefix(digits) }
        return text
    }

    private static let secondsPerDay: Int64 = 86_400

    // Days since 1970-01-01, rounded down.
    private var day: Int64 {
        let quotient = seconds / Self.secondsPerDay
        return seconds % Self.secondsPerDay < 0 ? quotient - 1 : quotient
    }

    /// The date in the proleptic Gregorian calendar.
    // Years are counted from March here, so that the leap day is the last day of a year; the calendar
    // repeats every 400 years, which are 146,097 days.
    private var civilDate: (year: Int64, month: Int64, day: Int64) {
        let fromMarch0000 = day + 719_468
        let era = (fromMarch0000 >= 0 ? fromMarch0000 : fromMarch0000 - 146_096) / 146_097
        let dayOfEra = fromMarch0000 - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (
            year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month: month,
            day: dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        )
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}

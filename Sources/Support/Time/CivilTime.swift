/// A second of a day of the Gregorian calendar, in UTC.
package struct CivilTime: Sendable, Hashable {
    /// The day.
    package var date: CivilDate
    /// 0 to 23.
    package var hour: Int
    /// 0 to 59.
    package var minute: Int
    /// 0 to 59; 60 in a leap second, which is counted as the first one of the next minute.
    package var second: Int

    private static let secondsPerDay = 86_400

    /// The second that begins so many seconds after 1970-01-01T00:00:00Z, or before it where negative.
    package init(secondsSinceEpoch seconds: Int) {
        let days = floorDivided(seconds, by: Self.secondsPerDay)
        let second = seconds - days * Self.secondsPerDay
        date = CivilDate(daysSinceEpoch: days)
        (hour, minute, self.second) = (second / 3600, second / 60 % 60, second % 60)
    }

    /// The second with these parts; nil if one is missing or invalid. An invalid day of a month is converted to one of the
    /// next month.
    package init?(year: Int?, month: Int?, day: Int?, hour: Int?, minute: Int?, second: Int?) {
        guard let year, let month, let day, let hour, let minute, let second, (1...12).contains(month),
            (1...31).contains(day), (0..<24).contains(hour), (0..<60).contains(minute), (0...60).contains(second)
        else { return nil }
        date = CivilDate(year: year, month: month, day: day)
        (self.hour, self.minute, self.second) = (hour, minute, second)
    }

    /// Seconds since 1970-01-01T00:00:00Z, negative before.
    package var secondsSinceEpoch: Int {
        date.daysSinceEpoch * Self.secondsPerDay + hour * 3600 + minute * 60 + second
    }

    /// The date, such as `2026-11-21`; `separator` stands between its parts.
    package func dateText(separator: String) -> String {
        zeroPadded(date.year, 4) + separator + zeroPadded(date.month, 2) + separator + zeroPadded(date.day, 2)
    }

    /// The time of day, such as `00:11:41`; `separator` stands between its parts.
    package func timeText(separator: String) -> String {
        zeroPadded(hour, 2) + separator + zeroPadded(minute, 2) + separator + zeroPadded(second, 2)
    }
}

/// The number that at most nine decimal digits make; nil for anything else.
@inlinable
package func decimalNumber(_ digits: some Collection<UInt8>) -> Int? {
    guard !digits.isEmpty, digits.count <= 9 else { return nil }
    var number = 0
    for digit in digits {
        guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
        number = number * 10 + Int(digit - UInt8(ascii: "0"))
    }
    return number
}

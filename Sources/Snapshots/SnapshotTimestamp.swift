import Support

/// The timestamp in a snapshot's name: `YYYYMMDD-HHMMSS-nnnnnnnnn`, UTC.
package enum SnapshotTimestamp {
    /// The text for a time in nanoseconds since the UNIX epoch.
    package static func text(_ timestamp: UInt64) -> String {
        let (seconds, nanoseconds) = timestamp.quotientAndRemainder(dividingBy: 1_000_000_000)
        let (days, second) = seconds.quotientAndRemainder(dividingBy: 86_400)
        let date = CivilDate(daysSinceEpoch: Int(days))
        let time = [Int(second) / 3600, Int(second) / 60 % 60, Int(second) % 60]
        return zeroPadded(date.year, 4) + zeroPadded(date.month, 2) + zeroPadded(date.day, 2) + "-"
            + time.map { zeroPadded($0, 2) }.joined() + "-" + zeroPadded(Int(nanoseconds), 9)
    }

    /// Nanoseconds since the UNIX epoch; nil when the text is no such timestamp, or one that does not fit.
    package static func parse(_ text: Substring) -> UInt64? {
        let bytes = Array(text.utf8)
        guard bytes.count == 25, bytes[8] == UInt8(ascii: "-"), bytes[15] == UInt8(ascii: "-"),
            let year = number(bytes[0..<4]), let month = number(bytes[4..<6]), let day = number(bytes[6..<8]),
            let hour = number(bytes[9..<11]), let minute = number(bytes[11..<13]), let second = number(bytes[13..<15]),
            let nanoseconds = number(bytes[16..<25])
        else { return nil }
        guard year >= 1970, (1...12).contains(month), day >= 1, hour < 24, minute < 60, second < 60 else { return nil }
        let date = CivilDate(year: year, month: month, day: day)
        let days = date.daysSinceEpoch
        // A day that its month does not have comes back as another one.
        guard CivilDate(daysSinceEpoch: days) == date else { return nil }
        let seconds = UInt64(days * 86_400 + hour * 3600 + minute * 60 + second)
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, carry) = scaled.addingReportingOverflow(UInt64(nanoseconds))
        return overflow || carry ? nil : sum
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        var value = 0
        for digit in digits {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
            value = value * 10 + Int(digit - UInt8(ascii: "0"))
        }
        return value
    }
}

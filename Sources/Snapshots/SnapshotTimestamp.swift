/// The timestamp in a snapshot's name: `YYYYMMDD-HHMMSS-nnnnnnnnn`, UTC.
package enum SnapshotTimestamp {
    /// The text for a time in nanoseconds since the UNIX epoch.
    package static func text(_ timestamp: UInt64) -> String {
        let (seconds, nanoseconds) = timestamp.quotientAndRemainder(dividingBy: 1_000_000_000)
        let (days, second) = seconds.quotientAndRemainder(dividingBy: 86_400)
        let (year, month, day) = date(days: Int(days))
        let time = [Int(second) / 3600, Int(second) / 60 % 60, Int(second) % 60]
        return digits(year, 4) + digits(month, 2) + digits(day, 2) + "-"
            + time.map { digits($0, 2) }.joined() + "-" + digits(Int(nanoseconds), 9)
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
        let days = self.days(year: year, month: month, day: day)
        // A day that its month does not have comes back as another one.
        guard date(days: days) == (year, month, day) else { return nil }
        let seconds = UInt64(days * 86_400 + hour * 3600 + minute * 60 + second)
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, carry) = scaled.addingReportingOverflow(UInt64(nanoseconds))
        return overflow || carry ? nil : sum
    }

    private static func digits(_ value: Int, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        var value = 0
        for digit in digits {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
            value = value * 10 + Int(digit - UInt8(ascii: "0"))
        }
        return value
    }

    // Years are counted from March, so that the leap day is the last one of its year; 719468 days lie
    // between 1 March of the year 0 and the UNIX epoch. All values are positive here.
    private static func days(year: Int, month: Int, day: Int) -> Int {
        let shifted = month > 2 ? year : year - 1
        let monthFromMarch = (month + 9) % 12
        return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + (monthFromMarch * 153 + 2) / 5 + day - 1
            - 719_468
    }

    private static func date(days: Int) -> (year: Int, month: Int, day: Int) {
        let fromMarch = days + 719_468
        let (era, dayOfEra) = fromMarch.quotientAndRemainder(dividingBy: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (
            era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        )
    }
}

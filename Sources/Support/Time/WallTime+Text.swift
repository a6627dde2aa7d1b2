/// The spellings of instants, all in UTC.
extension WallTime {
    // MARK: RFC 3339

    /// Date and time by RFC 3339: `2026-11-21T00:11:41.839Z`.
    ///
    /// - Parameter digits: decimal places of the second, 0 to 9; further ones are cut off.
    package func rfc3339(digits: Int) -> String {
        civil.dateText(separator: "-") + "T" + timeOfDay(digits: digits) + "Z"
    }

    /// The time of day: `00:11:41.839`.
    ///
    /// - Parameter digits: decimal places of the second, 0 to 9; further ones are cut off.
    package func timeOfDay(digits: Int) -> String {
        let text = civil.timeText(separator: ":")
        return digits > 0 ? text + "." + zeroPadded(Int(nanoseconds), 9).prefix(digits) : text
    }

    /// Reads what ``rfc3339(digits:)`` writes; nil for anything else.
    package init?(rfc3339 text: String) {
        let bytes = Array(text.utf8)
        let separators: [(Int, Character)] = [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")]
        guard (20...30).contains(bytes.count), bytes.last == UInt8(ascii: "Z"),
            separators.allSatisfy({ Character(UnicodeScalar(bytes[$0.0])) == $0.1 }),
            let time = CivilTime(
                year: decimalNumber(bytes[0..<4]), month: decimalNumber(bytes[5..<7]),
                day: decimalNumber(bytes[8..<10]), hour: decimalNumber(bytes[11..<13]),
                minute: decimalNumber(bytes[14..<16]), second: decimalNumber(bytes[17..<19]))
        else { return nil }
        guard bytes.count > 20 else {
            self.init(time)
            return
        }
        let fraction = bytes[20..<bytes.count - 1]
        guard bytes[19] == UInt8(ascii: "."), var nanoseconds = decimalNumber(fraction) else { return nil }
        for _ in fraction.count..<9 { nanoseconds *= 10 }
        self.init(time, nanoseconds: nanoseconds)
    }

    // MARK: HTTP and S3

    /// Reads a date of HTTP, such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7); nil for anything else.
    package init?(httpDate text: String) {
        let fields = text.utf8.split(separator: UInt8(ascii: " ")).map(Array.init)
        guard fields.count == 6, fields[5] == Array("GMT".utf8), let year = decimalNumber(fields[3]),
            (1970...9999).contains(year)
        else { return nil }
        let month = Self.months.firstIndex { $0.utf8.elementsEqual(fields[2]) }
        let clock = fields[4].split(separator: UInt8(ascii: ":"))
        guard clock.count == 3,
            let time = CivilTime(
                year: year, month: month.map { $0 + 1 }, day: decimalNumber(fields[1]), hour: decimalNumber(clock[0]),
                minute: decimalNumber(clock[1]), second: decimalNumber(clock[2]))
        else { return nil }
        self.init(time)
    }

    /// The same date as a client writes it.
    package var httpDate: String {
        let civil = civil
        let weekday = Self.weekdays[(civil.date.daysSinceEpoch % 7 + 7) % 7]
        return "\(weekday), \(zeroPadded(civil.date.day, 2)) \(Self.months[civil.date.month - 1]) "
            + "\(zeroPadded(civil.date.year, 4)) \(civil.timeText(separator: ":")) GMT"
    }

    /// From that of 1970-01-01.
    private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// As S3 wants it in signatures: `20130524T000000Z`.
    package var basicISO: String { civil.dateText(separator: "") + "T" + civil.timeText(separator: "") + "Z" }

    /// The day in the same form: `20130524`.
    package var basicDay: String { civil.dateText(separator: "") }
}

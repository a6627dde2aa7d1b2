import Bytes
import Glibc

/// An instant in whole seconds, in the spellings that HTTP and S3 use.
struct UTCTime: Sendable, Hashable {
    /// Since 1970-01-01T00:00:00Z.
    var seconds: Int

    init(seconds: Int) { self.seconds = seconds }

    static var now: UTCTime { UTCTime(seconds: time(nil)) }

    /// "20130524T000000Z"
    var basicISO: String {
        let second = seconds - days * 86_400
        return "\(day)T\(zeroPadded(second / 3600, 2))\(zeroPadded(second / 60 % 60, 2))\(zeroPadded(second % 60, 2))Z"
    }

    /// "20130524"
    var day: String {
        let date = CivilDate(daysSinceEpoch: days)
        return "\(zeroPadded(date.year, 4))\(zeroPadded(date.month, 2))\(zeroPadded(date.day, 2))"
    }

    /// Of the form "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7); nil for anything else.
    init?(httpDate text: String) {
        let fields = text.utf8.split(separator: UInt8(ascii: " ")).map { String($0) ?? "" }
        guard fields.count == 6, fields[5] == "GMT", let day = Int(fields[1]), (1...31).contains(day),
            let month = Self.months.firstIndex(of: fields[2]), let year = Int(fields[3]), (1970...9999).contains(year)
        else { return nil }
        let clock = fields[4].utf8.split(separator: UInt8(ascii: ":")).map { Int(String($0) ?? "") ?? -1 }
        guard clock.count == 3, (0..<24).contains(clock[0]), (0..<60).contains(clock[1]), (0...60).contains(clock[2])
        else { return nil }
        let date = CivilDate(year: year, month: month + 1, day: day)
        seconds = date.daysSinceEpoch * 86_400 + clock[0] * 3600 + clock[1] * 60 + clock[2]
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private var days: Int { floorDivided(seconds, by: 86_400) }
}

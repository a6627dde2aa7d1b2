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
        return "\(day)T\(padded(second / 3600))\(padded(second / 60 % 60))\(padded(second % 60))Z"
    }

    /// "20130524"
    var day: String {
        // Howard Hinnant's civil_from_days: years begin in March, so that the leap day comes last.
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let dayOfMonth = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return "\(padded(year, 4))\(padded(month))\(padded(dayOfMonth))"
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
        let shiftedYear = month < 2 ? year - 1 : year
        let shiftedMonth = (month + 10) % 12
        let era = shiftedYear / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * shiftedMonth + 2) / 5 + day - 1
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        seconds = days * 86_400 + clock[0] * 3600 + clock[1] * 60 + clock[2]
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private var days: Int { seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400 }
}

private func padded(_ number: Int, _ width: Int = 2) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}

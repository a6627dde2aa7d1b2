import Glibc
import Support

/// An instant in whole seconds, in the spellings that HTTP and S3 use.
package struct UTCTime: Sendable, Hashable {
    /// Since 1970-01-01T00:00:00Z.
    package var seconds: Int

    /// - Parameter seconds: since 1970-01-01T00:00:00Z.
    package init(seconds: Int) { self.seconds = seconds }

    /// The system's clock.
    package static var now: UTCTime { UTCTime(seconds: time(nil)) }

    /// "20130524T000000Z"
    package var basicISO: String {
        let second = seconds - days * 86_400
        return "\(day)T\(zeroPadded(second / 3600, 2))\(zeroPadded(second / 60 % 60, 2))\(zeroPadded(second % 60, 2))Z"
    }

    /// "20130524"
    package var day: String {
        let date = CivilDate(daysSinceEpoch: days)
        return "\(zeroPadded(date.year, 4))\(zeroPadded(date.month, 2))\(zeroPadded(date.day, 2))"
    }

    /// Of the form "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7); nil for anything else.
    package init?(httpDate text: String) {
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

    /// Since the UNIX epoch; nil before it, and where they don't fit.
    package var nanoseconds: UInt64? {
        guard let seconds = UInt64(exactly: seconds) else { return nil }
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? nil : scaled
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private var days: Int { floorDivided(seconds, by: 86_400) }
}

/// The system's clock: nanoseconds since the UNIX epoch.
package func systemTime() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(clamping: time.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: time.tv_nsec)
}

/// Nanoseconds since the UNIX epoch of a time such as "2026-11-20T17:39:55.012Z", which S3 listings have; nil for
/// anything else.
package func nanoseconds(isoTime text: String) -> UInt64? {
    let bytes = Array(text.utf8)
    guard bytes.count >= 20, bytes.count <= 30, bytes.last == UInt8(ascii: "Z"), bytes[4] == UInt8(ascii: "-"),
        bytes[7] == UInt8(ascii: "-"), bytes[10] == UInt8(ascii: "T"), bytes[13] == UInt8(ascii: ":"),
        bytes[16] == UInt8(ascii: ":"), let year = decimal(bytes[0..<4]), let month = decimal(bytes[5..<7]),
        let day = decimal(bytes[8..<10]), let hour = decimal(bytes[11..<13]), let minute = decimal(bytes[14..<16]),
        let second = decimal(bytes[17..<19]), year >= 1970, (1...12).contains(month), (1...31).contains(day),
        hour < 24, minute < 60, second <= 60
    else { return nil }
    var fraction: UInt64 = 0
    if bytes.count > 20 {
        let digits = bytes[20..<bytes.count - 1]
        guard bytes[19] == UInt8(ascii: "."), let value = decimal(digits) else { return nil }
        fraction = UInt64(value)
        for _ in digits.count..<9 { fraction *= 10 }
    }
    let days = CivilDate(year: year, month: month, day: day).daysSinceEpoch
    return UTCTime(seconds: days * 86_400 + hour * 3600 + minute * 60 + second).nanoseconds.map { $0 &+ fraction }
}

/// At most nine decimal digits.
private func decimal(_ digits: ArraySlice<UInt8>) -> Int? {
    guard !digits.isEmpty, digits.count <= 9 else { return nil }
    var value = 0
    for digit in digits {
        guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
        value = value * 10 + Int(digit - UInt8(ascii: "0"))
    }
    return value
}

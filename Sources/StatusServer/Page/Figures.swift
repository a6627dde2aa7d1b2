import Observability
import Support

/// Figures for people, with the exact value in the markup.
struct Figures {
    /// The time of the report in seconds since the UNIX epoch, to which ages are relative; nil if it cannot be parsed.
    var now: Double?

    /// A size in bytes.
    static func size(_ bytes: Int) -> HTML { "<data value=\"\(bytes)\">\(humanSize(bytes))</data>" }

    /// A number with a thousands separator.
    static func count(_ number: some BinaryInteger) -> HTML { "<data value=\"\(number)\">\(grouped(number))</data>" }

    /// A number of seconds.
    static func duration(_ seconds: Double) -> HTML {
        "<data value=\"\(seconds)\">\(humanDuration(seconds))</data>"
    }

    /// `3 things`, or `1 thing`.
    static func counted(_ number: some BinaryInteger, _ one: String, _ many: String) -> HTML {
        "\(count(number)) \(number == 1 ? one : many)"
    }

    /// The age of a time, with the time itself as title.
    func ago(_ time: String) -> HTML {
        guard let age = age(time) else { return Self.element(time, time) }
        return Self.element(time, age < 1 ? "just now" : "\(Self.coarse(age)) ago")
    }

    /// The duration since a time.
    func since(_ time: String) -> HTML { Self.element(time, age(time).map(Self.coarse) ?? time) }

    // Tenths of a second of an age are noise.
    private static func coarse(_ age: Double) -> String { age < 99.5 ? "\(Int(age)) s" : humanDuration(age) }

    /// The time of day in UTC.
    static func clock(_ time: String) -> HTML {
        element(time, WallTime(rfc3339: time).map { $0.timeOfDay(digits: 0) } ?? time)
    }

    /// Seconds from a time to the report's; nil if either cannot be parsed.
    func age(_ time: String) -> Double? {
        guard let now, let then = Self.seconds(time) else { return nil }
        return max(0, now - then)
    }

    /// A time of RFC 3339 in seconds since the UNIX epoch.
    static func seconds(_ time: String) -> Double? {
        WallTime(rfc3339: time).map { Double($0.seconds) + Double($0.nanoseconds) / 1e9 }
    }

    private static func element(_ time: String, _ text: String) -> HTML {
        // A text that is not a time may be arbitrarily long.
        guard seconds(time) != nil else { return "<span>\(text)</span>" }
        return "<time datetime=\"\(time)\" title=\"\(time)\">\(text)</time>"
    }

    /// 1234567 as `1,234,567`.
    static func grouped(_ number: some BinaryInteger) -> String {
        let digits = Array(String(number).utf8)
        var result: [UInt8] = []
        for (index, digit) in digits.enumerated() {
            let rest = digits.count - index
            if index > 0, rest % 3 == 0, result.last != UInt8(ascii: "-") { result.append(UInt8(ascii: ",")) }
            result.append(digit)
        }
        return String(decoding: result, as: UTF8.self)
    }
}

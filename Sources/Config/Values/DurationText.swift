/// The text form of durations: `1h30m`, `250ms`, `1.5s`, `0`.
package enum DurationText {
    static let allowed = "a duration with its unit, such as 250ms, 10s or 1h30m"
    private static let nanosecondsPerUnit: [(unit: String, nanoseconds: UInt64)] = [
        ("ns", 1), ("us", 1000), ("µs", 1000), ("μs", 1000), ("ms", 1_000_000), ("s", 1_000_000_000),
        ("m", 60_000_000_000), ("h", 3_600_000_000_000),
    ]

    /// Parses an optional sign, then numbers with or without a fraction, each with a unit of ns, us, µs, ms, s, m, h; or
    /// `0`. Limited to 64 bits of nanoseconds, about 292 years.
    package static func parse(_ text: String) throws(ValueProblem) -> Duration {
        var rest = Substring(text)
        var isNegative = false
        if let sign = rest.first, sign == "-" || sign == "+" {
            isNegative = sign == "-"
            rest = rest.dropFirst()
        }
        if rest == "0" { return .zero }
        guard !rest.isEmpty else { throw ValueProblem(allowed: allowed) }
        var total: UInt64 = 0
        while !rest.isEmpty {
            let whole = rest.prefix(while: \.isASCIIDigit)
            rest = rest.dropFirst(whole.count)
            var fraction = Substring()
            if rest.first == "." {
                fraction = rest.dropFirst().prefix(while: \.isASCIIDigit)
                rest = rest.dropFirst(fraction.count + 1)
            }
            let name = rest.prefix { $0 != "." && !$0.isASCIIDigit }
            rest = rest.dropFirst(name.count)
            guard !whole.isEmpty || !fraction.isEmpty else { throw ValueProblem(allowed: allowed) }
            guard !name.isEmpty else {
                throw ValueProblem(allowed: allowed, .noUnit)
            }
            guard let unit = nanosecondsPerUnit.first(where: { $0.unit == name })?.nanoseconds else {
                throw ValueProblem(allowed: allowed, .durationUnits)
            }
            guard let part = nanoseconds(whole, fraction, unit: unit),
                case (let sum, let overflow) = total.addingReportingOverflow(part), !overflow, sum <= UInt64(Int64.max)
            else { throw ValueProblem(allowed: allowed, .tooLong) }
            total = sum
        }
        let nanoseconds = Int64(clamping: total)
        return .nanoseconds(isNegative ? -nanoseconds : nanoseconds)
    }

    /// nil on overflow.
    private static func nanoseconds(_ whole: Substring, _ fraction: Substring, unit: UInt64) -> UInt64? {
        guard let count = whole.isEmpty ? 0 : UInt64(whole),
            case (let product, let overflow) = count.multipliedReportingOverflow(by: unit), !overflow
        else { return nil }
        // Eighteen digits are finer than a nanosecond of an hour; 10^18 times the largest unit fits 128 bits.
        var numerator: UInt128 = 0
        var scale: UInt128 = 1
        for digit in fraction.prefix(18).compactMap(\.wholeNumberValue) {
            numerator = numerator * 10 + UInt128(UInt64(clamping: digit))
            scale *= 10
        }
        let (sum, carry) = product.addingReportingOverflow(UInt64(numerator * UInt128(unit) / scale))
        return carry ? nil : sum
    }

    /// The shortest usual form: `1h30m`, `1.5s`, `250ms`, `0`. Parses to the same duration, to the nanosecond.
    package static func format(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return "\(seconds)s" }
        let (total, carry) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
        guard !carry else { return "\(seconds)s" }
        let magnitude = total.magnitude
        if magnitude == 0 { return "0" }
        let sign = total < 0 ? "-" : ""
        for (unit, size) in [("ns", UInt64(1)), ("us", 1000), ("ms", 1_000_000)] where magnitude < size * 1000 {
            return "\(sign)\(decimal(magnitude, per: size))\(unit)"
        }
        var text = sign
        let hours = magnitude / 3_600_000_000_000
        let minutes = magnitude / 60_000_000_000 % 60
        let nanoseconds = magnitude % 60_000_000_000
        if hours > 0 { text += "\(hours)h" }
        if minutes > 0 { text += "\(minutes)m" }
        if nanoseconds > 0 { text += "\(decimal(nanoseconds, per: 1_000_000_000))s" }
        return text
    }

    private static func decimal(_ value: UInt64, per unit: UInt64) -> String {
        guard value % unit != 0 else { return "\(value / unit)" }
        // An additional leading digit keeps the leading zeros of the fraction.
        var digits = String(unit + value % unit).dropFirst()
        while digits.last == "0" { digits = digits.dropLast() }
        return "\(value / unit).\(digits)"
    }
}

extension Character {
    var isASCIIDigit: Bool { ("0"..."9").contains(self) && isASCII }
}

extension Duration {
    static func minutes(_ count: Int) -> Duration { .seconds(60 * count) }
    static func hours(_ count: Int) -> Duration { .seconds(3600 * count) }
}

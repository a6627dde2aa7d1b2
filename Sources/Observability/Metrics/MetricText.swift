import Support

/// Builds the text format of Prometheus, version 0.0.4.
package struct MetricText {
    /// The prefix of the lines of a series.
    package struct Series {
        var description: MetricDescription
        var values: [String]
    }

    private(set) var bytes: [UInt8] = []

    init() { bytes.reserveCapacity(16 << 10) }

    mutating func begin(_ family: MetricDescription) {
        append("# HELP \(family.name) ")
        appendEscaped(family.help, quotes: false)
        append("\n# TYPE \(family.name) \(family.type)\n")
    }

    mutating func sample(
        _ series: Series, suffix: String = "", extra: (name: String, value: String)? = nil, value: Double
    ) {
        append(series.description.name)
        append(suffix)
        var separator = "{"
        for (name, text) in zip(series.description.labels, series.values) {
            append("\(separator)\(name)=\"")
            appendEscaped(text, quotes: true)
            append("\"")
            separator = ","
        }
        if let extra {
            append("\(separator)\(extra.name)=\"\(extra.value)\"")
            separator = ","
        }
        if separator == "," { append("}") }
        append(" \(Self.number(value))\n")
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    /// A help text, or a label value, in which quotes are escaped, too.
    ///
    /// The format's own `\n` is not used, because parsing it would yield a line break again.
    private mutating func appendEscaped(_ text: String, quotes: Bool) {
        for byte in PrintableText.escaped(text).utf8 {
            switch byte {
            case UInt8(ascii: "\\"): append("\\\\")
            case UInt8(ascii: "\"") where quotes: append("\\\"")
            default: bytes.append(byte)
            }
        }
    }

    /// The shortest text that parses to the number, with an exponent from a million on: as in the Go client
    /// library, because the bounds of histograms are part of the identity of their series.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if value == 0 { return "0" }
        // The digits and the exponent of Swift's shortest text, whichever form that has.
        var digits: [Character] = []
        var point: Int?
        var exponent = 0
        let text = abs(value).description
        let parts = text.split(separator: "e")
        for character in parts[0] {
            if character == "." { point = digits.count } else { digits.append(character) }
        }
        if parts.count > 1 { exponent = Int(parts[1]) ?? 0 }
        exponent += (point ?? digits.count) - 1
        while digits.first == "0" {
            digits.removeFirst()
            exponent -= 1
        }
        while digits.last == "0" { digits.removeLast() }
        let sign = value < 0 ? "-" : ""
        if exponent < -4 || exponent >= 6 {
            let fraction = digits.count > 1 ? "." + String(digits[1...]) : ""
            let size = abs(exponent)
            return "\(sign)\(digits[0])\(fraction)e\(exponent < 0 ? "-" : "+")\(size < 10 ? "0" : "")\(size)"
        }
        if exponent < 0 {
            return sign + "0." + String(repeating: "0", count: -exponent - 1) + String(digits)
        }
        if digits.count <= exponent + 1 {
            return sign + String(digits) + String(repeating: "0", count: exponent + 1 - digits.count)
        }
        return sign + String(digits[...exponent]) + "." + String(digits[(exponent + 1)...])
    }
}

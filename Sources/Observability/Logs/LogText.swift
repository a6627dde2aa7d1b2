import Support

/// Builds the bytes of log lines so that no value can end its line or control a terminal.
struct LogText {
    private(set) var bytes: [UInt8] = []

    init() { bytes.reserveCapacity(256) }

    mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func append(_ scalar: Unicode.Scalar) { bytes.append(contentsOf: String(scalar).utf8) }

    mutating func append(_ text: String, paddedTo width: Int) {
        append(text)
        appendBlanks(width - text.count)
    }

    mutating func appendBlanks(_ count: Int) {
        if count > 0 { bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: count)) }
    }

    /// Text outside of quotes: unprintable characters are escaped, others are unchanged.
    mutating func appendPlain(_ text: String) {
        guard text.unicodeScalars.contains(where: Self.isUnsafe) else { return append(text) }
        for scalar in text.unicodeScalars {
            if Self.isUnsafe(scalar) { appendEscaped(scalar) } else { append(scalar) }
        }
    }

    /// Text in double quotes, escaped as in JSON.
    mutating func appendQuoted(_ text: String) {
        append("\"")
        for scalar in text.unicodeScalars {
            if scalar == "\"" || scalar == "\\" || Self.isUnsafe(scalar) {
                appendEscaped(scalar)
            } else {
                append(scalar)
            }
        }
        append("\"")
    }

    /// A value after `=`, quoted only if parsers of `key=value` pairs require it.
    mutating func appendPairValue(_ text: String) {
        let isBare =
            !text.isEmpty
            && text.unicodeScalars.allSatisfy {
                $0 != " " && $0 != "=" && $0 != "\"" && $0 != "\\" && !$0.properties.isWhitespace && !Self.isUnsafe($0)
            }
        if isBare { append(text) } else { appendQuoted(text) }
    }

    /// A key before `=`: characters that would end it become `_`.
    mutating func appendPairKey(_ key: String) {
        let isBad: (Unicode.Scalar) -> Bool = {
            $0 == "=" || $0 == "\"" || $0.properties.isWhitespace || Self.isUnsafe($0)
        }
        guard !key.isEmpty else { return append("_") }
        guard key.unicodeScalars.contains(where: isBad) else { return append(key) }
        var clean = String.UnicodeScalarView()
        for scalar in key.unicodeScalars { clean.append(isBad(scalar) ? "_" : scalar) }
        append(String(clean))
    }

    private static func isUnsafe(_ scalar: Unicode.Scalar) -> Bool { !PrintableText.isPrintable(scalar) }

    private mutating func appendEscaped(_ scalar: Unicode.Scalar) {
        switch scalar {
        case "\"": append("\\\"")
        case "\\": append("\\\\")
        default: PrintableText.append(escape: scalar, to: &bytes)
        }
    }
}

import Monitoring

extension BufferedOutput {
    /// Appends an array with an element a line.
    mutating func appendJSONArray(_ elements: some Sequence<some Encodable>) throws {
        append("[")
        var isFirst = true
        for element in elements {
            if !isFirst { append(",") }
            isFirst = false
            try endLine()
            append("  ")
            append(JSONText.escapingUnprintable(try JSON.encode(element)))
        }
        if !isFirst { try endLine() }
        append("]")
        try endLine()
    }
}

/// What the encoder leaves as it is although a terminal might act on it.
enum JSONText {
    /// Replaces control characters beyond ASCII and characters that change the direction of text, which JSON allows
    /// in strings, by their escapes.
    static func escapingUnprintable(_ json: [UInt8]) -> String {
        var text = String.UnicodeScalarView()
        for scalar in String(decoding: json, as: UTF8.self).unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control where scalar.value >= 0x7f, .format, .lineSeparator, .paragraphSeparator:
                for unit in UTF16.encode(scalar) ?? .init() {
                    let digits = String(unit, radix: 16)
                    text.append(
                        contentsOf: "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".unicodeScalars)
                }
            default: text.append(scalar)
            }
        }
        return String(text)
    }
}

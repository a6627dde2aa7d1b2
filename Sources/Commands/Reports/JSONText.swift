import Monitoring

extension BufferedOutput {
    /// Appends an array with an element a line.
    mutating func appendJSONArray(_ elements: some Sequence<some Encodable>) throws {
        var array = JSONArrayText()
        array.begin(&self)
        for element in elements { try array.append(element, to: &self) }
        try array.end(&self)
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

/// Writes an array element by element, each in a line of its own.
struct JSONArrayText {
    private var isEmpty = true

    func begin(_ output: inout BufferedOutput) { output.append("[") }

    mutating func append(_ element: some Encodable, to output: inout BufferedOutput) throws {
        if !isEmpty { output.append(",") }
        isEmpty = false
        try output.endLine()
        output.append("  ")
        output.append(JSONText.escapingUnprintable(try JSON.encode(element)))
    }

    func end(_ output: inout BufferedOutput) throws {
        try endArray(&output)
        try output.endLine()
    }

    /// Ends the array, and not the line: it stands in something else.
    func endArray(_ output: inout BufferedOutput) throws {
        if !isEmpty { try output.endLine() }
        output.append("]")
    }
}

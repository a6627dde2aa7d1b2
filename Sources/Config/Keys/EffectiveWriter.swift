import Support

/// Writes the effective configuration as YAML, secrets masked.
struct EffectiveWriter {
    /// Replaces a secret that is set.
    static let mask = "\"******\""

    private(set) var text = ""
    private var depth = 0

    mutating func value(_ name: String, _ value: String) { line("\(Self.key(name)): \(value)") }

    mutating func section(_ name: String, _ contents: (inout EffectiveWriter) -> Void) {
        var inner = EffectiveWriter()
        inner.depth = depth + 1
        contents(&inner)
        guard !inner.text.isEmpty else { return value(name, "{}") }
        line("\(Self.key(name)):")
        text += inner.text
    }

    /// Omits an empty section.
    mutating func sectionIfAny(_ name: String, _ contents: (inout EffectiveWriter) -> Void) {
        var inner = EffectiveWriter()
        contents(&inner)
        if !inner.text.isEmpty { section(name, contents) }
    }

    private mutating func line(_ line: String) { text += String(repeating: "  ", count: depth) + line + "\n" }

    /// A key, quoted if YAML requires it.
    private static func key(_ name: String) -> String {
        let isSafe = name.unicodeScalars.allSatisfy { $0.isASCIILetterOrDigit || $0 == "_" }
        return isSafe && !name.isEmpty ? name : quoted(name, escapingDollars: false)
    }

    /// A double-quoted YAML scalar; a dollar is doubled, so that it parses to a dollar.
    static func quoted(_ text: String, escapingDollars: Bool = true) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "$" where escapingDollars: result += "$$"
            case _ where !PrintableText.isPrintable(scalar):
                let digits = String(scalar.value, radix: 16)
                result += "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

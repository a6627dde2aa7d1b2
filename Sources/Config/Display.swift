import Support

/// Formats texts of the file for messages: on one line, of bounded length, and of an unknown key only its name.
enum Display {
    static let longest = 80

    /// A value in quotes, for messages. Not for secrets.
    static func quoted(_ text: String) -> String { "\"\(oneLine(text))\"" }

    /// The text as one line, truncated if too long.
    static func oneLine(_ text: String) -> String { PrintableText.line(text, longest: longest) }

    /// The text as one line of any length: for file names, which editors and scripts open.
    static func whole(_ text: String) -> String { PrintableText.line(text, longest: .max) }

    /// An unknown key, truncated after its name-like prefix: in `{secret_key:hunter2}` the password is part of the key.
    static func unknownKey(_ text: String) -> String {
        let name = text.unicodeScalars.prefix { scalar in
            scalar.isASCIILetterOrDigit || scalar == "_" || scalar == "-" || scalar == "."
        }
        guard name.count < text.unicodeScalars.count else { return oneLine(text) }
        return oneLine(String(String.UnicodeScalarView(name))) + "…"
    }
}

extension Unicode.Scalar {
    var isASCIILetterOrDigit: Bool {
        switch self {
        case "a"..."z", "A"..."Z", "0"..."9": true
        default: false
        }
    }

    /// Control characters and line separators.
    var isControl: Bool { value < 0x20 || (0x7f...0x9f).contains(value) || value == 0x2028 || value == 0x2029 }
}

/// Makes untrusted text safe for terminals, logs, pages and metrics: it must not end a line, control a terminal,
/// be invisible, or change the writing direction.
///
/// ``isPrintable(_:)`` is the only rule. ``line(_:longest:)`` applies it for people,
/// ``escaped(_:)`` keeps different texts different. Escaping for HTML, JSON and the metrics format is applied in
/// addition.
package enum PrintableText {
    /// Whether a character is shown unchanged.
    ///
    /// Not printable are controls (C0, DEL and C1), line and paragraph separators, characters without a visible form
    /// (zero-width characters, bidirectional controls, fillers, tags), and unassigned characters.
    @inline(__always)
    package static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.value < 0x7f { return scalar.value >= 0x20 }
        return isPrintableBeyondASCII(scalar)
    }

    @inline(never)
    private static func isPrintableBeyondASCII(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: !scalar.properties.isDefaultIgnorableCodePoint
        }
    }

    /// The text as one line, with a dot for each unprintable character.
    ///
    /// - Parameters:
    ///   - longest: maximum number of characters; `…` replaces the rest.
    ///   - substitute: replaces the dot; a blank suits prose of several lines.
    package static func line(
        _ text: String, longest: Int = .max, substitute: Unicode.Scalar = "."
    ) -> String {
        if longest == .max, isPrintableASCII(text) { return text }
        guard longest < .max || !text.unicodeScalars.allSatisfy(isPrintable) else { return text }
        var line = String.UnicodeScalarView()
        var left = longest
        for scalar in text.unicodeScalars {
            guard left > 0 else {
                line.append("…")
                break
            }
            left -= 1
            line.append(isPrintable(scalar) ? scalar : substitute)
        }
        return String(line)
    }

    /// The text as one line, with a JSON escape for each unprintable character.
    package static func escaped(_ text: String) -> String {
        guard !text.unicodeScalars.allSatisfy(isPrintable) else { return text }
        var bytes: [UInt8] = []
        for scalar in text.unicodeScalars {
            if isPrintable(scalar) {
                bytes.append(contentsOf: UTF8.encode(scalar) ?? .init())
            } else {
                append(escape: scalar, to: &bytes)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A JSON document with unprintable characters in its strings escaped.
    ///
    /// Line feeds of the layout are kept.
    package static func json(_ document: [UInt8]) -> [UInt8] {
        let text = String(decoding: document, as: UTF8.self)
        guard !text.unicodeScalars.allSatisfy({ isPrintable($0) || $0 == "\n" }) else { return document }
        var bytes: [UInt8] = []
        for scalar in text.unicodeScalars {
            if isPrintable(scalar) || scalar == "\n" {
                bytes.append(contentsOf: UTF8.encode(scalar) ?? .init())
            } else {
                append(escape: scalar, to: &bytes)
            }
        }
        return bytes
    }

    /// Appends the JSON escape of a character: `\n`, `\r` and `\t`, otherwise `\uXXXX` for each UTF-16 unit.
    package static func append(escape scalar: Unicode.Scalar, to bytes: inout [UInt8]) {
        switch scalar {
        case "\n": bytes.append(contentsOf: "\\n".utf8)
        case "\r": bytes.append(contentsOf: "\\r".utf8)
        case "\t": bytes.append(contentsOf: "\\t".utf8)
        default:
            for unit in UTF16.encode(scalar) ?? .init() {
                let digits = String(unit, radix: 16)
                bytes.append(contentsOf: "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".utf8)
            }
        }
    }

    /// Arbitrary bytes as one line: printable ASCII unchanged, everything else as `\xNN`.
    ///
    /// - Parameter longest: maximum number of bytes; `…` replaces the rest.
    package static func bytes(_ bytes: UnsafeRawBufferPointer, longest: Int = 64) -> String {
        var text = ""
        for byte in bytes.prefix(longest) {
            if isPrintable(byte) && byte != UInt8(ascii: "\\") {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text += "\\x" + hexadecimal(CollectionOfOne(byte))
            }
        }
        return bytes.count > longest ? text + "…" : text
    }

    /// The beginning of a text, whole characters of at most so many bytes.
    ///
    /// - Parameter ending: stands behind it where something was cut off.
    package static func cut(_ text: String, longest: Int, ending: String = "…") -> String {
        guard text.utf8.count > longest else { return text }
        var beginning = String.UnicodeScalarView()
        var length = 0
        for scalar in text.unicodeScalars {
            length += UTF8.width(scalar)
            if length > longest { break }
            beginning.append(scalar)
        }
        return String(beginning) + ending
    }

    /// Whether all characters are printable ones of ASCII, as in most texts; may also be false for them.
    private static func isPrintableASCII(_ text: String) -> Bool {
        // Without an early end, so that the compiler can look at many bytes at once.
        text.utf8.withContiguousStorageIfAvailable { bytes in
            bytes.reduce(0 as UInt8) { $0 | ($1 &- 0x20 < 0x5f ? 0 : 1) } == 0
        } ?? false
    }

    /// Whether a byte is a printable character of ASCII.
    package static func isPrintable(_ byte: UInt8) -> Bool { (0x20...0x7e).contains(byte) }
}

extension String {
    /// The text as one line, truncated if too long. Errors from servers often have several lines.
    package func oneLine(limit: Int = 300) -> String { PrintableText.line(self, longest: limit, substitute: " ") }
}

/// What must never reach a terminal, a log, a page or a metric as it is: a list of its own, not the program's rule.
package enum HostileText {
    /// C0 and C1 controls, DEL, the separators of lines and paragraphs, what turns the direction of text, and what has no
    /// width.
    package static let characters: [Unicode.Scalar] =
        [
            0..<0x20 as Range<UInt32>, 0x7f..<0xa0, 0xad..<0xae, 0x34f..<0x350, 0x61c..<0x61d, 0x115f..<0x1161,
            0x180e..<0x180f, 0x200b..<0x2010, 0x2028..<0x202f, 0x2060..<0x2065, 0x2066..<0x2070, 0x3164..<0x3165,
            0xfeff..<0xff00, 0xfff9..<0xfffc, 0xe0001..<0xe0002, 0xe0020..<0xe0080,
        ].flatMap { $0.compactMap { Unicode.Scalar($0) } }

    /// A name that tries all it can: it ends a line, colours a terminal, turns the text, hides a part of itself, and ends
    /// strings of HTML, JSON and metrics.
    package static let name =
        "x\u{1b}[31m\u{9b}2J\n\r\u{202e}evil\u{2066}\u{200b}\u{200f}\u{2028}\u{85}\u{7f}\"'<b>\\{}\u{feff}"

    private static let all = Set(characters)

    /// The hostile characters in a text. A text of several lines may have line feeds.
    package static func found(in text: String, lines: Bool = false) -> [Unicode.Scalar] {
        text.unicodeScalars.filter { all.contains($0) && !(lines && $0 == "\n") }
    }

    /// The same of UTF-8.
    package static func found(in bytes: [UInt8], lines: Bool = false) -> [Unicode.Scalar] {
        found(in: String(decoding: bytes, as: UTF8.self), lines: lines)
    }
}

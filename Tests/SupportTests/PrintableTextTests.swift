import TestSupport
import Testing

@testable import Support

@Suite("Printable text")
struct PrintableTextTests {
    @Test("Text that people write stays as it is", arguments: ["", "a b~", "zürich.example.", "例え", "ns1 → ns2", "🙂"])
    func harmless(text: String) {
        #expect(PrintableText.line(text) == text)
        #expect(PrintableText.escaped(text) == text)
        #expect(PrintableText.json(Array(text.utf8)) == Array(text.utf8))
    }

    @Test("Nothing hostile is left, whichever way it is shown")
    func hostile() {
        for scalar in HostileText.characters {
            let text = "a\(Character(scalar))b"
            #expect(PrintableText.line(text) == "a.b", "U+\(String(scalar.value, radix: 16))")
            #expect(HostileText.found(in: PrintableText.escaped(text)).isEmpty)
            #expect(PrintableText.escaped(text).hasPrefix("a\\"))
            #expect(scalar == "\n" || HostileText.found(in: PrintableText.json(Array(text.utf8))).isEmpty)
        }
        #expect(
            Set(HostileText.characters.map { PrintableText.escaped("\($0)") }).count == HostileText.characters.count)
    }

    @Test("Escapes are those of JSON")
    func escapes() {
        #expect(PrintableText.escaped("\u{1b}[31m\u{202e}\n\t\r\u{e0041}") == #"\u001b[31m\u202e\n\t\r\udb40\udc41"#)
    }

    @Test("A line is cut where it gets too long")
    func longest() {
        #expect(PrintableText.line("abc", longest: 3) == "abc")
        #expect(PrintableText.line("ab\u{1b}d", longest: 3) == "ab.…")
    }

    @Test("Bytes that are no text")
    func bytes() {
        let bytes = Array("a\\".utf8) + [0, 0xff, 0x7f]
        #expect(bytes.withUnsafeBytes { PrintableText.bytes($0) } == "a\\x5c\\x00\\xff\\x7f")
        #expect(bytes.withUnsafeBytes { PrintableText.bytes($0, longest: 1) } == "a…")
    }
}

/// Cutting texts that are too long.
@Suite struct TextCutTests {
    @Test(arguments: [
        ("", 0, ""), ("abc", 3, "abc"), ("abcd", 3, "abc…"), ("aäb", 2, "a…"), ("aäb", 3, "aä…"), ("äb", 1, "…"),
        ("🇨🇭x", 4, "🇨…"),
    ])
    func endsWithAWholeCharacter(text: String, longest: Int, expected: String) {
        #expect(PrintableText.cut(text, longest: longest) == expected)
    }

    @Test func nothingStandsForTheRestWhereThatIsNotWanted() {
        #expect(PrintableText.cut("abcd", longest: 3, ending: "") == "abc")
    }
}

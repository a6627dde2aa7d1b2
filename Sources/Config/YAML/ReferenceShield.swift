/// Hides the characters of `${…}` from the YAML parser.
///
/// Release 1.0 replaced references before it parsed the YAML, so `{ root_path: ${DIR} }` works there, where a YAML parser
/// ends the plain scalar at the brace. Here those characters are replaced one for one by private ones while libyaml
/// parses, so that lines and columns stay, and restored in the scalars. The values of variables never reach the parser.
struct ReferenceShield {
    /// Characters that would end or split a plain scalar.
    private static let shielded = Array("{}[],:?#".utf8)
    /// UTF-8 of the private characters U+EE00…; the last byte counts up from 0x80.
    private static let prefix: [UInt8] = [0xee, 0xb8]

    /// The text for libyaml.
    let bytes: [UInt8]
    private let isActive: Bool

    /// A text that contains the private characters itself is left unchanged.
    init(_ text: [UInt8]) {
        let usesThem = zip(text, text.dropFirst()).contains { $0 == Self.prefix[0] && $1 == Self.prefix[1] }
        isActive = !usesThem && text.contains(UInt8(ascii: "$"))
        bytes = isActive ? Self.shield(text) : text
    }

    /// The scalar as in the file.
    func restore(_ scalar: String) -> String {
        guard isActive, scalar.utf8.contains(Self.prefix[0]) else { return scalar }
        var result = String.UnicodeScalarView()
        for character in scalar.unicodeScalars {
            let index = Int(character.value) - 0xee00
            let original = Self.shielded.indices.contains(index) ? Unicode.Scalar(Self.shielded[index]) : character
            result.append(original)
        }
        return String(result)
    }

    private static func shield(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count + 64)
        var index = 0
        while index < text.count {
            let isStart = text[index] == UInt8(ascii: "$") && index + 1 < text.count
            if isStart, text[index + 1] == UInt8(ascii: "{"), let end = closingBrace(text, from: index + 2) {
                for byte in text[index...end] {
                    if let code = shielded.firstIndex(of: byte) {
                        result += prefix + [0x80 + UInt8(code)]
                    } else {
                        result.append(byte)
                    }
                }
                index = end + 1
            } else if isStart, text[index + 1] == UInt8(ascii: "$") {
                // A literal dollar; a brace after it belongs to YAML.
                result += text[index...index + 1]
                index += 2
            } else {
                result.append(text[index])
                index += 1
            }
        }
        return result
    }

    /// The `}` on the same line that ends the reference. The search is limited to the maximum length of a reference, which
    /// bounds the work for a text of many `${`.
    private static func closingBrace(_ text: [UInt8], from start: Int) -> Int? {
        let line = text[start..<max(start, min(text.count, start + 512))].prefix { byte in
            byte != UInt8(ascii: "\n") && byte != UInt8(ascii: "\r")
        }
        return EnvironmentExpansion.closingBrace(line)
    }
}

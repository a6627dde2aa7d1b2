extension DomainName {
    /// The bytes of a label that are escaped with a backslash.
    package enum Escaping: Sendable {
        /// All special bytes of a zone file (RFC 1035, 5.1).
        case zoneFile
        /// Dot and backslash only, as PowerDNS prints names.
        case powerDNS

        fileprivate func needsBackslash(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "."), UInt8(ascii: "\\"): true
            case UInt8(ascii: "\""), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: ";"), UInt8(ascii: "@"),
                UInt8(ascii: "$"):
                self == .zoneFile
            default: false
            }
        }
    }

    /// Appends the presentation form.
    ///
    /// Bytes other than printable ASCII become `\DDD`.
    ///
    /// - Parameter finalDot: whether to add a dot after the last label; the root is always a dot.
    package func append(to text: inout [UInt8], escaping: Escaping = .zoneFile, finalDot: Bool = true) {
        if isRoot { return text.append(UInt8(ascii: ".")) }
        // The offset of the next label's size.
        var next = 0
        for index in 0..<wire.count - 1 {
            let byte = wire[index]
            if index == next {
                if index > 0 { text.append(UInt8(ascii: ".")) }
                next += 1 + Int(byte)
            } else if byte <= 0x20 || byte >= 0x7f {
                text.append(decimalEscape: byte)
            } else {
                if escaping.needsBackslash(byte) { text.append(UInt8(ascii: "\\")) }
                text.append(byte)
            }
        }
        if finalDot { text.append(UInt8(ascii: ".")) }
    }

    /// The presentation form; see ``append(to:escaping:finalDot:)``.
    package func text(escaping: Escaping = .zoneFile, finalDot: Bool = true) -> String {
        if finalDot, let text = withView({ $0.plainText }) { return text }
        var text: [UInt8] = []
        text.reserveCapacity(wire.count)
        append(to: &text, escaping: escaping, finalDot: finalDot)
        return String(decoding: text, as: UTF8.self)
    }

    /// Parses the presentation form as typed by a person: absolute, with or without the final dot.
    ///
    /// `\DDD` is the byte with this decimal number; a backslash before any other character makes it literal.
    ///
    /// - Throws: ``DecodeError`` with the offset in the UTF-8 text.
    package init(_ text: some StringProtocol) throws(DecodeError) {
        let bytes = Array(text.utf8)
        var wire: [UInt8] = [0]
        var start = 0
        var position = 0
        if bytes.isEmpty { throw DecodeError(.badText, at: 0) }
        if bytes == [UInt8(ascii: ".")] { position = 1 }
        while position < bytes.count {
            var byte = bytes[position]
            if byte == UInt8(ascii: ".") {
                guard wire.count > start + 1 else { throw DecodeError(.badLabel, at: position) }
                start = wire.count
                wire.append(0)
                position += 1
                continue
            }
            if byte == UInt8(ascii: "\\") {
                guard let escaped = Self.escaped(bytes[(position + 1)...]) else {
                    throw DecodeError(.badText, at: position)
                }
                byte = escaped.byte
                position += escaped.size
            }
            guard wire[start] < Self.maximumLabelSize else { throw DecodeError(.badLabel, at: position) }
            wire[start] += 1
            wire.append(byte)
            position += 1
            guard wire.count < Self.maximumSize else { throw DecodeError(.longName, at: position) }
        }
        if wire[start] != 0 { wire.append(0) }
        self.init(unchecked: wire)
    }

    /// The byte of an escape after its backslash, and the number of bytes of its text.
    private static func escaped(_ rest: ArraySlice<UInt8>) -> (byte: UInt8, size: Int)? {
        func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }
        guard let first = rest.first else { return nil }
        guard isDigit(first) else { return (first, 1) }
        let digits = rest.prefix(3)
        guard digits.count == 3, digits.allSatisfy(isDigit) else { return nil }
        let value = digits.reduce(0) { $0 * 10 + Int($1 &- UInt8(ascii: "0")) }
        return value < 256 ? (UInt8(value), 3) : nil
    }
}

extension DomainName: CustomStringConvertible {
    /// The absolute name in zone-file format.
    package var description: String { text() }
}

extension NameView {
    /// The presentation form with its final dot; nil for the root, and if any byte must be escaped.
    var plainText: String? {
        let size = wire.count - 1
        guard size > 0 else { return nil }
        // It has the same size: a dot after each label instead of its size.
        let text = String(unsafeUninitializedCapacity: size) { text in
            var next = 0
            for index in 0..<min(size, text.count) {
                let byte = wire[index]
                if index == next {
                    if index > 0 { text[index - 1] = UInt8(ascii: ".") }
                    next += 1 + Int(byte)
                } else if Self.isPlain(byte) {
                    text[index - 1] = byte
                } else {
                    return 0
                }
            }
            text[size - 1] = UInt8(ascii: ".")
            return size
        }
        return text.isEmpty ? nil : text
    }

    /// Whether a byte needs no escape: letters, digits, hyphen, underscore, and most others.
    private static func isPlain(_ byte: UInt8) -> Bool {
        (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
    }
}

/// An XML text that cannot be parsed.
package struct XMLError: Error, Hashable, CustomStringConvertible {
    /// The problem.
    package var problem: String
    /// Bytes from the start.
    package var offset: Int

    /// See the properties of the same names.
    package init(problem: String, offset: Int) { (self.problem, self.offset) = (problem, offset) }

    /// One line: position and problem.
    package var description: String { "bad XML at byte \(offset): \(problem)" }
}

/// Parses the XML answers of S3 and Azure servers: elements, text, references, CDATA; UTF-8.
///
/// Attributes and namespaces are skipped. A DOCTYPE is rejected, so no expanding entities can be defined.
package struct XMLReader {
    private static let deepest = 32

    private let bytes: [UInt8]
    private var offset = 0
    /// The open elements: name without namespace prefix, and the text directly in them.
    private var path: [String] = []
    private var texts: [[UInt8]] = []

    /// Calls `body` at the end of every element, inner ones first, with the names from the outermost element
    /// to the element itself and the text directly in it.
    package static func read(_ bytes: [UInt8], _ body: (_ path: [String], _ text: String) throws(XMLError) -> Void)
        throws(XMLError)
    {
        var reader = XMLReader(bytes: bytes)
        try reader.run(body)
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private mutating func run(_ body: ([String], String) throws(XMLError) -> Void) throws(XMLError) {
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { offset = 3 }
        var sawRoot = false
        while offset < bytes.count {
            if bytes[offset] != UInt8(ascii: "<") {
                try readText()
            } else if starts(with: "<?") {
                try skip(past: "?>")
            } else if starts(with: "<!--") {
                try skip(past: "-->")
            } else if starts(with: "<![CDATA[") {
                offset += 9
                let start = offset
                try skip(past: "]]>")
                try append(bytes[start..<offset - 3])
            } else if starts(with: "<!") {
                throw error("a DOCTYPE is not accepted")
            } else if starts(with: "</") {
                offset += 2
                let name = try readName()
                skipBlanks()
                try expect(">")
                guard path.last == name else { throw error("</\(name.oneLine(limit: 40))> closes no element") }
                try end(body)
            } else {
                if path.isEmpty {
                    if sawRoot { throw error("a second outermost element") }
                    sawRoot = true
                }
                try readStartTag(body)
            }
        }
        guard path.isEmpty, sawRoot else { throw error("it ends too early") }
    }

    private mutating func readStartTag(_ body: ([String], String) throws(XMLError) -> Void) throws(XMLError) {
        offset += 1
        guard path.count < Self.deepest else { throw error("more than \(Self.deepest) nested elements") }
        path.append(try readName())
        texts.append([])
        while true {
            skipBlanks()
            if starts(with: "/>") {
                offset += 2
                return try end(body)
            }
            if starts(with: ">") {
                offset += 1
                return
            }
            _ = try readName()
            skipBlanks()
            try expect("=")
            skipBlanks()
            guard offset < bytes.count, bytes[offset] == UInt8(ascii: "\"") || bytes[offset] == UInt8(ascii: "'")
            else { throw error("an attribute without quotes") }
            guard let close = bytes[(offset + 1)...].firstIndex(of: bytes[offset]) else {
                throw error("it ends in an attribute")
            }
            offset = close + 1
        }
    }

    private mutating func end(_ body: ([String], String) throws(XMLError) -> Void) throws(XMLError) {
        guard let text = String(validating: texts.last ?? [], as: UTF8.self) else { throw error("text is not UTF-8") }
        try body(path, text)
        path.removeLast()
        texts.removeLast()
    }

    private mutating func readText() throws(XMLError) {
        let end = bytes[offset...].firstIndex(of: UInt8(ascii: "<")) ?? bytes.count
        while offset < end {
            if bytes[offset] == UInt8(ascii: "&") {
                guard let semicolon = bytes[offset..<min(end, offset + 12)].firstIndex(of: UInt8(ascii: ";")) else {
                    throw error("& without ;")
                }
                try append(try reference(String(decoding: bytes[offset + 1..<semicolon], as: UTF8.self)))
                offset = semicolon + 1
            } else {
                let next = bytes[offset..<end].firstIndex(of: UInt8(ascii: "&")) ?? end
                try append(bytes[offset..<next])
                offset = next
            }
        }
    }

    private func reference(_ name: String) throws(XMLError) -> ArraySlice<UInt8> {
        switch name {
        case "amp": return [UInt8(ascii: "&")]
        case "lt": return [UInt8(ascii: "<")]
        case "gt": return [UInt8(ascii: ">")]
        case "quot": return [UInt8(ascii: "\"")]
        case "apos": return [UInt8(ascii: "'")]
        default:
            let number =
                name.hasPrefix("#x")
                ? UInt32(name.dropFirst(2), radix: 16) : name.hasPrefix("#") ? UInt32(name.dropFirst()) : nil
            guard let number, let scalar = UnicodeScalar(number) else { throw error("an unknown reference") }
            return ArraySlice(String(Character(scalar)).utf8)
        }
    }

    private mutating func append(_ new: ArraySlice<UInt8>) throws(XMLError) {
        if texts.isEmpty {
            guard new.allSatisfy(isBlank) else { throw error("text outside of elements") }
        } else {
            texts[texts.count - 1] += new
        }
    }

    /// Without the namespace prefix.
    private mutating func readName() throws(XMLError) -> String {
        let end =
            bytes[offset...].firstIndex { isBlank($0) || "/>=<&\"'".utf8.contains($0) } ?? bytes.count
        guard end > offset, let name = String(validating: bytes[offset..<end], as: UTF8.self) else {
            throw error("a name is missing")
        }
        offset = end
        return name.utf8.lastIndex(of: UInt8(ascii: ":")).map { String(name[name.utf8.index(after: $0)...]) } ?? name
    }

    private mutating func skipBlanks() {
        while offset < bytes.count, isBlank(bytes[offset]) { offset += 1 }
    }

    private mutating func skip(past mark: StaticString) throws(XMLError) {
        while offset < bytes.count {
            if starts(with: mark) {
                offset += mark.utf8CodeUnitCount
                return
            }
            offset += 1
        }
        throw error("it ends too early")
    }

    private mutating func expect(_ mark: StaticString) throws(XMLError) {
        guard starts(with: mark) else { throw error("\(mark) is missing") }
        offset += mark.utf8CodeUnitCount
    }

    private func starts(with mark: StaticString) -> Bool {
        mark.withUTF8Buffer { bytes[offset...].starts(with: $0) }
    }

    private func error(_ problem: String) -> XMLError { XMLError(problem: problem, offset: offset) }
}

private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 }

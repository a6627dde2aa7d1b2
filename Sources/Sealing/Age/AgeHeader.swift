import Support

/// The header of an age file: who can open it, and how (C2SP age.md).
struct AgeHeader {
    /// A line `-> TYPE ARGUMENT…`, and a body in base64.
    struct Stanza: Equatable {
        var arguments: [String]
        var body: [UInt8]
        /// Where it begins, in bytes from the beginning.
        var offset = 0
    }

    static let version = "age-encryption.org/v1"
    /// A header may not be longer than this many bytes. One recipient takes less than 200.
    static let mostBytes = 16 << 10
    static let fileKeySize = 16
    private static let lineSize = 64
    private static let type = "X25519"
    private static let info = "age-encryption.org/v1/X25519"

    private(set) var stanzas: [Stanza] = []
    /// The bytes up to and with `---`.
    private var authenticated: [UInt8] = []
    private var mac: [UInt8] = []
    /// The size in bytes.
    private(set) var count = 0

    // MARK: Writing

    /// A header for one recipient.
    ///
    /// - Parameters:
    ///   - fileKey: 16 random bytes.
    ///   - ephemeral: 32 random bytes.
    static func bytes(fileKey: [UInt8], ephemeral: [UInt8], recipient: [UInt8]) throws(AgeError) -> [UInt8] {
        let share = try Primitives.share(of: ephemeral)
        guard let shared = try Primitives.agreement(ephemeral, with: recipient) else {
            throw .unavailable("X25519")
        }
        let key = try Primitives.hkdf(shared, salt: share + recipient, info: info)
        var body = [UInt8](repeating: 0, count: fileKey.count + ChaChaPoly.tagSize)
        try seal(fileKey, key, &body)
        var text = Array("\(version)\n-> \(type) \(unpaddedBase64(share))\n\(unpaddedBase64(body))\n---".utf8)
        let mac = try Self.mac(of: text, fileKey)
        text += Array(" \(unpaddedBase64(mac))\n".utf8)
        return text
    }

    private static func seal(_ fileKey: [UInt8], _ key: [UInt8], _ body: inout [UInt8]) throws(AgeError) {
        let cipher = try ChaChaPoly(key: key)
        do {
            try fileKey.withUnsafeBytes { bytes in
                try body.withUnsafeMutableBytes { try cipher.seal(bytes, nonce: Self.nonce, into: $0) }
            }
        } catch {
            throw error as? AgeError ?? .unavailable("ChaCha20-Poly1305")
        }
    }

    /// The key is used once only.
    private static let nonce = [UInt8](repeating: 0, count: 12)

    private static func mac(of header: [UInt8], _ fileKey: [UInt8]) throws(AgeError) -> [UInt8] {
        try Primitives.hmac(key: try Primitives.hkdf(fileKey, info: "header"), header)
    }

    // MARK: Reading

    /// Parses the header at the beginning of `bytes`.
    ///
    /// - Parameter bytes: the first ``mostBytes`` of the file, or all if it is shorter.
    init(_ bytes: [UInt8]) throws(AgeError) {
        var lines = Lines(bytes: bytes)
        guard lines.next() == Self.version else { throw .notSealed }
        while true {
            let offset = lines.offset
            guard let line = lines.next() else { throw .damaged("the header has no end", offset: offset) }
            if line.hasPrefix("---") {
                guard line.hasPrefix("--- "), let mac = Sealing.bytes(unpaddedBase64: line.dropFirst(4)),
                    mac.count == Primitives.size
                else { throw .damaged("the end of the header is not valid", offset: offset) }
                self.mac = mac
                authenticated = Array(bytes[..<(offset + 3)])
                count = lines.offset
                break
            }
            stanzas.append(try Self.stanza(line, offset, &lines))
        }
        guard !stanzas.isEmpty else { throw .damaged("the header has no recipient", offset: 0) }
    }

    private static func stanza(_ line: String, _ offset: Int, _ lines: inout Lines) throws(AgeError) -> Stanza {
        guard line.hasPrefix("-> ") else { throw .damaged("a line of the header is not valid", offset: offset) }
        let arguments = line.dropFirst(3).split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard arguments.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (33...126).contains($0) } }) else {
            throw .damaged("an argument of a recipient is not valid", offset: offset)
        }
        var text = ""
        while true {
            let start = lines.offset
            guard let line = lines.next(), line.utf8.count <= lineSize else {
                throw .damaged("the body of a recipient has no end", offset: start)
            }
            text += line
            if line.utf8.count < lineSize { break }
        }
        guard let body = Sealing.bytes(unpaddedBase64: text) else {
            throw .damaged("the body of a recipient is not valid", offset: offset)
        }
        return Stanza(arguments: arguments, body: body, offset: offset)
    }

    /// The file key.
    ///
    /// - Parameter identities: the first one that opens it is used.
    /// - Returns: also which of them it was.
    /// - Throws: ``AgeError/otherIdentity`` if there is none.
    func fileKey(_ identities: [AgeIdentity]) throws(AgeError) -> (key: [UInt8], identity: AgeIdentity) {
        var found: (key: [UInt8], identity: AgeIdentity)?
        for stanza in stanzas where stanza.arguments[0] == Self.type {
            guard stanza.arguments.count == 2, let share = Sealing.bytes(unpaddedBase64: stanza.arguments[1]),
                share.count == Primitives.size
            else { throw .damaged("the share of a recipient is not valid", offset: stanza.offset) }
            guard stanza.body.count == Self.fileKeySize + ChaChaPoly.tagSize else {
                throw .damaged("the body of a recipient has the wrong size", offset: stanza.offset)
            }
            for identity in identities where found == nil {
                if let key = try Self.open(stanza, share, identity) { found = (key, identity) }
            }
        }
        guard let found else { throw .otherIdentity }
        guard Primitives.areEqual(mac, try Self.mac(of: authenticated, found.key)) else {
            throw .damaged("the header was changed", offset: 0)
        }
        return found
    }

    private static func open(_ stanza: Stanza, _ share: [UInt8], _ identity: AgeIdentity) throws(AgeError) -> [UInt8]? {
        guard let shared = try Primitives.agreement(identity.secret, with: share) else {
            throw .damaged("the share of a recipient has a low order", offset: stanza.offset)
        }
        let key = try Primitives.hkdf(shared, salt: share + identity.recipient, info: info)
        let cipher = try ChaChaPoly(key: key)
        var fileKey = [UInt8](repeating: 0, count: fileKeySize)
        let isRight = stanza.body.withUnsafeBytes { body in
            fileKey.withUnsafeMutableBytes { cipher.open(body, nonce: nonce, into: $0) }
        }
        return isRight ? fileKey : nil
    }

    /// Lines that end with a line feed.
    private struct Lines {
        let bytes: [UInt8]
        var offset = 0

        /// The next one without its end; nil if it has none, or is not ASCII.
        mutating func next() -> String? {
            guard let end = bytes[offset...].firstIndex(of: UInt8(ascii: "\n")) else { return nil }
            defer { offset = end + 1 }
            let line = bytes[offset..<end]
            return line.allSatisfy { $0 < 128 } ? String(decoding: line, as: UTF8.self) : nil
        }
    }
}

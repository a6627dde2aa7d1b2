import Support
import TestSupport
import Testing

@testable import Sealing

/// What is sealed comes back, and nothing else does.
@Suite struct AgeTests {
    private let identity: AgeIdentity
    private let other: AgeIdentity
    private var random = SeededGenerator(seed: 16)

    init() throws {
        identity = try AgeIdentity.generated()
        other = try AgeIdentity.generated()
    }

    private func open(_ sealed: [UInt8], _ identities: [AgeIdentity]? = nil) throws -> [UInt8] {
        try bytes(AgeFile.open(Spool(sealed), identities ?? [identity]).plain)
    }

    /// The error of something that must not open; nil if it does.
    private func refusal(_ sealed: [UInt8], _ identities: [AgeIdentity]? = nil) -> AgeError? {
        #expect(throws: AgeError.self) { try open(sealed, identities) }
    }

    // MARK: What is right

    @Test(arguments: [0, 1, 100, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073, 3_000_000])
    func allSizesComeBack(_ count: Int) throws {
        var random = random
        let plain = random.bytes(count)
        let sealed = try identity.seal(Spool(plain))
        let chunks = max(1, (count + 65_535) / 65_536)
        let header = try AgeHeader(try bytes(sealed)).count
        #expect(sealed.count == header + 16 + count + chunks * 16)
        #expect(try AgeFile.isSealed(sealed) && !AgeFile.isSealed(Spool(plain)))
        #expect(try open(bytes(sealed)) == plain)
    }

    @Test func theIdentityThatFitsOpens() throws {
        let sealed = try other.seal(Spool([1, 2, 3]))
        let opened = try AgeFile.open(sealed, [identity, other])
        #expect(try bytes(opened.plain) == [1, 2, 3])
        #expect(opened.identity.keyID == other.keyID && other.keyID != identity.keyID)
        #expect(refusal(try bytes(sealed)) == .otherIdentity)
        #expect(refusal(try bytes(sealed), []) == .otherIdentity)
    }

    @Test func nothingIsSealedTheSameWayTwice() throws {
        let (one, two) = (try bytes(identity.seal(Spool([1]))), try bytes(identity.seal(Spool([1]))))
        #expect(one.count == two.count && one.suffix(33) != two.suffix(33))
        #expect(one.dropLast(33).suffix(60) != two.dropLast(33).suffix(60))
    }

    @Test func anIdentityComesBackFromItsText() throws {
        let text = identity.text
        #expect(text.hasPrefix("AGE-SECRET-KEY-1") && text.count == 74)
        let again = try #require(try AgeIdentity(text))
        #expect(again.secret == identity.secret && again.recipient == identity.recipient)
        #expect(again.keyID == identity.keyID && again.keyID.count == 8)
        #expect(try AgeIdentity(text.dropLast()) == nil && AgeIdentity(identity.recipientText) == nil)
        #expect(try AgeIdentity("") == nil && AgeIdentity(Bech32.encode([1], prefix: "age-secret-key-")) == nil)
    }

    // MARK: What is damaged

    @Test func eachFlippedBitIsNoticed() throws {
        let sealed = try bytes(identity.seal(Spool(Array("a zone's keys".utf8))))
        for index in sealed.indices {
            for bit in 0..<8 {
                var changed = sealed
                changed[index] ^= 1 << UInt8(bit)
                #expect(refusal(changed) != nil, "byte \(index), bit \(bit)")
            }
        }
    }

    @Test func eachTruncationIsNoticed() throws {
        let sealed = try bytes(identity.seal(Spool([1, 2, 3])))
        for count in sealed.indices { #expect(refusal(Array(sealed[..<count])) != nil, "\(count) bytes") }
        #expect(refusal(sealed + [0]) != nil)
        #expect(refusal(sealed + sealed) != nil)
    }

    @Test func chunksStayInTheirPlaces() throws {
        var random = random
        let sealed = try bytes(identity.seal(Spool(random.bytes(4 * 65_536))))
        let start = try AgeHeader(sealed).count + 16
        let chunks: [[UInt8]] = (0..<4).map { number in
            let begin = start + number * 65_552
            return Array(sealed[begin..<(begin + 65_552)])
        }
        #expect(try open(sealed[..<start] + chunks.flatMap { $0 }).count == 4 * 65_536)
        for order in [
            [0, 1, 2], [0, 1], [0], [1, 2, 3], [1, 0, 2, 3], [0, 2, 1, 3], [0, 1, 2, 3, 3], [0, 1, 3, 2], [3],
        ] {
            #expect(refusal(sealed[..<start] + order.flatMap { chunks[$0] }) != nil, "\(order)")
        }
        // A border, and one byte before and behind it.
        for border in 1...3 {
            for count in [-1, 1, 16, 17] {
                #expect(refusal(Array(sealed[..<(start + border * 65_552 + count)])) != nil)
            }
        }
        // An empty chunk at the end of what is full.
        let full = try bytes(identity.seal(Spool(random.bytes(65_536))))
        let (header, nonce) = (try AgeHeader(full), Array(full[try AgeHeader(full).count...].prefix(16)))
        let cipher = try ChaChaPoly(key: AgePayload.key(header.fileKey([identity]).key, nonce: nonce))
        var chunk = random.bytes(65_536)
        var forged = Array(full[..<(header.count + 16)])
        for (number, count) in [65_536, 0].enumerated() {
            var sealed = [UInt8](repeating: 0, count: count + 16)
            chunk.removeLast(chunk.count - count)
            try chunk.withUnsafeBytes { bytes in
                try sealed.withUnsafeMutableBytes {
                    try cipher.seal(bytes, nonce: AgePayload.nonce(number, isLast: number == 1), into: $0)
                }
            }
            forged += sealed
        }
        #expect(refusal(forged) == .damaged("it is truncated", offset: forged.count - 16))
    }

    // MARK: Headers

    /// A file whose header has these lines, and the right sum.
    private func file(_ lines: [String], mac: ((String) -> String)? = nil) throws -> [UInt8] {
        let fileKey = [UInt8](repeating: 7, count: 16)
        let text = (["age-encryption.org/v1"] + lines + ["---"]).joined(separator: "\n")
        let sum = unpaddedBase64(
            try Primitives.hmac(key: Primitives.hkdf(fileKey, info: "header"), Array(text.utf8)))
        let nonce = [UInt8](repeating: 9, count: 16)
        let cipher = try ChaChaPoly(key: AgePayload.key(fileKey, nonce: nonce))
        var sealed = [UInt8](repeating: 0, count: 18)
        try ([1, 2] as [UInt8]).withUnsafeBytes { bytes in
            try sealed.withUnsafeMutableBytes {
                try cipher.seal(bytes, nonce: AgePayload.nonce(0, isLast: true), into: $0)
            }
        }
        return Array("\(text)\(mac?(sum) ?? " \(sum)")\n".utf8) + nonce + sealed
    }

    /// Two lines: that of a recipient, and the body.
    private func lines(of identity: AgeIdentity) throws -> [String] {
        let header = try AgeHeader.bytes(
            fileKey: [UInt8](repeating: 7, count: 16), ephemeral: [UInt8](repeating: 3, count: 32),
            recipient: identity.recipient)
        return Array(String(decoding: header, as: UTF8.self).split(separator: "\n").map(String.init)[1...2])
    }

    @Test func othersMayOpenItToo() throws {
        let (own, theirs) = (try lines(of: identity), try lines(of: other))
        #expect(try open(file(own)) == [1, 2])
        #expect(try open(file(theirs + own)) == [1, 2])
        #expect(try open(file(own + theirs)) == [1, 2])
        let unknown = ["-> grease some Args", String(repeating: "A", count: 64), "", "-> empty", ""]
        #expect(try open(file(unknown + own)) == [1, 2])
        #expect(try refusal(file(unknown)) == .otherIdentity)
    }

    @Test func headersThatBreakTheRulesAreRefused() throws {
        let own = try lines(of: identity)
        let (first, body) = (own[0], own[1])
        let share = String(first.dropFirst(10))
        let zero = unpaddedBase64([UInt8](repeating: 0, count: 32))
        let one = unpaddedBase64([1] + [UInt8](repeating: 0, count: 31))
        let cases: [[String]] = [
            [], ["\(first) more", body], ["-> X25519", body], ["-> X25519 ", body], ["->  X25519 \(share)", body],
            ["->X25519 \(share)", body], ["-> x25519 \(share)", body], ["-> X25519 \(share.dropLast())", body],
            ["-> X25519 \(share)=", body], ["-> X25519 \(share.dropLast())/", body],
            ["-> X25519 \(zero)", body], ["-> X25519 \(one)", body], [first], [first, ""], [first, "", body],
            [first, "\(body)="], [first, String(body.dropLast())], [first, String(body.dropLast()) + "/"],
            [first, "\(body)AAAA"], [first, body, ""], [first, " \(body)"], [first, body + "\r"], [first + "\r", body],
            [first, String(repeating: "A", count: 64)], [first, String(repeating: "A", count: 65)],
            ["-> \u{e9}", "", first, body], ["-> ", "", first, body], ["text", first, body],
        ]
        for lines in cases { #expect(try refusal(file(lines)) != nil, "\(lines)") }
        // What another key has sealed.
        let wrong = unpaddedBase64([UInt8](repeating: 5, count: 32))
        #expect(try refusal(file([first, wrong])) == .otherIdentity)
    }

    @Test func theEndOfTheHeaderIsChecked() throws {
        let own = try lines(of: identity)
        for mac in ["", " ", " A", "-", "  "] { #expect(try refusal(file(own) { $0.isEmpty ? "" : mac }) != nil) }
        #expect(try refusal(file(own) { " \($0)=" }) != nil)
        #expect(try refusal(file(own) { " \($0) " }) != nil)
        #expect(try refusal(file(own) { "  \($0)" }) != nil)
        #expect(try refusal(file(own) { $0 }) != nil)
        #expect(try refusal(file(own) { " \(String($0.dropFirst()))A" }) != nil)
    }

    @Test func whatIsNoneIsSaidToBeNone() throws {
        for text in [
            "", "age", "age-encryption.org/v1", "age-encryption.org/v2\n", "-----BEGIN AGE ENCRYPTED FILE-----\n",
            "\u{1f}\u{8b}",
        ] {
            #expect(refusal(Array(text.utf8)) == .notSealed)
        }
        let long = "age-encryption.org/v1\n" + String(repeating: "-> a\n\n", count: 5000)
        #expect(refusal(Array(long.utf8))?.description.contains("the header has no end") == true)
    }
}

import Testing

@testable import PowerDNSFormat

/// Expects that a secret shows in none of the ways in which a value may get into a log.
func expectSilence(_ value: some Any, secret: String) {
    var dumped = ""
    dump(value, to: &dumped)
    for text in [dumped, "\(value)", String(reflecting: value)] { #expect(!text.contains(secret)) }
    // Bytes are dumped as numbers, a line each.
    let numbers = secret.utf8.map { "- \($0)" }.joined(separator: " ")
    #expect(!dumped.split(whereSeparator: \.isWhitespace).joined(separator: " ").contains(numbers))
}

@Suite("DNSSEC keys")
struct KeyTests {
    /// The payload of a key of the zone `t`, as PowerDNS 4 writes it.
    static func payload(_ text: String, flags: UInt32 = 257, version: UInt32 = 1) -> [UInt8] {
        func little(_ value: some FixedWidthInteger) -> [UInt8] {
            withUnsafeBytes(of: value.littleEndian) { Array($0) }
        }
        let text = Array(text.utf8)
        return [0] + little(version) + [0, 0, 0, 0, 0] + little(UInt64(3)) + [1, 0x74, 0] + little(UInt64(text.count))
            + text + little(flags) + [1] + (version == 0 ? [] : [0])
    }

    static func key(_ text: String, flags: UInt32 = 257, version: UInt32 = 1) throws -> KeyData {
        try payload(text, flags: flags, version: version).withUnsafeBytes { try KeyData($0) }
    }

    static func text(_ algorithm: String, _ fields: [String]) -> String {
        (["Private-key-format: v1.2", "Algorithm: \(algorithm)"] + fields).map { $0 + "\n" }.joined()
    }

    @Test(
        "have the tags that pdnsutil printed",
        arguments: [
            ("4.9", ["example.org.": 45811, "example.net.": 21235]),
            ("5.1", ["example.org.": 58715, "example.net.": 10900]),
        ] as [(String, [String: UInt16])])
    func fixtures(version: String, tags: [String: UInt16]) throws {
        let fixture = try #require(Fixture.all.first { $0.version == version })
        let keys = try fixture.decoded(.keys).compactMap(\.key)
        var found: [String: UInt16] = [:]
        for key in keys {
            found[key.zone.description] = try key.dnskey().tag
            #expect(key.algorithmName == "ECDSAP256SHA256" && key.flags == 257 && key.isActive && key.isPublished)
            let text = String(decoding: key.secret.bytes, as: UTF8.self)
            let secret = try #require(text.split(separator: "\n").last?.split(separator: " ").last)
            #expect(secret.count == 44)
            expectSilence(key, secret: String(secret))
            expectSilence(key, secret: "Private-key-format")
        }
        #expect(found == tags)
    }

    /// The examples of RFC 5702, 6605 and 8080: algorithm, fields, flags, DNSKEY, tag.
    static let examples: [(String, [String], UInt32, String, UInt16)] = [
        (
            "8 (RSASHA256)",
            [
                "Modulus: wVwaxrHF2CK64aYKRUibLiH30KpPuPBjel7E8ZydQW1HYWHfoGmidzC2RnhwCC293hCzw+TFR2nqn8OVSY5t2Q==",
                "PublicExponent: AQAB",
            ], 256, "AwEAAcFcGsaxxdgiuuGmCkVImy4h99CqT7jwY3pexPGcnUFtR2Fh36BponcwtkZ4cAgtvd4Qs8PkxUdp6p/DlUmObdk=",
            9033
        ),
        (
            "13 (ECDSAP256SHA256)", ["PrivateKey: GU6SnQ/Ou+xC5RumuIUIuJZteXT2z0O/ok1s38Et6mQ="], 257,
            "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==", 55648
        ),
        (
            "14 (ECDSAP384SHA384)",
            ["PrivateKey: WURgWHCcYIYUPWgeLmiPY2DJJk02vgrmTfitxgqcL4vwW7BOrbawVmVe0d9V94SR"], 257,
            "xKYaNhWdGOfJ+nPrL8/arkwf2EY3MDJ+SErKivBVSum1w/egsXvSADtNJhyem5RCOpgQ6K8X1DRSEkrbYQ+OB+v8/uX45NBwY8rp65F6"
                + "Glur8I/mlVNgF6W/qTI37m40", 10771
        ),
        (
            "15 (ED25519)", ["PrivateKey: ODIyNjAzODQ2MjgwODAxMjI2NDUxOTAyMDQxNDIyNjI="], 257,
            "l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=", 3613
        ),
        (
            "16 (ED448)",
            ["PrivateKey: xZ+5Cgm463xugtkY5B0Jx6erFTXp13rYegst0qRtNsOYnaVpMx0Z/c5EiA9x8wWbDDct/U3FhYWA"], 257,
            "3kgROaDjrh0H2iuixWBrc8g2EpBBLCdGzHmn+G2MpTPhpj/OiBVHHSfPodx1FYYUcJKm1MDpJtIA", 9713
        ),
    ]

    @Test("of every algorithm give the public keys of the RFCs", arguments: examples)
    func algorithms(
        algorithm: String, fields: [String], flags: UInt32, publicKey: String, tag: UInt16
    ) throws {
        let key = try Self.key(Self.text(algorithm, fields), flags: flags)
        let dnskey = try key.dnskey()
        #expect("\(key.algorithm ?? 0) (\(key.algorithmName))" == algorithm)
        #expect(dnskey.publicKey == decodeBase64(publicKey.utf8))
        #expect(dnskey.tag == tag && dnskey.flags == UInt16(flags))
        #expect(key.isActive && !key.isPublished)
    }

    @Test("of the first class version are published")
    func oldVersion() throws {
        #expect(try Self.key(Self.text("13", []), version: 0).isPublished)
        #expect(failure { try Self.key(Self.text("13", []), version: 2) } == DecodeError(.unknownFormat, at: 1))
    }

    @Test(
        "that can't be computed with have no public key",
        arguments: [
            ("13", []), ("13", ["PrivateKey: ****"]), ("13", ["PrivateKey: AA=="]), ("15", ["PrivateKey: AAAA"]),
            ("13", ["PrivateKey: \(String(repeating: "A", count: 400))"]), ("8", ["Modulus: AQAB"]),
            ("8", ["Modulus: AAAA", "PublicExponent: AQAB"]), ("99", ["PrivateKey: AQAB"]),
            ("13", ["Engine: pkcs11", "Slot: 0", "Label: key"]),
        ])
    func unusable(algorithm: String, fields: [String]) throws {
        let key = try Self.key(Self.text(algorithm, fields))
        #expect(failure { try key.dnskey() }?.problem == .badKeyMaterial)
    }

    @Test("without an algorithm are shown, and are no DNSKEY")
    func noAlgorithm() throws {
        for text in ["PrivateKey: AQAB\n", Self.text("300", []), Self.text("", []), ""] {
            let key = try Self.key(text)
            #expect(key.algorithm == nil && key.algorithmName == "unknown")
            #expect(failure { try key.dnskey() }?.problem == .badKeyMaterial)
        }
    }

    @Test("with flags that no DNSKEY has are malformed")
    func flags() {
        #expect(failure { try Self.key(Self.text("13", []), flags: 65536) }?.problem == .badNumber)
    }

    @Test("base64 is read with and without padding, and nothing else is")
    func base64() {
        for size in 0..<10 {
            let bytes = (0..<size).map { UInt8(250 &- $0 * 37 & 255) }
            var text: [UInt8] = []
            bytes.withUnsafeBytes { text.append(base64: $0) }
            #expect(decodeBase64(text) == bytes && text.count % 4 == 0)
            #expect(decodeBase64(text.filter { $0 != UInt8(ascii: "=") }) == bytes)
        }
        for text in ["A", "AA=A", "AQ A", "AQAB-"] { #expect(decodeBase64(text.utf8) == nil) }
    }
}

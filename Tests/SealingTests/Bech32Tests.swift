import Testing

@testable import Sealing

/// The text form of keys.
@Suite struct Bech32Tests {
    /// The valid strings of BIP 173, with the groups of bits that they hold regrouped to bytes where that is possible.
    @Test(
        arguments: [
            ("A12UEL5L", "a", []),
            (
                "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw", "abcdef",
                [
                    0x00, 0x44, 0x32, 0x14, 0xc7, 0x42, 0x54, 0xb6, 0x35, 0xcf, 0x84, 0x65, 0x3a, 0x56, 0xd7, 0xc6,
                    0x75, 0xbe,
                    0x77, 0xdf,
                ]
            ),
        ] as [(String, String, [UInt8])])
    func whatOthersHaveEncodedIsDecoded(_ text: String, _ prefix: String, _ bytes: [UInt8]) {
        #expect(Bech32.decode(text, prefix: prefix) == bytes)
        #expect(Bech32.encode(bytes, prefix: prefix) == text.lowercased())
    }

    @Test func allLengthsComeBack() {
        for count in 0..<70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count) }
            let text = Bech32.encode(bytes, prefix: "age")
            #expect(Bech32.decode(text, prefix: "age") == bytes)
            #expect(Bech32.decode(text.uppercased(), prefix: "age") == bytes)
        }
    }

    @Test func eachWrongCharacterIsNoticed() {
        let text = Array(Bech32.encode((0..<32).map { $0 }, prefix: "age").utf8)
        for index in text.indices {
            for wrong in [UInt8(ascii: "q"), UInt8(ascii: "p"), UInt8(ascii: "1"), UInt8(ascii: "b"), 32, 127] {
                guard text[index] != wrong else { continue }
                var changed = text
                changed[index] = wrong
                #expect(Bech32.decode(String(decoding: changed, as: UTF8.self), prefix: "age") == nil)
            }
        }
    }

    @Test(arguments: [
        "", "1", "age1", "age", "A12uEL5L", "a12uel5", "de1lg7wt\u{ff}", "1qzzfhee", "age1qqqqqq", "a1\u{130}2uel5l",
    ])
    func whatIsNoneIsRefused(_ text: String) {
        #expect(Bech32.decode(text, prefix: "age") == nil && Bech32.decode(text, prefix: "") == nil)
    }
}

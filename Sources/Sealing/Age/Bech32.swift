/// The text form of keys (BIP 173): a prefix, `1`, and groups of five bits with a checksum of six characters.
///
/// There is no limit of 90 characters, as in age.
enum Bech32 {
    private static let alphabet = Array("qpzry9x8gf2tvdw0s3jn54khce6mua7l".utf8)
    private static let values: [UInt8: UInt8] = .init(
        uniqueKeysWithValues: alphabet.enumerated().map { ($1, UInt8($0)) })
    private static let separator = UInt8(ascii: "1")
    private static let checksumSize = 6

    /// The text of some bytes, in lower case.
    ///
    /// - Parameter prefix: in lower case.
    static func encode(_ bytes: [UInt8], prefix: String) -> String {
        let groups = regroup(bytes, from: 8, to: 5, pads: true) ?? []
        let checksum = polymod(expand(prefix) + groups + [UInt8](repeating: 0, count: checksumSize)) ^ 1
        let tail = (0..<checksumSize).map { UInt8(truncatingIfNeeded: checksum >> (5 * (5 - $0))) & 31 }
        return prefix + "1" + String(decoding: (groups + tail).map { alphabet[Int($0)] }, as: UTF8.self)
    }

    /// The bytes of a text; nil if its prefix is another one, or if it is not valid.
    ///
    /// - Parameters:
    ///   - text: all in lower case, or all in upper case.
    ///   - prefix: in lower case.
    static func decode(_ text: String, prefix: String) -> [UInt8]? {
        guard text.utf8.allSatisfy({ (33...126).contains($0) }) else { return nil }
        let lower = text.lowercased()
        guard text == lower || text == text.uppercased(), let end = lower.utf8.lastIndex(of: separator),
            lower.utf8[..<end].elementsEqual(prefix.utf8)
        else { return nil }
        var groups: [UInt8] = []
        for character in lower.utf8[lower.utf8.index(after: end)...] {
            guard let value = values[character] else { return nil }
            groups.append(value)
        }
        guard groups.count >= checksumSize, polymod(expand(prefix) + groups) == 1 else { return nil }
        return regroup(groups.dropLast(checksumSize), from: 5, to: 8, pads: false)
    }

    private static func expand(_ prefix: String) -> [UInt8] {
        prefix.utf8.map { $0 >> 5 } + [0] + prefix.utf8.map { $0 & 31 }
    }

    private static func polymod(_ groups: [UInt8]) -> UInt32 {
        let generators: [UInt32] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3]
        var state: UInt32 = 1
        for group in groups {
            let top = state >> 25
            state = (state & 0x1ff_ffff) << 5 ^ UInt32(group)
            for (bit, generator) in generators.enumerated() where top >> UInt32(bit) & 1 == 1 { state ^= generator }
        }
        return state
    }

    /// Regroups bits; nil if what is left over at the end is not zero, or more than padding.
    private static func regroup(_ groups: some Sequence<UInt8>, from: UInt32, to: UInt32, pads: Bool) -> [UInt8]? {
        var (rest, bits): (UInt32, UInt32) = (0, 0)
        let mask = UInt32(1) << to - 1
        var result: [UInt8] = []
        for group in groups {
            rest = rest << from | UInt32(group)
            bits += from
            while bits >= to {
                bits -= to
                result.append(UInt8(truncatingIfNeeded: rest >> bits & mask))
            }
            rest &= UInt32(1) << bits - 1
        }
        if pads {
            if bits > 0 { result.append(UInt8(truncatingIfNeeded: rest << (to - bits) & mask)) }
        } else if bits >= from || rest != 0 {
            return nil
        }
        return result
    }
}

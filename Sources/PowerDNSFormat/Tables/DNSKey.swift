/// A DNSKEY record.
package struct DNSKey: Hashable, Sendable {
    /// 257 for a key or combined signing key, 256 for a zone signing key.
    package let flags: UInt16
    /// The DNSSEC algorithm number.
    package let algorithm: UInt8
    /// The public key as in the record.
    package let publicKey: [UInt8]

    /// The record's RDATA.
    package var rdata: [UInt8] {
        [UInt8(truncatingIfNeeded: flags >> 8), UInt8(truncatingIfNeeded: flags), 3, algorithm] + publicKey
    }

    /// The key tag (RFC 4034, appendix B).
    package var tag: UInt16 {
        var sum: UInt32 = 0
        for (index, byte) in rdata.enumerated() { sum &+= index & 1 == 0 ? UInt32(byte) << 8 : UInt32(byte) }
        sum &+= sum >> 16
        return UInt16(truncatingIfNeeded: sum)
    }

    /// The mnemonic of an algorithm as in pdnsutil; its number for an unknown one.
    package static func algorithmName(_ algorithm: UInt8) -> String {
        switch algorithm {
        case 1: "RSAMD5"
        case 2: "DH"
        case 3: "DSA"
        case 5: "RSASHA1"
        case 6: "DSA-NSEC3-SHA1"
        case 7: "RSASHA1-NSEC3-SHA1"
        case 8: "RSASHA256"
        case 10: "RSASHA512"
        case 12: "ECC-GOST"
        case 13: "ECDSAP256SHA256"
        case 14: "ECDSAP384SHA384"
        case 15: "ED25519"
        case 16: "ED448"
        default: String(algorithm)
        }
    }
}

/// The type of a record, or of a row that PowerDNS keeps between the records.
package struct RecordType: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number of the DNS type.
    package let rawValue: UInt16
    /// Any number.
    package init(rawValue: UInt16) { self.rawValue = rawValue }

    /// No DNS type: the row only says that there is something below the name.
    package static let emptyNonTerminal = RecordType(rawValue: 0)
    /// An IPv4 address.
    package static let a = RecordType(rawValue: 1)
    /// Where a zone is delegated to, or its own name servers.
    package static let ns = RecordType(rawValue: 2)
    /// Another name for the owner.
    package static let cname = RecordType(rawValue: 5)
    /// The start of a zone.
    package static let soa = RecordType(rawValue: 6)
    /// The name of an address.
    package static let ptr = RecordType(rawValue: 12)
    /// Where mail goes.
    package static let mx = RecordType(rawValue: 15)
    /// Free text.
    package static let txt = RecordType(rawValue: 16)
    /// An IPv6 address.
    package static let aaaa = RecordType(rawValue: 28)
    /// Where a service is.
    package static let srv = RecordType(rawValue: 33)
    /// A certificate.
    static let cert = RecordType(rawValue: 37)
    /// Another name for everything below the owner.
    package static let dname = RecordType(rawValue: 39)
    /// The digest of a child zone's key.
    package static let ds = RecordType(rawValue: 43)
    /// A signature.
    package static let rrsig = RecordType(rawValue: 46)
    /// The next name in a signed zone.
    package static let nsec = RecordType(rawValue: 47)
    /// A zone's key.
    package static let dnskey = RecordType(rawValue: 48)
    /// The next hashed name in a signed zone. PowerDNS stores rows of its own under this type; see ``RowKind``.
    package static let nsec3 = RecordType(rawValue: 50)
    /// How names are hashed.
    package static let nsec3param = RecordType(rawValue: 51)
    /// How to reach a service.
    package static let svcb = RecordType(rawValue: 64)
    /// How to reach a web server.
    package static let https = RecordType(rawValue: 65)
    /// PowerDNS's own: the addresses are those of another name.
    package static let alias = RecordType(rawValue: 65401)
    /// PowerDNS's own: a program that answers.
    package static let lua = RecordType(rawValue: 65402)

    /// The mnemonic where PowerDNS 5 has one, or `TYPE` and the number (RFC 3597); `ENT` for no type.
    ///
    /// For that in a zone of PowerDNS 4 see ``ZoneTextStyle/name(of:)``.
    package var description: String { Self.mnemonics[rawValue] ?? "TYPE\(rawValue)" }

    /// Reads a mnemonic, in upper or lower case, or `TYPE` and a number; nil for anything else.
    package init?(_ text: some StringProtocol) {
        let text = text.uppercased()
        if let number = Self.numbers[text] {
            rawValue = number
        } else if text.hasPrefix("TYPE"), text.dropFirst(4).utf8.allSatisfy({ $0 &- UInt8(ascii: "0") < 10 }),
            let number = UInt16(text.dropFirst(4))
        {
            rawValue = number
        } else {
            return nil
        }
    }

    /// In the order of the numbers.
    package static func < (a: RecordType, b: RecordType) -> Bool { a.rawValue < b.rawValue }

    /// Those that PowerDNS can read and prints; what else has a mnemonic (NULL, SIG, HIP …) it knows by number only.
    private static let mnemonics: [UInt16: String] = [
        0: "ENT", 1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 7: "MB", 8: "MG", 9: "MR", 12: "PTR", 13: "HINFO",
        14: "MINFO", 15: "MX", 16: "TXT", 17: "RP", 18: "AFSDB", 25: "KEY", 28: "AAAA", 29: "LOC", 33: "SRV",
        35: "NAPTR", 36: "KX", 37: "CERT", 39: "DNAME", 41: "OPT", 42: "APL", 43: "DS", 44: "SSHFP", 45: "IPSECKEY",
        46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 49: "DHCID", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA",
        57: "RKEY", 59: "CDS", 60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD", 64: "SVCB", 65: "HTTPS",
        67: "HHIT", 68: "BRID", 99: "SPF", 104: "NID", 105: "L32", 106: "L64", 107: "LP", 108: "EUI48", 109: "EUI64",
        251: "IXFR", 252: "AXFR", 255: "ANY", 256: "URI", 257: "CAA", 261: "RESINFO", 262: "WALLET", 32769: "DLV",
        65401: "ALIAS", 65402: "LUA",
    ]

    private static let numbers = Dictionary(mnemonics.map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
}

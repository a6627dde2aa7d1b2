/// The type of a record, or of an internal row of PowerDNS.
public struct RecordType: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number of the DNS type.
    public let rawValue: UInt16
    /// Any number.
    @inlinable @inline(__always)
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// Whether they are equal. This and the other inlinable members are used for every record; the defaults of a raw value
    /// would be calls through a witness table.
    @inlinable @inline(__always)
    public static func == (a: RecordType, b: RecordType) -> Bool { a.rawValue == b.rawValue }

    /// For `switch`.
    @inlinable @inline(__always)
    public static func ~= (pattern: RecordType, type: RecordType) -> Bool { pattern.rawValue == type.rawValue }

    /// Not a DNS type: the row marks a name that only has names below it.
    @inlinable @inline(__always) public static var emptyNonTerminal: RecordType { RecordType(rawValue: 0) }
    /// An IPv4 address.
    @inlinable @inline(__always) public static var a: RecordType { RecordType(rawValue: 1) }
    /// A name server of a delegation, or of the zone itself.
    @inlinable @inline(__always) public static var ns: RecordType { RecordType(rawValue: 2) }
    /// Another name for the owner.
    @inlinable @inline(__always) public static var cname: RecordType { RecordType(rawValue: 5) }
    /// The start of a zone.
    @inlinable @inline(__always) public static var soa: RecordType { RecordType(rawValue: 6) }
    /// The name of an address.
    @inlinable @inline(__always) public static var ptr: RecordType { RecordType(rawValue: 12) }
    /// A mail server.
    @inlinable @inline(__always) public static var mx: RecordType { RecordType(rawValue: 15) }
    /// Free text.
    @inlinable @inline(__always) public static var txt: RecordType { RecordType(rawValue: 16) }
    /// An IPv6 address.
    @inlinable @inline(__always) public static var aaaa: RecordType { RecordType(rawValue: 28) }
    /// The location of a service.
    @inlinable @inline(__always) public static var srv: RecordType { RecordType(rawValue: 33) }
    /// A certificate.
    static var cert: RecordType { RecordType(rawValue: 37) }
    /// Another name for everything below the owner.
    @inlinable @inline(__always) public static var dname: RecordType { RecordType(rawValue: 39) }
    /// The digest of a child zone's key.
    @inlinable @inline(__always) public static var ds: RecordType { RecordType(rawValue: 43) }
    /// A signature.
    @inlinable @inline(__always) public static var rrsig: RecordType { RecordType(rawValue: 46) }
    /// The next name in a signed zone.
    @inlinable @inline(__always) public static var nsec: RecordType { RecordType(rawValue: 47) }
    /// A zone's key.
    @inlinable @inline(__always) public static var dnskey: RecordType { RecordType(rawValue: 48) }
    /// The next hashed name in a signed zone. PowerDNS stores internal rows with this type; see ``RowKind``.
    @inlinable @inline(__always) public static var nsec3: RecordType { RecordType(rawValue: 50) }
    /// The parameters for hashing names.
    @inlinable @inline(__always) public static var nsec3param: RecordType { RecordType(rawValue: 51) }
    /// Parameters for reaching a service.
    @inlinable @inline(__always) public static var svcb: RecordType { RecordType(rawValue: 64) }
    /// Parameters for reaching a web server.
    @inlinable @inline(__always) public static var https: RecordType { RecordType(rawValue: 65) }
    /// PowerDNS's own: answered with the addresses of another name.
    @inlinable @inline(__always) public static var alias: RecordType { RecordType(rawValue: 65401) }
    /// PowerDNS's own: answered by a program.
    @inlinable @inline(__always) public static var lua: RecordType { RecordType(rawValue: 65402) }

    /// The mnemonic if PowerDNS 5 has one, or `TYPE` and the number (RFC 3597); `ENT` for no type.
    ///
    /// For the mnemonics of PowerDNS 4 see ``ZoneTextStyle/name(of:)``.
    public var description: String { Self.mnemonics[rawValue] ?? "TYPE\(rawValue)" }

    /// Parses a mnemonic, in upper or lower case, or `TYPE` and a number; nil for anything else.
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

    /// Orders by number.
    @inlinable @inline(__always)
    public static func < (a: RecordType, b: RecordType) -> Bool { a.rawValue < b.rawValue }

    /// The types that PowerDNS can parse and print; it knows other types (NULL, SIG, HIP …) by number only.
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

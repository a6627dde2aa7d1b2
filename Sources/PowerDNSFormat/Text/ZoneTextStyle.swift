/// In which way records are written as text.
package enum ZoneTextStyle: Hashable, Sendable {
    /// Absolute names, everything escaped as RFC 1035 wants it.
    case zoneFile
    /// As `pdnsutil list-zone` of PowerDNS 4 prints: names without final dot, but for NS, CNAME, MX, SRV
    /// and NSEC.
    case pdnsutil4
    /// As `pdnsutil list-zone` of PowerDNS 5 prints: with final dots, and few bytes of names escaped.
    case pdnsutil5

    /// What pdnsutil does that goes with a schema version.
    package static func pdnsutil(schemaVersion: UInt32) -> ZoneTextStyle { schemaVersion < 6 ? .pdnsutil4 : .pdnsutil5 }

    /// Whether the type has a mnemonic, and text of its own: PowerDNS 4 has none for HHIT, BRID, RESINFO and WALLET.
    func knows(_ type: RecordType) -> Bool {
        self != .pdnsutil4 || ![67, 68, 261, 262].contains(type.rawValue)
    }

    /// The mnemonic of a type, or `TYPE` and its number.
    func name(of type: RecordType) -> String { knows(type) ? type.description : "TYPE\(type.rawValue)" }

    /// How an owner name is written.
    func append(owner name: DomainName, to text: inout [UInt8]) {
        append(name, finalDot: self != .pdnsutil4, to: &text)
    }

    /// How a name in the RDATA of a type is written.
    func append(_ name: DomainName, in type: RecordType, to text: inout [UInt8]) {
        let hasDot: Bool
        switch type {
        // pdnsutil puts a dot behind the RDATA of the first four, which end with their name.
        case .ns, .cname, .mx, .srv, .nsec: hasDot = true
        default: hasDot = self != .pdnsutil4
        }
        append(name, finalDot: hasDot, to: &text)
    }

    private func append(_ name: DomainName, finalDot: Bool, to text: inout [UInt8]) {
        name.append(to: &text, escaping: self == .zoneFile ? .zoneFile : .powerDNS, finalDot: finalDot)
    }
}

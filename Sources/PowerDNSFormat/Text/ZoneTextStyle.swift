/// The style of records as text.
package enum ZoneTextStyle: Hashable, Sendable {
    /// Absolute names, with all escapes of RFC 1035.
    case zoneFile
    /// The output of `pdnsutil list-zone` of PowerDNS 4: names without final dot, except in NS, CNAME, MX, SRV
    /// and NSEC.
    case pdnsutil4
    /// The output of `pdnsutil list-zone` of PowerDNS 5: with final dots, and few bytes of names escaped.
    case pdnsutil5

    /// pdnsutil's style for a schema version.
    package static func pdnsutil(schemaVersion: UInt32) -> ZoneTextStyle { schemaVersion < 6 ? .pdnsutil4 : .pdnsutil5 }

    /// Whether the type has a mnemonic and a text form: PowerDNS 4 has none for HHIT, BRID, RESINFO and WALLET.
    func knows(_ type: RecordType) -> Bool {
        self != .pdnsutil4 || ![67, 68, 261, 262].contains(type.rawValue)
    }

    /// The mnemonic of a type, or `TYPE` and its number.
    func name(of type: RecordType) -> String { knows(type) ? type.description : "TYPE\(type.rawValue)" }

    /// Appends an owner name.
    func append(owner name: DomainName, to text: inout [UInt8]) {
        append(name, finalDot: self != .pdnsutil4, to: &text)
    }

    /// Appends a name in the RDATA of a type.
    func append(_ name: DomainName, in type: RecordType, to text: inout [UInt8]) {
        let hasDot: Bool
        switch type {
        // pdnsutil adds a dot after the RDATA of the first four, which end with their name.
        case .ns, .cname, .mx, .srv, .nsec: hasDot = true
        default: hasDot = self != .pdnsutil4
        }
        append(name, finalDot: hasDot, to: &text)
    }

    private func append(_ name: DomainName, finalDot: Bool, to text: inout [UInt8]) {
        name.append(to: &text, escaping: self == .zoneFile ? .zoneFile : .powerDNS, finalDot: finalDot)
    }
}

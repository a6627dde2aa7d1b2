/// A zone, as `domains_v5` holds it.
package struct DomainInfo: Hashable, Sendable {
    /// What a zone is to the server.
    package struct Kind: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        /// PowerDNS's number.
        package let rawValue: Int32
        /// Any number; unknown ones are kept.
        package init(rawValue: Int32) { self.rawValue = rawValue }

        /// Secondaries are told about changes.
        package static let primary = Kind(rawValue: 0)
        /// Transferred from its primaries.
        package static let secondary = Kind(rawValue: 1)
        /// Replicated by the database alone.
        package static let native = Kind(rawValue: 2)
        /// A catalog zone made here.
        package static let producer = Kind(rawValue: 3)
        /// A catalog zone transferred from elsewhere.
        package static let consumer = Kind(rawValue: 4)

        /// PowerDNS's name for it.
        package var description: String {
            let names = ["Primary", "Secondary", "Native", "Producer", "Consumer"]
            return names.indices.contains(Int(rawValue)) ? names[Int(rawValue)] : "kind \(rawValue)"
        }
    }

    /// The zone.
    package var zone: ZoneName
    /// When a secondary zone was last compared with its primary, in seconds since the UNIX epoch; see ``DomainExtra``.
    package var lastCheck: Int64
    /// Whose zone it is, free text.
    package var account: String
    /// Where a secondary zone comes from.
    package var primaries: [SocketAddress]
    /// The zone's ID, or 0 before the first change of the zone; the key is what counts.
    package var id: UInt32
    /// The serial that secondaries have been told of; see ``DomainExtra``.
    package var notifiedSerial: UInt32
    /// What the zone is to the server.
    package var kind: Kind
    /// Options as JSON text, empty when there are none.
    package var options: String
    /// The catalog zone that it is a member of.
    package var catalog: ZoneName?
    /// 1 as PowerDNS 4.8 and 4.9 write it, 2 as PowerDNS 5 does; one DBI may have both.
    package var classVersion: UInt32

    /// Reads the payload of an entry of `domains_v5`.
    package init(_ payload: UnsafeRawBufferPointer) throws(DecodeError) {
        var archive = BoostArchive(payload)
        classVersion = try archive.classVersion(upTo: 2)
        let hasVariants: Bool
        (zone, hasVariants) = try archive.firstZoneName()
        guard hasVariants == (classVersion >= 2) else { throw DecodeError(.unknownFormat, at: 5) }
        lastCheck = try archive.integer()
        account = try archive.string()
        _ = try archive.classVersion(upTo: 0)
        let count: UInt64 = try archive.integer()
        primaries = []
        for _ in 0..<count { primaries.append(try SocketAddress(&archive)) }
        id = try archive.integer()
        notifiedSerial = try archive.integer()
        kind = Kind(rawValue: try archive.integer())
        options = ""
        if classVersion > 0 {
            options = try archive.string()
            let name = try archive.name()
            let variant = hasVariants ? try archive.string() : ""
            catalog = name.map { ZoneName($0, variant: variant) }
        }
        try archive.expectEnd()
    }
}

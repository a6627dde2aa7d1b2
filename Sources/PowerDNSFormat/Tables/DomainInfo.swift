/// A zone in `domains_v5`.
package struct DomainInfo: Hashable, Sendable {
    /// The kind of a zone.
    package struct Kind: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        /// PowerDNS's number.
        package let rawValue: Int32
        /// Any number; unknown ones are kept.
        package init(rawValue: Int32) { self.rawValue = rawValue }

        /// Secondaries are notified of changes.
        package static let primary = Kind(rawValue: 0)
        /// Transferred from its primaries.
        package static let secondary = Kind(rawValue: 1)
        /// Replicated by the database alone.
        package static let native = Kind(rawValue: 2)
        /// A catalog zone produced here.
        package static let producer = Kind(rawValue: 3)
        /// A catalog zone transferred from another server.
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
    /// The owner of the zone, free text.
    package var account: String
    /// The primaries of a secondary zone.
    package var primaries: [SocketAddress]
    /// The zone's ID, or 0 before the first change of the zone; the key is authoritative.
    package var id: UInt32
    /// The serial of which secondaries have been notified; see ``DomainExtra``.
    package var notifiedSerial: UInt32
    /// The kind of the zone.
    package var kind: Kind
    /// Options as JSON text, empty if there are none.
    package var options: String
    /// The catalog zone that it is a member of.
    package var catalog: ZoneName?
    /// 1 if written by PowerDNS 4.8 and 4.9, 2 by PowerDNS 5; one DBI may contain both.
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

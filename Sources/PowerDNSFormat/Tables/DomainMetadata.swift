/// One value of one kind of metadata of a zone, in `metadata_v5`.
package struct DomainMetadata: Hashable, Sendable {
    /// The zone.
    package var zone: ZoneName
    /// The kind, for example `ALLOW-AXFR-FROM`.
    package var kind: String
    /// One of possibly several values.
    package var value: String

    /// Reads the payload of an entry of `metadata_v5`, written by PowerDNS 4 or 5.
    package init(_ payload: UnsafeRawBufferPointer) throws(DecodeError) {
        var archive = BoostArchive(payload)
        _ = try archive.classVersion(upTo: 0)
        zone = try archive.firstZoneName().zone
        kind = try archive.string()
        value = try archive.string()
        try archive.expectEnd()
    }
}

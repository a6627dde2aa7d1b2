/// Frequently changing data of a zone in `domains_extra_v6`, which PowerDNS uses with
/// `lmdb-split-domains-table`; it overrides the same fields in ``DomainInfo``.
package struct DomainExtra: Hashable, Sendable {
    /// When a secondary zone was last compared with its primary, in seconds since the UNIX epoch.
    package var lastCheck: Int64
    /// The serial of which secondaries have been notified.
    package var notifiedSerial: UInt32

    /// Reads the payload of an entry of `domains_extra_v6`.
    package init(_ payload: UnsafeRawBufferPointer) throws(DecodeError) {
        var archive = BoostArchive(payload)
        _ = try archive.classVersion(upTo: 0)
        lastCheck = try archive.integer()
        notifiedSerial = try archive.integer()
        try archive.expectEnd()
    }
}

/// A TSIG key, in `tsig_v5`.
package struct TSIGKey: Hashable, Sendable {
    /// The key's name.
    package var name: DomainName
    /// Its algorithm, for example `hmac-sha256.`.
    package var algorithm: DomainName
    /// The key itself; only for comparison.
    package var secret: Secret

    /// Reads the payload of an entry of `tsig_v5`.
    package init(_ payload: UnsafeRawBufferPointer) throws(DecodeError) {
        var archive = BoostArchive(payload)
        _ = try archive.classVersion(upTo: 0)
        _ = try archive.classVersion(upTo: 0)
        name = try archive.requiredName()
        algorithm = try archive.requiredName()
        secret = Secret(try archive.bytes())
        try archive.expectEnd()
    }
}

/// A DNSSEC key of a zone, in `keydata_v5`.
///
/// The private key is not accessible. Only ``algorithm``, ``flags``, ``isActive``, ``isPublished`` and
/// ``dnskey()`` may be shown.
package struct KeyData: Hashable, Sendable {
    /// The zone.
    package var zone: ZoneName
    /// The DNSSEC algorithm number (RFC 4034, appendix A.1); nil if the private key text does not contain it.
    package var algorithm: UInt8?
    /// The flags of the DNSKEY record: 257 for a key or combined signing key, 256 for a zone signing key.
    package var flags: UInt16
    /// Whether it signs.
    package var isActive: Bool
    /// Whether its DNSKEY record is in the zone.
    package var isPublished: Bool
    /// The private key text; only for comparison.
    package var secret: Secret

    /// Reads the payload of an entry of `keydata_v5`, written by PowerDNS 4 or 5.
    package init(_ payload: UnsafeRawBufferPointer) throws(DecodeError) {
        var archive = BoostArchive(payload)
        let version = try archive.classVersion(upTo: 1)
        zone = try archive.firstZoneName().zone
        secret = Secret(try archive.bytes())
        algorithm = PrivateKeyText(secret).algorithm
        let flags: UInt32 = try archive.integer()
        guard let flags = UInt16(exactly: flags) else { throw DecodeError(.badNumber, at: archive.offset - 4) }
        self.flags = flags
        isActive = try archive.bool()
        isPublished = version == 0 ? true : try archive.bool()
        try archive.expectEnd()
    }

    /// The DNSKEY record of this key; its public key is computed, which takes a fraction of a millisecond.
    ///
    /// - Throws: ``DecodeError/Problem/badKeyMaterial`` for an unknown algorithm, a key in a hardware
    ///   module, and an invalid private key.
    package func dnskey() throws(DecodeError) -> DNSKey {
        guard let algorithm, let publicKey = PublicKey.derive(from: PrivateKeyText(secret), algorithm: algorithm)
        else { throw DecodeError(.badKeyMaterial, at: 0) }
        return DNSKey(flags: flags, algorithm: algorithm, publicKey: publicKey)
    }

    /// Whether the private key is in a hardware module (PKCS #11), and only its location is stored.
    package var isInHardware: Bool { PrivateKeyText(secret).hasField("Engine") }

    /// The mnemonic of ``algorithm`` as pdnsutil prints it.
    package var algorithmName: String { algorithm.map(DNSKey.algorithmName) ?? "unknown" }
}

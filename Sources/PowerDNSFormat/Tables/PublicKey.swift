import COpenSSL

/// Derives public keys, in the format of DNSKEY records, from private ones.
enum PublicKey {
    /// nil for an unknown algorithm, and for missing or invalid fields.
    static func derive(from text: PrivateKeyText, algorithm: UInt8) -> [UInt8]? {
        switch algorithm {
        case 1, 5, 7, 8, 10: rsa(text)
        case 13: text.bytes("PrivateKey").flatMap { ecdsa($0, NID_X9_62_prime256v1, size: 32) }
        case 14: text.bytes("PrivateKey").flatMap { ecdsa($0, NID_secp384r1, size: 48) }
        case 15: text.bytes("PrivateKey").flatMap { edwards($0, NID_ED25519, size: 32) }
        case 16: text.bytes("PrivateKey").flatMap { edwards($0, NID_ED448, size: 57) }
        default: nil
        }
    }

    /// The exponent with its size, then the modulus, both without leading zeroes (RFC 3110).
    private static func rsa(_ text: PrivateKeyText) -> [UInt8]? {
        guard let modulus = text.bytes("Modulus")?.drop(while: { $0 == 0 }), !modulus.isEmpty,
            let exponent = text.bytes("PublicExponent")?.drop(while: { $0 == 0 }), !exponent.isEmpty
        else { return nil }
        guard exponent.count > 255 else { return [UInt8(exponent.count)] + exponent + modulus }
        guard let size = UInt16(exactly: exponent.count) else { return nil }
        return [0, UInt8(size >> 8), UInt8(truncatingIfNeeded: size)] + exponent + modulus
    }

    /// The coordinates of the private number times the generator (RFC 6605).
    private static func ecdsa(_ key: [UInt8], _ curve: Int32, size: Int) -> [UInt8]? {
        guard key.count <= size, let group = EC_GROUP_new_by_curve_name(curve) else { return nil }
        defer { EC_GROUP_free(group) }
        guard let scalar = BN_bin2bn(key, Int32(key.count), nil) else { return nil }
        defer { BN_clear_free(scalar) }
        guard let point = EC_POINT_new(group) else { return nil }
        defer { EC_POINT_free(point) }
        guard EC_POINT_mul(group, point, scalar, nil, nil, nil) == 1 else { return nil }
        var encoded = [UInt8](repeating: 0, count: 1 + 2 * size)
        let written = EC_POINT_point2oct(
            group, point, POINT_CONVERSION_UNCOMPRESSED, &encoded, encoded.count, nil)
        // The first byte is the encoding; the point at infinity has no coordinates.
        return written == encoded.count ? Array(encoded[1...]) : nil
    }

    /// The encoded point (RFC 8080).
    private static func edwards(_ key: [UInt8], _ type: Int32, size: Int) -> [UInt8]? {
        guard let pair = EVP_PKEY_new_raw_private_key(type, nil, key, key.count) else { return nil }
        defer { EVP_PKEY_free(pair) }
        var encoded = [UInt8](repeating: 0, count: size)
        var written = size
        guard EVP_PKEY_get_raw_public_key(pair, &encoded, &written) == 1, written == size else { return nil }
        return encoded
    }
}

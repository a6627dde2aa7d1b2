import COpenSSL
import Glibc

/// The cryptographic functions of age, by OpenSSL.
enum Primitives {
    /// The size of keys, shares and hashes in bytes.
    static let size = 32

    /// HMAC-SHA-256 (RFC 2104).
    static func hmac(key: [UInt8], _ bytes: [UInt8]) throws(AgeError) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: size)
        var count = UInt32(size)
        guard HMAC(EVP_sha256(), key, Int32(clamping: key.count), bytes, bytes.count, &result, &count) != nil else {
            throw .unavailable("HMAC-SHA-256")
        }
        return result
    }

    /// HKDF-SHA-256 (RFC 5869).
    ///
    /// - Parameters:
    ///   - salt: none if empty.
    ///   - size: of the result, in bytes.
    static func hkdf(_ key: [UInt8], salt: [UInt8] = [], info: String, size: Int = size) throws(AgeError) -> [UInt8] {
        guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nil) else { throw .unavailable("HKDF") }
        defer { EVP_PKEY_CTX_free(context) }
        let info = Array(info.utf8)
        var result = [UInt8](repeating: 0, count: size)
        var count = size
        guard EVP_PKEY_derive_init(context) == 1, EVP_PKEY_CTX_set_hkdf_md(context, EVP_sha256()) == 1,
            salt.isEmpty || EVP_PKEY_CTX_set1_hkdf_salt(context, salt, Int32(clamping: salt.count)) == 1,
            EVP_PKEY_CTX_set1_hkdf_key(context, key, Int32(clamping: key.count)) == 1,
            EVP_PKEY_CTX_add1_hkdf_info(context, info, Int32(clamping: info.count)) == 1,
            EVP_PKEY_derive(context, &result, &count) == 1, count == size
        else { throw .unavailable("HKDF-SHA-256") }
        return result
    }

    /// The point of a secret on Curve25519 (RFC 7748): what is shared with everybody.
    static func share(of secret: [UInt8]) throws(AgeError) -> [UInt8] {
        guard let key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nil, secret, secret.count) else {
            throw .unavailable("X25519")
        }
        defer { EVP_PKEY_free(key) }
        var result = [UInt8](repeating: 0, count: size)
        var count = size
        guard EVP_PKEY_get_raw_public_key(key, &result, &count) == 1, count == size else {
            throw .unavailable("X25519")
        }
        return result
    }

    /// The secret that two have in common; nil for a share of low order, with which it is all zero.
    static func agreement(_ secret: [UInt8], with share: [UInt8]) throws(AgeError) -> [UInt8]? {
        guard let own = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nil, secret, secret.count) else {
            throw .unavailable("X25519")
        }
        defer { EVP_PKEY_free(own) }
        guard let other = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nil, share, share.count) else { return nil }
        defer { EVP_PKEY_free(other) }
        guard let context = EVP_PKEY_CTX_new(own, nil) else { throw .unavailable("X25519") }
        defer { EVP_PKEY_CTX_free(context) }
        var result = [UInt8](repeating: 0, count: size)
        var count = size
        guard EVP_PKEY_derive_init(context) == 1, EVP_PKEY_derive_set_peer(context, other) == 1,
            EVP_PKEY_derive(context, &result, &count) == 1, count == size, result.contains(where: { $0 != 0 })
        else { return nil }
        return result
    }

    /// A number in 8 bytes, most significant first.
    static func bigEndian(_ number: UInt64) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }

    /// Random bytes for keys.
    static func random(_ count: Int) throws(AgeError) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: count)
        guard RAND_bytes(&result, Int32(clamping: count)) == 1 else { throw .unavailable("random numbers") }
        return result
    }

    /// Whether two have the same bytes, in a time that does not depend on where they differ.
    static func areEqual(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        one.count == other.count && CRYPTO_memcmp(one, other, one.count) == 0
    }
}

/// ChaCha20-Poly1305 (RFC 8439) with one key.
struct ChaChaPoly: ~Copyable {
    /// The size of a tag in bytes; it follows the sealed bytes.
    static let tagSize = 16

    private let context: OpaquePointer

    /// - Parameter key: 32 bytes.
    init(key: [UInt8]) throws(AgeError) {
        guard let context = EVP_CIPHER_CTX_new() else { throw .unavailable("ChaCha20-Poly1305") }
        guard key.count == Primitives.size,
            EVP_CipherInit_ex(context, EVP_chacha20_poly1305(), nil, key, nil, 1) == 1
        else {
            EVP_CIPHER_CTX_free(context)
            throw .unavailable("ChaCha20-Poly1305")
        }
        self.context = context
    }

    deinit { EVP_CIPHER_CTX_free(context) }

    /// Seals bytes.
    ///
    /// - Parameters:
    ///   - nonce: 12 bytes, never used before with this key.
    ///   - sealed: has room for ``tagSize`` bytes more.
    func seal(_ bytes: UnsafeRawBufferPointer, nonce: [UInt8], into sealed: UnsafeMutableRawBufferPointer)
        throws(AgeError)
    {
        let output = sealed.baseAddress?.assumingMemoryBound(to: UInt8.self)
        var written: Int32 = 0
        guard sealed.count >= bytes.count + Self.tagSize, let output,
            EVP_CipherInit_ex(context, nil, nil, nil, nonce, 1) == 1, update(bytes, output),
            EVP_CipherFinal_ex(context, output + bytes.count, &written) == 1,
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(Self.tagSize), output + bytes.count) == 1
        else { throw .unavailable("ChaCha20-Poly1305") }
    }

    /// Opens bytes that are followed by their tag.
    ///
    /// - Parameter opened: has room for them. Its contents mean nothing unless the tag is right.
    /// - Returns: whether the tag is right.
    func open(_ sealed: UnsafeRawBufferPointer, nonce: [UInt8], into opened: UnsafeMutableRawBufferPointer) -> Bool {
        let count = sealed.count - Self.tagSize
        guard count >= 0, opened.count >= count, let output = opened.baseAddress?.assumingMemoryBound(to: UInt8.self)
        else { return false }
        var tag = Array(sealed[count...])
        var written: Int32 = 0
        return EVP_CipherInit_ex(context, nil, nil, nil, nonce, 0) == 1
            && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(Self.tagSize), &tag) == 1
            && update(UnsafeRawBufferPointer(rebasing: sealed[..<count]), output)
            && EVP_CipherFinal_ex(context, output + count, &written) == 1
    }

    private func update(_ bytes: UnsafeRawBufferPointer, _ output: UnsafeMutablePointer<UInt8>) -> Bool {
        guard let input = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), !bytes.isEmpty else { return true }
        var written: Int32 = 0
        return EVP_CipherUpdate(context, output, &written, input, Int32(clamping: bytes.count)) == 1
            && Int(written) == bytes.count
    }
}

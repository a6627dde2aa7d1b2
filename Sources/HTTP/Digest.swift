import COpenSSL
import Support

/// An incremental hash.
package struct Digest: ~Copyable {
    /// A hash algorithm.
    package enum Algorithm: Sendable {
        /// SHA-256 (FIPS 180-4).
        case sha256
        /// MD5 (RFC 1321), required by S3 in places.
        case md5
    }

    private let context: OpaquePointer

    /// nil if OpenSSL does not provide the algorithm, as with MD5 on machines in FIPS mode.
    package init?(_ algorithm: Algorithm) {
        guard let context = EVP_MD_CTX_new() else { return nil }
        guard EVP_DigestInit_ex(context, algorithm == .sha256 ? EVP_sha256() : EVP_md5(), nil) == 1 else {
            EVP_MD_CTX_free(context)
            return nil
        }
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Adds bytes.
    package func update(_ bytes: UnsafeRawBufferPointer) {
        EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    }

    /// The hash of all added bytes.
    package consuming func finish() -> [UInt8] {
        var result = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        EVP_DigestFinal_ex(context, &result, &count)
        return Array(result.prefix(Int(count)))
    }

    /// SHA-256 of some bytes.
    package static func sha256(_ bytes: some Collection<UInt8>) throws(HTTPSetupError) -> [UInt8] {
        guard let digest = Digest(.sha256) else { throw .noSHA256 }
        Array(bytes).withUnsafeBytes { digest.update($0) }
        return digest.finish()
    }

    /// HMAC-SHA-256 (RFC 2104).
    package static func hmac(key: [UInt8], _ text: String) throws(HTTPSetupError) -> [UInt8] {
        let bytes = Array(text.utf8)
        var result = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        guard HMAC(EVP_sha256(), key, Int32(clamping: key.count), bytes, bytes.count, &result, &count) != nil else {
            throw .noSHA256
        }
        return Array(result.prefix(Int(count)))
    }
}

/// The hashes of a body that S3 requires before it is sent.
package struct BodyDigest: Sendable {
    /// Lower-case hexadecimal.
    package var sha256: String
    /// Base64, as in Content-MD5; nil if not requested or not available.
    package var md5: String?

    /// Hashes `range` of a spool in blocks.
    package init(of spool: Spool, _ range: Range<Int>, md5 wantsMD5: Bool, _ cancellation: CancellationSignal) throws {
        guard let sha256 = Digest(.sha256) else { throw HTTPSetupError.noSHA256 }
        let md5 = wantsMD5 ? Digest(.md5) : nil
        try Self.read(spool, range, cancellation) { bytes in
            sha256.update(bytes)
            md5?.update(bytes)
        }
        self.sha256 = hexadecimal(sha256.finish())
        switch consume md5 {
        case .some(let digest): self.md5 = base64(digest.finish())
        case .none: self.md5 = nil
        }
    }

    /// The MD5 of `range` of a spool in base64, as in Content-MD5; nil if it is not available.
    package static func md5(
        of spool: Spool, _ range: Range<Int>, _ cancellation: CancellationSignal
    ) throws -> String? {
        guard let md5 = Digest(.md5) else { return nil }
        try read(spool, range, cancellation) { md5.update($0) }
        return base64(md5.finish())
    }

    private static func read(
        _ spool: Spool, _ range: Range<Int>, _ cancellation: CancellationSignal,
        _ body: (UnsafeRawBufferPointer) -> Void
    ) throws {
        var offset = range.lowerBound
        try withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 16) { buffer in
            while offset < range.upperBound {
                try cancellation.check()
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(range.upperBound - offset))
                let count = try spool.read(at: offset, into: part)
                guard count > 0 else { return }
                body(UnsafeRawBufferPointer(rebasing: part[..<count]))
                offset += count
            }
        }
    }
}

/// The SHA-256 of a text's UTF-8 in base64; nil if OpenSSL does not provide it.
package func base64SHA256(_ text: String) -> String? { (try? Digest.sha256(text.utf8)).map(base64) }

/// RFC 4648, with padding.
package func base64(_ bytes: [UInt8]) -> String {
    var result = [UInt8](repeating: 0, count: (bytes.count + 2) / 3 * 4 + 1)
    let count = EVP_EncodeBlock(&result, bytes, Int32(clamping: bytes.count))
    return String(decoding: result.prefix(Int(max(0, count))), as: UTF8.self)
}

import Support

/// Proves that an answer is from a daemon, with a secret stored next to its LMDBs.
///
/// The client sends a nonce; the answer contains the HMAC of nonce and body. Without the secret, a proof can neither be
/// computed nor reused.
package enum DaemonProof {
    /// The request header with the nonce.
    package static let nonceHeader = "Lightningstream-Nonce"
    /// The answer header with the proof.
    package static let proofHeader = "Lightningstream-Proof"

    /// A new secret or nonce: 64 hexadecimal digits.
    package static func makeSecret() -> String {
        var generator = SystemRandomNumberGenerator()
        return hexadecimal((0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
    }

    /// The proof; nil if `nonce` is not from ``makeSecret()``, or if OpenSSL cannot compute it.
    package static func make(secret: String, nonce: String, body: [UInt8]) -> String? {
        guard nonce.utf8.count == 64, nonce.utf8.allSatisfy({ $0 != 10 }),
            let hash = try? Digest.sha256(body),
            let proof = try? Digest.hmac(key: Array(secret.utf8), nonce + "\n" + hexadecimal(hash))
        else { return nil }
        return hexadecimal(proof)
    }
}

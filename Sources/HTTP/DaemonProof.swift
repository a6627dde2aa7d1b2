import Support

/// How a daemon shows that an answer is its own: by a secret that lies beside its LMDBs.
///
/// Whoever asks sends a number that was never used before; the answer comes with the HMAC of that and the body. Who does
/// not know the secret can neither make one nor use one that was made for something else.
package enum DaemonProof {
    /// The header of a request that wants a proof.
    package static let nonceHeader = "Lightningstream-Nonce"
    /// The header of the answer that holds it.
    package static let proofHeader = "Lightningstream-Proof"

    /// A new secret, or a number that was never used before: 64 hexadecimal digits.
    package static func makeSecret() -> String {
        var generator = SystemRandomNumberGenerator()
        return hexadecimal((0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
    }

    /// The proof; nil for what is not a number of ``makeSecret()``, or where OpenSSL can't make any.
    package static func make(secret: String, nonce: String, body: [UInt8]) -> String? {
        guard nonce.utf8.count == 64, nonce.utf8.allSatisfy({ $0 != 10 }),
            let hash = try? Digest.sha256(body),
            let proof = try? Digest.hmac(key: Array(secret.utf8), nonce + "\n" + hexadecimal(hash))
        else { return nil }
        return hexadecimal(proof)
    }
}

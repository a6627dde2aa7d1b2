import COpenSSL
import Support

/// A secret key that opens what is sealed, and the recipient that belongs to it.
///
/// Both are secret here, as who knows the recipient can seal: a description has neither.
package struct AgeIdentity: Sendable, CustomStringConvertible, CustomReflectable {
    /// 32 bytes.
    let secret: [UInt8]
    /// The point of the secret on Curve25519, 32 bytes.
    let recipient: [UInt8]
    /// Tells identities apart: 8 hexadecimal digits, from which nothing can be learned of it.
    package let keyID: String

    private static let prefix = "age-secret-key-"
    private static let recipientPrefix = "age"

    private init(secret: [UInt8]) throws(AgeError) {
        self.secret = secret
        recipient = try Primitives.share(of: secret)
        keyID = hexadecimal(try Primitives.hkdf(secret, info: "lightningstream/key-id/v1", size: 4))
    }

    /// A new one.
    package static func generated() throws(AgeError) -> AgeIdentity {
        try AgeIdentity(secret: try Primitives.random(Primitives.size))
    }

    /// Parses the text of an identity, `AGE-SECRET-KEY-1…`; nil if it is not valid.
    package init?(_ text: some StringProtocol) throws(AgeError) {
        guard let secret = Bech32.decode(String(text), prefix: Self.prefix), secret.count == Primitives.size else {
            return nil
        }
        try self.init(secret: secret)
    }

    /// What may be shown of it.
    package var description: String { "the identity \(keyID)" }

    /// No part of it.
    package var customMirror: Mirror { Mirror(self, children: []) }

    /// The text of the identity, as in files: `AGE-SECRET-KEY-1…`.
    package var text: String { Bech32.encode(secret, prefix: Self.prefix).uppercased() }

    /// The text of the recipient, for `age -r`: `age1…`.
    package var recipientText: String { Bech32.encode(recipient, prefix: Self.recipientPrefix) }

    /// A key derived from the identity.
    ///
    /// - Parameter purpose: the info of HKDF.
    package func key(for purpose: String) throws(AgeError) -> [UInt8] { try Primitives.hkdf(secret, info: purpose) }
}

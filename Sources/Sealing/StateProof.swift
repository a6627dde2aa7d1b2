import Support

/// Shows who has written a sealed state object: somebody who has the identity.
///
/// It is the first line of the object, `{"proof":"…"}`, 64 hexadecimal digits: HMAC-SHA-256, with a key derived from the identity, of
/// the object's name, which is that of the database and the instance, a zero byte, and all that follows the line. So it is of this
/// state of this instance only, with the time in it.
enum StateProof {
    private static let purpose = "lightningstream/state/v1"
    private static let (start, end) = (Array("{\"proof\":\"".utf8), Array("\"}\n".utf8))
    /// Larger objects are no states: they are read whole.
    private static let largest = 4 << 20

    /// Whether an object of this name has a proof.
    static func isNeeded(_ name: String) -> Bool { name.utf8.reversed().starts(with: ".state".utf8.reversed()) }

    /// What comes before a state when it is sealed.
    ///
    /// - Throws: ``SealingProblem`` if it is too large; ``AgeError``; `SystemError` of a temporary file.
    static func head(of state: Spool, _ name: String, _ identity: AgeIdentity) throws -> Spool {
        guard state.count <= largest else { throw SealingProblem.unreadable("it is too large for a state object") }
        return Spool(try line(try bytes(of: state), name, identity))
    }

    /// A state without its proof; nil if that is missing or wrong.
    ///
    /// - Throws: ``AgeError``; `SystemError` of a temporary file.
    static func removed(from plain: Spool, _ name: String, _ identity: AgeIdentity) throws -> Spool? {
        let size = start.count + 2 * Primitives.size + end.count
        guard plain.count >= size, plain.count <= largest + size else { return nil }
        let all = try bytes(of: plain)
        let state = Array(all[size...])
        return Primitives.areEqual(Array(all[..<size]), try line(state, name, identity)) ? Spool(state) : nil
    }

    private static func line(_ state: [UInt8], _ name: String, _ identity: AgeIdentity) throws -> [UInt8] {
        let proof = try Primitives.hmac(key: try identity.key(for: purpose), Array(name.utf8) + [0] + state)
        return start + Array(hexadecimal(proof).utf8) + end
    }

    private static func bytes(of spool: Spool) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: spool.count)
        _ = try bytes.withUnsafeMutableBytes { try spool.read(at: 0, into: $0) }
        return bytes
    }
}

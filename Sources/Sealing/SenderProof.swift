import Snapshots

/// Shows who has written a sealed snapshot: somebody who has the identity.
///
/// age itself does not: who knows the recipient can seal. The proof is HMAC-SHA-256, with a key derived from the identity, of the name of
/// the database, a zero byte, the name of the instance as in object names, a zero byte, and two numbers of 8 bytes, most significant
/// first: the position at which it begins (0 for a full snapshot) and that at which it ends.
enum SenderProof {
    private static let purpose = "lightningstream/sender/v1"

    /// The proof of a snapshot.
    static func bytes(_ meta: SnapshotMeta, _ identity: AgeIdentity) throws(AgeError) -> [UInt8] {
        var text = Array(meta.databaseName.utf8) + [0]
        text += Array(SnapshotName.sanitize(instance: meta.instanceID).utf8) + [0]
        text += Primitives.bigEndian(meta.from) + Primitives.bigEndian(meta.timestamp)
        return try Primitives.hmac(key: try identity.key(for: purpose), text)
    }

    /// Whether a snapshot has the proof of an identity.
    static func isValid(_ meta: SnapshotMeta, _ identity: AgeIdentity) throws(AgeError) -> Bool {
        Primitives.areEqual(meta.proof, try bytes(meta, identity))
    }

    /// Why a snapshot must not have this name; nil if it may.
    static func problem(_ meta: SnapshotMeta, as name: SnapshotName) -> String? {
        if name.isDelta { return meta.problem(asDelta: name) }
        if meta.databaseName != name.database {
            return "it is of the database \"\(meta.databaseName)\", not of \(name.database)"
        }
        if SnapshotName.sanitize(instance: meta.instanceID) != name.instance {
            return "it is of the instance \"\(meta.instanceID)\", not of \(name.instance)"
        }
        if meta.from != 0 { return "it is a delta" }
        if meta.timestamp != name.timestamp {
            return
                "it is of \(SnapshotTimestamp.text(meta.timestamp)), not of \(SnapshotTimestamp.text(name.timestamp))"
        }
        return nil
    }
}

import Support

extension SnapshotMeta {
    /// A gzip member that, put before those of a snapshot, gives it a proof. The snapshot itself stays as it is.
    ///
    /// The bytes are one field `meta` with nothing but the proof: readers of the message add up its fields, and of several proofs
    /// the first one counts.
    ///
    /// - Throws: ``SystemError`` if memory or a temporary file is missing.
    package static func member(proof: [UInt8]) throws -> Spool {
        var meta = SnapshotMeta(generationID: "")
        meta.proof = proof
        var deflater = GzipDeflater()
        var writer = SpoolWriter()
        try SnapshotEncoding.part(meta).withUnsafeBytes { try deflater.write($0, to: &writer) }
        try deflater.finish(to: &writer)
        return try writer.finish()
    }
}

import BlobStorage
import Snapshots
import Support

extension SealedStore {
    /// A snapshot without the proof of its sender, which is only for readers of the storage: who has it can seal another snapshot that has
    /// the same name and positions.
    ///
    /// - Returns: the same spool if there is none, or if it is no snapshot.
    /// - Throws: `BlobStoreError` if the proof is not in a part of its own, where this program puts it; `SystemError` of a temporary file.
    package static func withoutProof(_ body: Spool) throws -> Spool {
        guard let meta = try? SnapshotMeta.read(body), !meta.proof.isEmpty else { return body }
        // The part is a gzip member, behind which another one begins.
        var head = [UInt8](repeating: 0, count: min(body.count, 512))
        _ = try head.withUnsafeMutableBytes { try body.read(at: 0, into: $0) }
        for offset in head.indices.dropFirst().dropLast(2) where head[offset...].starts(with: [0x1f, 0x8b, 8]) {
            let rest = try copy(body, from: offset)
            if let meta = try? SnapshotMeta.read(rest), meta.proof.isEmpty { return rest }
        }
        throw BlobStoreError(.refused, "the proof of its sender is not where this program puts it")
    }

    private static func copy(_ body: Spool, from start: Int) throws -> Spool {
        var writer = SpoolWriter()
        var offset = start
        try withUnsafeTemporaryAllocation(byteCount: 128 << 10, alignment: 16) { buffer in
            while offset < body.count {
                let count = try body.read(at: offset, into: buffer)
                guard count > 0 else { break }
                try writer.write(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count]))
                offset += count
            }
        }
        return try writer.finish()
    }
}

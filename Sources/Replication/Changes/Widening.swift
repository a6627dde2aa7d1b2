import BlobStorage
import Snapshots
import Support

/// Merges closed deltas of our own that continue each other into one, so that there are few of them.
package struct Widening: Sendable {
    /// The deltas, oldest first.
    package let deltas: [OwnChain.Stored]

    /// See the properties of the same names.
    package init(_ deltas: [OwnChain.Stored]) { self.deltas = deltas }

    /// A delta in the storage is not the version that was stored last: an earlier upload has landed late.
    package struct VersionDiffers: Error, CustomStringConvertible {
        /// The delta.
        package let name: SnapshotName

        /// One line: the problem, and what follows.
        package var description: String {
            "the delta \(name) in the storage is not the one that was stored last; a full snapshot will replace it"
        }
    }

    /// Merges the contents of the deltas. Blocks.
    ///
    /// - Parameter bodies: the contents, in the same order.
    /// - Returns: the contents of the first delta from now on.
    /// - Throws: `SnapshotError` if one of them is damaged; ``VersionDiffers``.
    package func join(
        _ bodies: [Spool], schema: Schema, stagingDirectory: String?,
        signal: CancellationSignal = CancellationSignal()
    ) throws -> Spool {
        let metas = try bodies.map { try SnapshotMeta.read($0) }
        for (delta, meta) in zip(deltas, metas) where meta.timestamp != delta.position {
            throw VersionDiffers(name: delta.name)
        }
        guard let begin = metas.first, var meta = metas.last else { throw CancellationError() }
        (meta.from, meta.fromTransactionID) = (begin.from, begin.fromTransactionID)
        return try DeltaJoin.run(
            bodies, meta: meta, schema: schema, stagingDirectory: stagingDirectory, signal: signal
        ).body
    }

    /// Loads the deltas, stores the result under the name of the first one, and removes the others.
    ///
    /// Readers that ask for one of the others meanwhile find that it is gone, and list again.
    ///
    /// - Parameter threads: where to block.
    package func perform(in store: any BlobStore, schema: Schema, threads: BlockingPool) async throws -> OwnChain.Stored
    {
        guard let first = deltas.first, let last = deltas.last else { throw CancellationError() }
        var bodies: [Spool] = []
        for delta in deltas { bodies.append(try await store.load(delta.name.description, atMost: delta.size)) }
        let loaded = bodies
        let staging = store.stagingDirectory
        let body = try await threads.run { try join(loaded, schema: schema, stagingDirectory: staging, signal: $0) }
        let version = try await store.store(first.name.description, body)
        for delta in deltas.dropFirst() { try await store.delete(delta.name.description) }
        return OwnChain.Stored(name: first.name, position: last.position, size: body.count, version: version)
    }
}

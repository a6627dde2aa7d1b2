import BlobStorage
import Snapshots
import Support

/// The full state of an instance in the storage: its newest full snapshot, and the deltas that continue it without a gap.
///
/// For commands, which know nothing of what was read before. The daemon's receivers go by what is merged already.
package struct StoredChain: Sendable {
    /// A delta of the chain.
    package struct Delta: Sendable {
        /// Its name.
        package let name: SnapshotName
        /// The position at which it ends, in nanoseconds since the UNIX epoch.
        package let end: UInt64
        /// Its bytes.
        package let body: Spool
    }

    /// The newest full snapshot.
    package let full: Catalog.Snapshot
    /// The deltas to merge after it, in this order. The first one may begin before it.
    package private(set) var deltas: [Delta] = []

    /// The end of the chain, in nanoseconds since the UNIX epoch.
    package var position: UInt64 { deltas.last?.end ?? full.name.timestamp }

    /// Reads the deltas that continue an instance's newest full snapshot; nil if it has none.
    ///
    /// Objects in the far future don't count.
    ///
    /// - Throws: ``StoredDeltaError`` for a delta that cannot be read, otherwise a `BlobStoreError`. If it is `notFound`, the
    ///   objects have changed since the listing: list again.
    package init?(of instance: String, in catalog: Catalog, _ store: any BlobStore) async throws {
        guard let newest = catalog.newest(of: instance) else { return nil }
        full = newest
        let stored = catalog.deltas(of: instance)
        var last: SnapshotName?
        // The one that begins last at or before the position continues it, if it goes beyond.
        while let next = stored.last(where: { $0.name.timestamp <= position })?.name, next != last {
            last = next
            let (meta, body) = try await StoredDelta.read(next, store)
            guard meta.timestamp > position else { break }
            deltas.append(Delta(name: next, end: meta.timestamp, body: body))
        }
    }
}

/// A delta in the storage.
package enum StoredDelta {
    /// Concurrent downloads.
    private static let width = 8

    /// Loads a delta and reads its metadata, which must agree with its name. Its entries are not checked.
    ///
    /// A delta may grow after it was listed, so the size in a listing does not limit it.
    ///
    /// - Throws: ``StoredDeltaError``, or a `BlobStoreError`.
    package static func read(
        _ name: SnapshotName, _ store: any BlobStore
    ) async throws -> (meta: SnapshotMeta, body: Spool) {
        let body = try await store.load(name.description)
        let meta: SnapshotMeta
        do throws(SnapshotError) {
            meta = try SnapshotMeta.read(body)
        } catch {
            throw StoredDeltaError.damaged(name, error)
        }
        if let problem = meta.problem(asDelta: name) { throw StoredDeltaError.misnamed(name, problem) }
        return (meta, body)
    }

    /// The positions at which deltas end, in nanoseconds since the UNIX epoch, or why that is unknown.
    ///
    /// - Throws: only `CancellationError`.
    package static func ends(
        of names: [SnapshotName], _ store: any BlobStore
    ) async throws -> [SnapshotName: Result<UInt64, any Error>] {
        try await withThrowingTaskGroup(of: (SnapshotName, Result<UInt64, any Error>).self) { group in
            var rest = names.makeIterator()
            for name in (0..<width).compactMap({ _ in rest.next() }) {
                group.addTask { (name, try await end(of: name, store)) }
            }
            var ends: [SnapshotName: Result<UInt64, any Error>] = [:]
            while let (name, end) = try await group.next() {
                ends[name] = end
                guard let next = rest.next() else { continue }
                group.addTask { (next, try await self.end(of: next, store)) }
            }
            return ends
        }
    }

    private static func end(of name: SnapshotName, _ store: any BlobStore) async throws -> Result<UInt64, any Error> {
        do {
            return .success(try await read(name, store).meta.timestamp)
        } catch let error as CancellationError {
            throw error
        } catch {
            return .failure(error)
        }
    }
}

/// The reason why a delta in the storage cannot be used.
package enum StoredDeltaError: Error, Sendable, CustomStringConvertible {
    /// It is damaged.
    case damaged(SnapshotName, SnapshotError)
    /// Its metadata do not agree with its name; the text says how.
    case misnamed(SnapshotName, String)

    /// One line.
    package var description: String {
        switch self {
        case .damaged(let name, let error): "\(name): \(error)"
        case .misnamed(let name, let problem): "\(name): rejected the delta: \(problem)"
        }
    }
}

extension Catalog {
    /// The deltas of an instance that do not begin in the far future, by the position at which they begin.
    package func deltas(of instance: String) -> [Delta] {
        deltas.filter { $0.name.instance == instance && !horizon.isFarAhead($0.name) }
    }

    /// The last delta of each instance, not counting those in the far future.
    package var lastDeltas: [String: Delta] {
        var last: [String: Delta] = [:]
        for delta in deltas where !horizon.isFarAhead(delta.name) { last[delta.name.instance] = delta }
        return last
    }

    /// The newest position of each instance in the storage: the end of its last delta, or its newest full snapshot.
    ///
    /// A position is written as the name of the full snapshot of that instant. The size is that of the object that ends there. A
    /// delta that cannot be read does not count.
    ///
    /// - Parameter instances: the instances to look at; all of them if nil.
    /// - Throws: only `CancellationError`.
    package func positions(
        of instances: Set<String>? = nil, _ store: any BlobStore
    ) async throws -> [String: Snapshot] {
        var (positions, last) = (newest, lastDeltas)
        if let instances {
            positions = positions.filter { instances.contains($0.key) }
            last = last.filter { instances.contains($0.key) }
        }
        let ends = try await StoredDelta.ends(of: last.values.map(\.name), store)
        for (instance, delta) in last {
            guard case .success(let end)? = ends[delta.name] else { continue }
            let position = delta.name.at(end)
            guard !horizon.isFarAhead(position) else { continue }
            if let full = positions[instance], !horizon.supersedes(position, full.name) { continue }
            positions[instance] = Snapshot(name: position, size: delta.size, modified: delta.modified)
        }
        return positions
    }
}

import Support
import Synchronization

/// A storage in the memory of this process, for tests and simulations.
package final class MemoryStore: BlobStore {
    private struct State {
        /// Sorted by name.
        var objects: [(name: String, body: Spool, modified: UInt64?, version: String)] = []
        var lastVersion = 0
        var watchers: [Int: (prefix: String, continuation: AsyncStream<StorageChange>.Continuation)] = [:]
        var nextWatcher = 0

        /// The index of `name`, or the index at which to insert it.
        func position(of name: String) -> (index: Int, found: Bool) {
            var low = 0
            var high = objects.count
            while low < high {
                let middle = low + (high - low) / 2
                if objects[middle].name.precedesBytewise(name) { low = middle + 1 } else { high = middle }
            }
            return (low, low < objects.count && !name.precedesBytewise(objects[low].name))
        }
    }

    private let state = Mutex(State())
    private let clock: (@Sendable () -> UInt64)?

    /// An empty storage.
    ///
    /// - Parameter clock: the time at which an object is stored, in nanoseconds since the UNIX epoch; without it listings
    ///   contain no times.
    package init(clock: (@Sendable () -> UInt64)? = nil) { self.clock = clock }

    /// See ``BlobStore/list(prefix:)``.
    package func list(prefix: String) async throws -> [Blob] {
        try Task.checkCancellation()
        return state.withLock { state in
            state.objects[state.position(of: prefix).index...].prefix { $0.name.startsBytewise(with: prefix) }
                .map { Blob(name: $0.name, size: $0.body.count, modified: $0.modified, version: $0.version) }
        }
    }

    /// See ``BlobStore/load(_:atMost:)``.
    package func load(_ name: String, atMost limit: Int) async throws -> Spool {
        try await loadVersion(name, atMost: limit).body
    }

    /// See ``BlobStore/loadVersion(_:atMost:)``.
    package func loadVersion(_ name: String, atMost limit: Int) async throws -> (body: Spool, version: String?) {
        try Task.checkCancellation()
        return try state.withLock { state in
            let (index, found) = state.position(of: name)
            guard found else {
                throw BlobStoreError(.notFound, .init(operation: "load", object: name, place: .memory), .noObject)
            }
            let body = state.objects[index].body
            guard body.count <= limit else { throw BlobStoreError.tooLarge(name, .memory, limit) }
            return (body, state.objects[index].version)
        }
    }

    /// See ``BlobStore/store(_:_:)``.
    @discardableResult
    package func store(_ name: String, _ body: Spool) async throws -> String? {
        try Task.checkCancellation()
        let (version, watchers) = state.withLock { state in
            let (index, found) = state.position(of: name)
            state.lastVersion += 1
            let object = (name, body, clock?(), String(state.lastVersion))
            if found { state.objects[index] = object } else { state.objects.insert(object, at: index) }
            return (object.3, state.watchers.values.filter { name.startsBytewise(with: $0.prefix) })
        }
        for watcher in watchers { watcher.continuation.announce(Hint(name, version: version, source: .fileSystem)) }
        return version
    }

    /// See ``BlobStore/delete(_:)``.
    package func delete(_ name: String) async throws {
        try Task.checkCancellation()
        state.withLock { state in
            let (index, found) = state.position(of: name)
            if found { state.objects.remove(at: index) }
        }
    }

    /// See ``BlobStore/changes(prefix:)``.
    package func changes(prefix: String) -> AsyncStream<StorageChange>? {
        let (stream, continuation) = AsyncStream.makeStream(of: StorageChange.self, bufferingPolicy: .announcements)
        let number = state.withLock { state in
            state.nextWatcher += 1
            state.watchers[state.nextWatcher] = (prefix, continuation)
            return state.nextWatcher
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.watchers.removeValue(forKey: number) }
        }
        return stream
    }
}

import Support
import Synchronization

/// A storage in the memory of this process, for tests and simulations.
package final class MemoryStore: BlobStore {
    private struct State {
        /// Sorted by name.
        var objects: [(name: String, body: Spool, modified: UInt64?)] = []
        var watchers: [Int: (prefix: String, continuation: AsyncStream<String>.Continuation)] = [:]
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
                .map { Blob(name: $0.name, size: $0.body.count, modified: $0.modified) }
        }
    }

    /// See ``BlobStore/load(_:atMost:)``.
    package func load(_ name: String, atMost limit: Int) async throws -> Spool {
        try Task.checkCancellation()
        return try state.withLock { state in
            let (index, found) = state.position(of: name)
            guard found else {
                throw BlobStoreError(.notFound, .init(operation: "load", object: name, place: .memory), .noObject)
            }
            let body = state.objects[index].body
            guard body.count <= limit else { throw BlobStoreError.tooLarge(name, .memory, limit) }
            return body
        }
    }

    /// See ``BlobStore/store(_:_:)``.
    package func store(_ name: String, _ body: Spool) async throws {
        try Task.checkCancellation()
        let watchers = state.withLock { state in
            let (index, found) = state.position(of: name)
            let object = (name, body, clock?())
            if found { state.objects[index] = object } else { state.objects.insert(object, at: index) }
            return state.watchers.values.filter { name.startsBytewise(with: $0.prefix) }
        }
        for watcher in watchers { watcher.continuation.announce(name) }
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
    package func changes(prefix: String) -> AsyncStream<String>? {
        let (stream, continuation) = AsyncStream.makeStream(of: String.self, bufferingPolicy: .announcements)
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

extension AsyncStream.Continuation.BufferingPolicy where Element == String {
    // Bounds the memory for a busy reader.
    static var announcements: Self { .bufferingNewest(256) }
}

extension AsyncStream.Continuation where Element == String {
    /// Announces a name. If the buffer overflows, an empty name makes the reader list all objects.
    func announce(_ name: String) {
        if case .dropped = yield(name) { yield("") }
    }
}

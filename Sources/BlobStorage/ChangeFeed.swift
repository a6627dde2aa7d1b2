import Synchronization

/// Passes on what one connection announces to the readers of all databases. The connection exists while there are readers.
final class ChangeFeed: Sendable {
    private struct Reader {
        var prefix: String
        var continuation: AsyncStream<StorageChange>.Continuation
    }

    private struct State {
        var readers: [Int: Reader] = [:]
        var next = 0
        var isUp = false
        var connection: Task<Void, Never>?
    }

    private let connect: @Sendable (ChangeFeed) async -> Void
    private let state = Mutex(State())

    /// - Parameter connect: connects, and connects again whenever that ends, until its task is cancelled.
    init(_ connect: @escaping @Sendable (ChangeFeed) async -> Void) { self.connect = connect }

    /// See ``BlobStore/changes(prefix:)``.
    func changes(prefix: String) -> AsyncStream<StorageChange> {
        let (stream, continuation) = AsyncStream.makeStream(of: StorageChange.self, bufferingPolicy: .announcements)
        let number = state.withLock { state in
            state.next += 1
            state.readers[state.next] = Reader(prefix: prefix, continuation: continuation)
            if state.isUp { continuation.yield(.feed(isUp: true)) }
            if state.connection == nil { state.connection = Task.detached { [self] in await connect(self) } }
            return state.next
        }
        continuation.onTermination = { [weak self] _ in self?.remove(number) }
        return stream
    }

    private func remove(_ number: Int) {
        let ended: Task<Void, Never>? = state.withLock { state in
            state.readers[number] = nil
            guard state.readers.isEmpty else { return nil }
            state.isUp = false
            return state.connection.take()
        }
        ended?.cancel()
    }

    /// An object was stored; an empty name if it is not known which one.
    func announce(_ hint: Hint) {
        state.withLock { state in
            for reader in state.readers.values
            where hint.name.isEmpty || hint.name.startsBytewise(with: reader.prefix) {
                // What was lost may have been about the connection.
                if !reader.continuation.announce(hint) { reader.continuation.yield(.feed(isUp: state.isUp)) }
            }
        }
    }

    /// The connection is established, or has ended.
    func set(isUp: Bool) {
        state.withLock { state in
            guard state.isUp != isUp, !state.readers.isEmpty else { return }
            state.isUp = isUp
            for reader in state.readers.values { reader.continuation.yield(.feed(isUp: isUp)) }
        }
    }
}

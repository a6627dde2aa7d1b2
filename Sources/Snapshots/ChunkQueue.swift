import Dispatch
import Synchronization

/// Passes chunks from the thread that fills them to the one that compresses them, and empty ones back.
///
/// At most ``capacity`` full chunks wait; then the filling thread blocks.
final class ChunkQueue: Sendable {
    private struct State {
        // nil marks the end.
        var items: [Chunk?] = []
        var empty: [Chunk] = []
    }

    // One chunk is being filled and one compressed; more waiting chunks would only use memory.
    private static let capacity = 1

    private let state = Mutex(State())
    // Both start at 0, because a semaphore must not be freed with a lower value than it started with.
    private let places = DispatchSemaphore(value: 0)
    private let waiting = DispatchSemaphore(value: 0)

    init() {
        for _ in 0..<Self.capacity { places.signal() }
    }

    /// Waits for space and adds `chunk`.
    func put(_ chunk: Chunk) {
        places.wait()
        push(chunk)
    }

    /// Ends the queue; never waits.
    func end() { push(nil) }

    private func push(_ item: Chunk?) {
        state.withLock { $0.items.append(item) }
        waiting.signal()
    }

    /// Waits for the next chunk; nil at the end.
    func take() -> Chunk? {
        waiting.wait()
        let item = state.withLock { $0.items.removeFirst() }
        if item != nil { places.signal() }
        return item
    }

    /// Returns a chunk that is no longer needed.
    func recycle(_ chunk: Chunk) {
        state.withLock { $0.empty.append(chunk) }
    }

    /// An empty chunk of at least `capacity` bytes, but not much more.
    func recycled(capacity: Int) -> Chunk {
        state.withLock { state in
            while let chunk = state.empty.popLast() {
                if chunk.capacity >= capacity && chunk.capacity <= capacity * 2 { return chunk }
            }
            return Chunk(capacity: capacity)
        }
    }
}

import Dispatch
import Synchronization

/// Hands chunks from the thread that fills them to the one that compresses them, and empty ones back.
///
/// At most ``capacity`` full chunks wait; the filling thread waits while there are that many.
final class ChunkQueue: Sendable {
    private struct State {
        // nil is the end.
        var items: [Chunk?] = []
        var empty: [Chunk] = []
    }

    // One chunk is being filled and one compressed; a second one waiting would only take memory.
    private static let capacity = 1

    private let state = Mutex(State())
    // Both start at 0, because a semaphore must not be freed with a lower value than it started with.
    private let places = DispatchSemaphore(value: 0)
    private let waiting = DispatchSemaphore(value: 0)

    init() {
        for _ in 0..<Self.capacity { places.signal() }
    }

    /// Waits for a place and puts `chunk` there.
    func put(_ chunk: Chunk) {
        places.wait()
        push(chunk)
    }

    /// Ends the queue; this never waits.
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

    /// Gives a chunk back that is not needed any more.
    func recycle(_ chunk: Chunk) {
        state.withLock { $0.empty.append(chunk) }
    }

    /// An empty chunk of at least `capacity` bytes, but not of much more.
    func recycled(capacity: Int) -> Chunk {
        state.withLock { state in
            while let chunk = state.empty.popLast() {
                if chunk.capacity >= capacity && chunk.capacity <= capacity * 2 { return chunk }
            }
            return Chunk(capacity: capacity)
        }
    }
}

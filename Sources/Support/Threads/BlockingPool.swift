import Dispatch
import Synchronization

/// Runs calls that block (system calls, LMDB, libcurl) on threads that may block.
///
/// Swift's own pool has one thread a core: a call that blocks there stops everything else. The threads
/// here come and go with the work; at most `width` calls run at a time, further ones wait in order.
package final class BlockingPool: Sendable {
    private struct State {
        var waiting: [@Sendable (DispatchQueue) -> Void] = []
        // Calls before this index have been started; saves moving the rest for each of them.
        var firstWaiting = 0
        var idle: [DispatchQueue] = []
        var lanes = 0
    }

    private let label: String
    private let width: Int
    private let state = Mutex(State())

    /// - Parameters:
    ///   - label: what debuggers call the threads.
    ///   - width: how many calls run at a time, at least one.
    package init(label: String, width: Int) {
        self.label = label
        self.width = max(1, width)
    }

    /// Runs `body` on a thread of its own until it returns, and hands over what it returns or throws.
    ///
    /// - Throws: `CancellationError` without running `body` when the task is cancelled before its turn comes.
    ///   A `body` that is running is never abandoned: it is told through its argument and ends as it likes.
    package func run<Result: Sendable>(
        _ body: @escaping @Sendable (CancellationSignal) throws -> Result
    ) async throws -> Result {
        let signal = CancellationSignal()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Result, any Error>) in
                // The one who takes the turn answers: the lane that runs the call, or the canceller before that.
                let turn = Turn()
                signal.onCancel {
                    if turn.take() { continuation.resume(throwing: CancellationError()) }
                }
                submit { [self] lane in
                    guard turn.take() else { return finished(lane) }
                    let result = Swift.Result { try body(signal) }
                    finished(lane)
                    continuation.resume(with: result)
                }
            }
        } onCancel: {
            signal.cancel()
        }
    }

    // A lane is a serial queue: unlike a concurrent queue, Dispatch gives it a thread at once even
    // when as many threads as there are cores are blocked.
    private func submit(_ call: @escaping @Sendable (DispatchQueue) -> Void) {
        let lane: DispatchQueue? = state.withLock { state in
            if let lane = state.idle.popLast() { return lane }
            if state.lanes < width {
                state.lanes += 1
                return DispatchQueue(label: "\(label)-\(state.lanes)")
            }
            state.waiting.append(call)
            return nil
        }
        if let lane { lane.async { call(lane) } }
    }

    private func finished(_ lane: DispatchQueue) {
        let next: (@Sendable (DispatchQueue) -> Void)? = state.withLock { state in
            guard state.firstWaiting < state.waiting.count else {
                state.idle.append(lane)
                return nil
            }
            let call = state.waiting[state.firstWaiting]
            state.firstWaiting += 1
            // Moves each call once on average, and never keeps more started ones than there are waiting ones.
            if state.firstWaiting * 2 >= state.waiting.count {
                state.waiting.removeFirst(state.firstWaiting)
                state.firstWaiting = 0
            }
            return call
        }
        if let next { lane.async { next(lane) } }
    }
}

/// Tells a blocking call that nobody waits for its result any more.
package final class CancellationSignal: Sendable {
    private struct State {
        var isCancelled = false
        var handlers: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())

    /// A signal that has not been raised.
    package init() {}

    /// Whether the call should end early.
    package var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// - Throws: `CancellationError` when the call should end early.
    package func check() throws {
        if isCancelled { throw CancellationError() }
    }

    /// Calls `handler` once, on any thread, when the cancellation comes; at once when it has come.
    package func onCancel(_ handler: @escaping @Sendable () -> Void) {
        let now = state.withLock { state in
            if !state.isCancelled { state.handlers.append(handler) }
            return state.isCancelled
        }
        if now { handler() }
    }

    /// Raises the signal; again does nothing.
    package func cancel() {
        let handlers = state.withLock { state in
            defer { state.handlers = [] }
            state.isCancelled = true
            return state.handlers
        }
        for handler in handlers { handler() }
    }
}

private final class Turn: Sendable {
    private let taken = Atomic(false)

    func take() -> Bool { taken.exchange(true, ordering: .acquiringAndReleasing) == false }
}

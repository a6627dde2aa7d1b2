import Dispatch
import Synchronization

/// Runs blocking calls (system calls, LMDB, libcurl) on threads that may block.
///
/// Swift's own pool has one thread per core: a blocking call there stops everything else. The threads
/// of this pool are created on demand; at most `width` calls run at a time, further ones wait in order.
package final class BlockingPool: Sendable {
    private struct State {
        var waiting: [@Sendable (DispatchQueue) -> Void] = []
        // Calls before this index have been started; avoids moving the rest for each of them.
        var firstWaiting = 0
        var idle: [DispatchQueue] = []
        var lanes = 0
    }

    private let label: String
    private let width: Int
    private let state = Mutex(State())

    /// - Parameters:
    ///   - label: the name of the threads in debuggers.
    ///   - width: maximum number of concurrent calls, at least one.
    package init(label: String, width: Int) {
        self.label = label
        self.width = max(1, width)
    }

    /// Runs `body` on a separate thread, and returns its result or throws its error.
    ///
    /// - Throws: `CancellationError` without running `body` if the task is cancelled before its turn.
    ///   A running `body` is never abandoned: it is notified through its argument and ends on its own.
    package func run<Result: Sendable>(
        _ body: @escaping @Sendable (CancellationSignal) throws -> Result
    ) async throws -> Result {
        let signal = CancellationSignal()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Result, any Error>) in
                // Whoever takes the turn resumes the continuation: the lane that runs the call, or an earlier cancellation.
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
    // if as many threads as there are cores are blocked.
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
            // Moves each call once on average, and never keeps more started calls than waiting ones.
            if state.firstWaiting * 2 >= state.waiting.count {
                state.waiting.removeFirst(state.firstWaiting)
                state.firstWaiting = 0
            }
            return call
        }
        if let next { lane.async { next(lane) } }
    }
}

/// Notifies a blocking call that its result is no longer needed.
package final class CancellationSignal: Sendable {
    private struct State {
        var isCancelled = false
        var handlers: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())

    /// A signal that is not cancelled.
    package init() {}

    /// Whether the call should end early.
    package var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// - Throws: `CancellationError` if the call should end early.
    package func check() throws {
        if isCancelled { throw CancellationError() }
    }

    /// Calls `handler` once, on any thread, on cancellation; at once if already cancelled.
    package func onCancel(_ handler: @escaping @Sendable () -> Void) {
        let now = state.withLock { state in
            if !state.isCancelled { state.handlers.append(handler) }
            return state.isCancelled
        }
        if now { handler() }
    }

    /// Cancels the signal; repeated calls have no effect.
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

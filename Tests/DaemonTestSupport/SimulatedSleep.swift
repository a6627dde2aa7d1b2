import Synchronization

/// Time that passes only while all who can sleep do: it jumps to the end of the shortest sleep then.
package final class SimulatedSleep: Sendable {
    private struct State {
        var sleeping: [Int: (end: Duration, continuation: CheckedContinuation<Void, any Error>)] = [:]
        var calls = 0
        var now = Duration.zero
    }

    private let sleepers: Int
    private let meanwhile: @Sendable () throws -> Void
    private let state = Mutex(State())

    /// - Parameters:
    ///   - sleepers: how many sleep at the same time.
    ///   - meanwhile: what happens each time when all sleep.
    package init(sleepers: Int, meanwhile: @escaping @Sendable () throws -> Void = {}) {
        self.sleepers = sleepers
        self.meanwhile = meanwhile
    }

    package func sleep(for duration: Duration) async throws {
        let number = state.withLock { state in
            state.calls += 1
            return state.calls
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let (isCancelled, woken) = state.withLock { state in
                    guard !Task.isCancelled else { return (true, nil as CheckedContinuation<Void, any Error>?) }
                    state.sleeping[number] = (state.now + duration, continuation)
                    guard state.sleeping.count == sleepers,
                        let next = state.sleeping.min(by: { $0.value.end < $1.value.end })
                    else { return (false, nil) }
                    state.now = next.value.end
                    return (false, state.sleeping.removeValue(forKey: next.key)?.continuation)
                }
                if isCancelled { continuation.resume(throwing: CancellationError()) }
                woken?.resume(with: Result { try meanwhile() })
            }
        } onCancel: {
            let cancelled = state.withLock { $0.sleeping.removeValue(forKey: number)?.continuation }
            cancelled?.resume(throwing: CancellationError())
        }
    }
}

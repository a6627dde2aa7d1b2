import Dispatch
import Synchronization

/// Runs asynchronous work from the main thread, and waits for its end.
///
/// Never to be called on Swift's cooperative pool, which would lose the thread that waits.
package func runBlocking<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) throws -> R {
    let outcome = Outcome<R>()
    let done = DispatchSemaphore(value: 0)
    Task {
        let result: Result<R, any Error>
        do {
            result = .success(try await body())
        } catch {
            result = .failure(error)
        }
        outcome.value.withLock { $0 = result }
        done.signal()
    }
    done.wait()
    guard let result = outcome.value.withLock({ $0 }) else { throw CancellationError() }
    return try result.get()
}

private final class Outcome<R: Sendable>: Sendable {
    let value = Mutex<Result<R, any Error>?>(nil)
}

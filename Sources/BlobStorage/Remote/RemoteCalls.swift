import HTTP
import Support

/// Performs the requests to a storage on a network: on threads of their own, again after failures, each one reported.
struct RemoteCalls: Sendable {
    let service: StorageService
    let pool: BlockingPool
    /// Called for every failed attempt that is retried, with the pause before the retry.
    let willRetry: @Sendable (BlobStoreError, Duration) -> Void
    /// Called for every completed request, from any thread.
    let observe: @Sendable (StorageCall) -> Void

    /// Performs a request with retries.
    ///
    /// - Parameters:
    ///   - failed: converts the failure of a local system call.
    ///   - attempt: performs it once on a blocking thread; throws ``RequestFailure`` if that may be repeated.
    func run<Result: Sendable>(
        _ retry: RetryPolicy, _ failed: (SystemError) -> BlobStoreError,
        _ attempt: @escaping @Sendable (CancellationSignal) throws -> Result
    ) async throws -> Result {
        let start = ContinuousClock.now
        do {
            return try await retry.run(
                retrying: RequestFailure.self, now: { start.duration(to: .now) }, random: { Double.random(in: 0..<1) },
                sleep: { try await Task.sleep(for: $0) }, willRetry: { willRetry($0.error, $1) },
                attempt: { try await pool.run(attempt) })
        } catch let failure as RequestFailure {
            throw failure.error
        } catch let error as SystemError {
            throw failed(error)
        }
    }

    /// Sends one HTTP request, and reports its result to the observer.
    ///
    /// - Parameter method: nil for a request that is not reported.
    func observed<Result>(_ method: StorageCall.Method?, _ perform: () throws -> Result) throws -> Result {
        guard let method else { return try perform() }
        let start = ContinuousClock.now
        func report(_ code: String?) {
            observe(
                StorageCall(
                    service, method: method, time: systemWallClock(), duration: start.duration(to: .now),
                    errorCode: code))
        }
        do {
            let result = try perform()
            report(nil)
            return result
        } catch let error as CancellationError {
            throw error
        } catch {
            report((error as? RequestFailure)?.error.code ?? "Unknown")
            throw error
        }
    }
}

/// Runs what prepares a storage, and cancels it after a time.
///
/// - Parameter timeout: the error if it did not end in time.
func prepare(
    within limit: Duration, orThrow timeout: BlobStoreError, _ body: @escaping @Sendable () async throws -> Void
) async throws {
    let work = Task { try await body() }
    let limit = Task {
        try await Task.sleep(for: limit)
        work.cancel()
    }
    defer { limit.cancel() }
    do {
        try await withTaskCancellationHandler {
            try await work.value
        } onCancel: {
            work.cancel()
        }
    } catch is CancellationError {
        try Task.checkCancellation()
        throw timeout
    }
}

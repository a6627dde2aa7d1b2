/// When a failed request is tried again.
struct RetryPolicy: Sendable {
    /// How often a request is tried in all.
    var attempts = 5
    /// The pause after the first failure; it doubles with each further one.
    var firstPause: Duration = .milliseconds(250)
    var longestPause: Duration = .seconds(10)
    /// After this time no further attempt begins.
    var total: Duration = .seconds(60)
    /// A server that asks for a longer pause (Retry-After) gets this one.
    var longestRetryAfter: Duration = .seconds(60)

    /// How long to pause before the next attempt; nil to give up.
    ///
    /// - Parameters:
    ///   - failures: how many attempts have failed, at least one.
    ///   - elapsed: since the first attempt began.
    ///   - retryAfter: what the server asked for, if it did.
    ///   - random: 0..<1; spreads the attempts of many clients over the second half of the pause.
    func pause(failures: Int, elapsed: Duration, retryAfter: Duration?, random: Double) -> Duration? {
        guard failures < attempts, elapsed < total else { return nil }
        let doublings = min(max(failures - 1, 0), 20)
        let pause = min(longestPause, firstPause * (1 << doublings))
        let spread = pause * (0.5 + random / 2)
        guard let retryAfter else { return spread }
        return max(spread, min(retryAfter, longestRetryAfter))
    }

    /// Runs `attempt` until it succeeds, fails for good, or the policy gives up, which throws its last error.
    ///
    /// - Parameter willRetry: is told of each failure that is not the end.
    func run<Result>(
        now: () -> Duration, random: () -> Double, sleep: (Duration) async throws -> Void,
        willRetry: (BlobStoreError, Duration) -> Void = { _, _ in }, attempt: () async throws -> Result
    ) async throws -> Result {
        let start = now()
        var failures = 0
        while true {
            do {
                return try await attempt()
            } catch let failure as RequestFailure {
                failures += 1
                guard failure.isTransient,
                    let pause = pause(
                        failures: failures, elapsed: now() - start, retryAfter: failure.retryAfter, random: random())
                else { throw failure }
                willRetry(failure.error, pause)
                try await sleep(pause)
            }
        }
    }
}

/// A request that failed once.
struct RequestFailure: Error, Sendable {
    var error: BlobStoreError
    /// Whether trying again can help.
    var isTransient: Bool
    /// The pause the server asked for.
    var retryAfter: Duration?
}

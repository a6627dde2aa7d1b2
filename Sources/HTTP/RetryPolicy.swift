/// When a failed request is tried again.
package struct RetryPolicy: Sendable {
    /// How often a request is tried in all.
    package var attempts: Int
    /// The pause after the first failure; it doubles with each further one.
    package var firstPause: Duration
    /// No pause is longer, unless the server asks for that.
    package var longestPause: Duration
    /// After this time no further attempt begins.
    package var total: Duration
    /// A server that asks for a longer pause (Retry-After) gets this one.
    package var longestRetryAfter: Duration

    /// See the properties of the same names.
    package init(
        attempts: Int = 5, firstPause: Duration = .milliseconds(250), longestPause: Duration = .seconds(10),
        total: Duration = .seconds(60), longestRetryAfter: Duration = .seconds(60)
    ) {
        self.attempts = attempts
        self.firstPause = firstPause
        self.longestPause = longestPause
        self.total = total
        self.longestRetryAfter = longestRetryAfter
    }

    /// How long to pause before the next attempt; nil to give up.
    ///
    /// - Parameters:
    ///   - failures: how many attempts have failed, at least one.
    ///   - elapsed: since the first attempt began.
    ///   - retryAfter: what the server asked for, if it did.
    ///   - random: 0..<1; spreads the attempts of many clients over the second half of the pause.
    package func pause(failures: Int, elapsed: Duration, retryAfter: Duration?, random: Double) -> Duration? {
        guard failures < attempts, elapsed < total else { return nil }
        let doublings = min(max(failures - 1, 0), 20)
        let pause = min(longestPause, firstPause * (1 << doublings))
        let spread = pause * (0.5 + random / 2)
        guard let retryAfter else { return spread }
        return max(spread, min(retryAfter, longestRetryAfter))
    }

    /// Runs `attempt` until it succeeds, fails for good, or the policy gives up, which throws its last error.
    ///
    /// - Parameters:
    ///   - Failure: the errors of which some are worth another try; any other one is thrown at once.
    ///   - now: the time since a fixed moment.
    ///   - random: 0..<1, another one each time.
    ///   - sleep: pauses.
    ///   - willRetry: is told of each failure that is not the end, and of the pause after it.
    package func run<Failure: RetryableFailure, Result>(
        retrying _: Failure.Type, now: () -> Duration, random: () -> Double, sleep: (Duration) async throws -> Void,
        willRetry: (Failure, Duration) -> Void = { _, _ in }, attempt: () async throws -> Result
    ) async throws -> Result {
        let start = now()
        var failures = 0
        while true {
            do {
                return try await attempt()
            } catch let failure as Failure {
                failures += 1
                guard failure.isTransient,
                    let pause = pause(
                        failures: failures, elapsed: now() - start, retryAfter: failure.retryAfter, random: random())
                else { throw failure }
                willRetry(failure, pause)
                try await sleep(pause)
            }
        }
    }
}

/// A request that failed once.
package protocol RetryableFailure: Error {
    /// Whether trying again can help.
    var isTransient: Bool { get }
    /// The pause the server asked for.
    var retryAfter: Duration? { get }
}

/// The schedule for retries of failed requests.
package struct RetryPolicy: Sendable {
    /// Maximum number of attempts.
    package var attempts: Int
    /// The pause after the first failure; it doubles with each further one.
    package var firstPause: Duration
    /// The maximum pause, unless the server requests a longer one.
    package var longestPause: Duration
    /// No attempt begins after this time.
    package var total: Duration
    /// The maximum pause that a server can request (Retry-After).
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

    /// The pause before the next attempt; nil to give up.
    ///
    /// - Parameters:
    ///   - failures: the number of failed attempts, at least one.
    ///   - elapsed: time since the start of the first attempt.
    ///   - retryAfter: the pause requested by the server, if any.
    ///   - random: 0..<1; spreads the attempts of many clients over the second half of the pause.
    package func pause(failures: Int, elapsed: Duration, retryAfter: Duration?, random: Double) -> Duration? {
        guard failures < attempts, elapsed < total else { return nil }
        let doublings = min(max(failures - 1, 0), 20)
        let pause = min(longestPause, firstPause * (1 << doublings))
        let spread = pause * (0.5 + random / 2)
        guard let retryAfter else { return spread }
        return max(spread, min(retryAfter, longestRetryAfter))
    }

    /// Runs `attempt` until it succeeds, fails permanently, or the policy gives up, and then throws its last error.
    ///
    /// - Parameters:
    ///   - Failure: the type of retryable errors; any other error is thrown at once.
    ///   - now: the time since a fixed moment.
    ///   - random: 0..<1, a new value for each call.
    ///   - sleep: pauses.
    ///   - willRetry: called for each failure that is retried, with the pause after it.
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

/// One failed attempt of a request.
package protocol RetryableFailure: Error {
    /// Whether a retry can succeed.
    var isTransient: Bool { get }
    /// The pause requested by the server.
    var retryAfter: Duration? { get }
}

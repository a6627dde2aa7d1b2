import HTTP
import Testing

@Suite struct RetryPolicyTests {
    private let policy = RetryPolicy()

    @Test(arguments: [(1, 0.25), (2, 0.5), (3, 1.0), (4, 2.0)])
    func pausesDoubleAndAreSpread(_ failures: Int, _ seconds: Double) {
        for (random, share) in [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)] {
            #expect(
                policy.pause(failures: failures, elapsed: .zero, retryAfter: nil, random: random)
                    == .seconds(seconds * share))
        }
    }

    @Test func pausesAreBoundedHoweverManyFailuresThereWere() {
        let patient = RetryPolicy(attempts: .max)
        for failures in [7, 20, 63, 64, 1_000_000] {
            #expect(patient.pause(failures: failures, elapsed: .zero, retryAfter: nil, random: 1) == .seconds(10))
        }
    }

    @Test func attemptsAndTimeAreBounded() {
        #expect(policy.pause(failures: 5, elapsed: .zero, retryAfter: nil, random: 0) == nil)
        #expect(policy.pause(failures: 1, elapsed: .seconds(60), retryAfter: nil, random: 0) == nil)
        #expect(policy.pause(failures: 1, elapsed: .seconds(60), retryAfter: .seconds(1), random: 0) == nil)
    }

    @Test(arguments: [(0, 0.25), (7, 7.0), (60, 60.0), (3600, 60.0)])
    func theServersWishIsHonouredUpToABound(_ asked: Int, _ seconds: Double) {
        #expect(
            policy.pause(failures: 1, elapsed: .seconds(59), retryAfter: .seconds(asked), random: 1)
                == .seconds(seconds))
    }

    private struct Refused: RetryableFailure {
        var isTransient = true
        var retryAfter: Duration?
    }

    /// Runs the policy under a clock of its own, which only pauses and attempts (of one second) advance.
    private func run(failures: Int, transient: Bool = true, policy: RetryPolicy = RetryPolicy()) async
        -> (attempts: Int, pauses: [Duration], told: Int, succeeded: Bool)
    {
        var now = Duration.zero
        var attempts = 0
        var pauses: [Duration] = []
        var told = 0
        do {
            try await policy.run(
                retrying: Refused.self, now: { now }, random: { 1 },
                sleep: {
                    now += $0
                    pauses.append($0)
                }, willRetry: { _, _ in told += 1 },
                attempt: {
                    attempts += 1
                    now += .seconds(1)
                    if attempts <= failures { throw Refused(isTransient: transient) }
                })
            return (attempts, pauses, told, true)
        } catch {
            return (attempts, pauses, told, false)
        }
    }

    @Test func transientFailuresAreTriedAgain() async {
        let result = await run(failures: 2)
        #expect(result == (3, [.seconds(0.25), .seconds(0.5)], 2, true))
    }

    @Test func othersAreNot() async {
        let result = await run(failures: 1, transient: false)
        #expect(result == (1, [], 0, false))
    }

    @Test func itGivesUpAfterTheLastAttempt() async {
        let result = await run(failures: .max)
        #expect(result.attempts == 5 && result.pauses.count == 4 && !result.succeeded)
    }

    @Test func itGivesUpAfterItsTime() async {
        let result = await run(failures: .max, policy: RetryPolicy(attempts: .max, total: .seconds(30)))
        #expect(result.attempts == 8 && !result.succeeded)
    }

    @Test func aCancelledPauseEndsIt() async {
        let task = Task {
            try await RetryPolicy(firstPause: .seconds(600)).run(
                retrying: Refused.self, now: { .zero }, random: { 0 }, sleep: { try await Task.sleep(for: $0) },
                attempt: { throw Refused() })
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}

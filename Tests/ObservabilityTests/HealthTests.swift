import Logging
import Support
import Synchronization
import TestSupport
import Testing

@testable import Observability

/// The checks under simulated time.
@Suite struct HealthTests {
    private let limits = LastingTrouble.Limits(warning: .seconds(60), failure: .seconds(300))

    @Test func failuresThatLastAreWarnedAboutAndThenFail() {
        var checks = HealthChecks()
        var tracker = FailureTracker("listing the storage", limits: limits)
        let outcome = { (checks: inout HealthChecks, tracker: FailureTracker, now: Int) in
            checks.set("main_list", tracker.trouble)
            return checks.outcome(at: .seconds(now))
        }
        #expect(outcome(&checks, tracker, 0) == .init())
        tracker.failed("no route", at: .seconds(10))
        tracker.failed("timeout", at: .seconds(69))
        #expect(outcome(&checks, tracker, 69) == .init())
        #expect(checks.nextChange(after: .seconds(69)) == .seconds(70))
        var expected = HealthChecks.Outcome()
        expected.status = .warning
        expected.warnings = ["main_list": "listing the storage has failed for 1m0s: timeout"]
        #expect(outcome(&checks, tracker, 70) == expected)
        #expect(checks.nextChange(after: .seconds(70)) == .seconds(310))
        #expect(outcome(&checks, tracker, 309).status == .warning)
        #expect(
            outcome(&checks, tracker, 310).failures == ["main_list": "listing the storage has failed for 5m0s: timeout"]
        )
        #expect(outcome(&checks, tracker, 310).warnings.isEmpty)
        #expect(outcome(&checks, tracker, 310).status == .unavailable)
        #expect(checks.nextChange(after: .seconds(310)) == nil)
        tracker.succeeded()
        #expect(outcome(&checks, tracker, 311) == .init())
        // Consecutive ones count, not those before a success.
        tracker.failed("timeout", at: .seconds(320))
        #expect(outcome(&checks, tracker, 379).status == .ok)
        #expect(outcome(&checks, tracker, 380).status == .warning)
    }

    @Test func whatWorksDoesNotHideWhatFails() {
        var tracker = FailureTracker("loading a snapshot", limits: limits)
        tracker.failed("a is broken", of: "a", at: .seconds(1))
        tracker.failed("b is broken", of: "b", at: .seconds(2))
        tracker.succeeded("b")
        tracker.succeeded("c")
        #expect(tracker.trouble?.since == .seconds(1))
        #expect(tracker.trouble?.lastError == "a is broken")
        tracker.keep { $0 != "a" }
        #expect(tracker.trouble == nil)
        for number in 0..<10_000 { tracker.failed("x", of: "\(number)", at: .seconds(number)) }
        #expect(tracker.trouble?.since == .zero)
    }

    @Test func conditionsAreThereAtOnce() {
        var checks = HealthChecks()
        checks.set("main_clock_skew", .warning, "ahead")
        #expect(checks.outcome(at: .zero).status == .warning)
        checks.set("main_namesake", .failure, "two")
        #expect(checks.outcome(at: .zero).status == .unavailable)
        #expect(checks.outcome(at: .zero).warnings == ["main_clock_skew": "ahead"])
        #expect(checks.outcome(at: .zero).failures == ["main_namesake": "two"])
        checks.set("main_namesake", .failure, nil)
        checks.set("main_clock_skew", .warning, nil)
        #expect(checks.outcome(at: .zero) == .init())
    }

    @Test(arguments: [
        (Duration.milliseconds(900), "0s"), (.seconds(59), "59s"), (.seconds(60), "1m0s"), (.seconds(3599), "59m59s"),
        (.seconds(7205), "2h0m5s"), (.seconds(-3), "0s"),
    ])
    func durations(duration: Duration, text: String) { #expect(LastingTrouble.text(duration) == text) }

    /// A clock that a test sets.
    private final class TestClock: Sendable {
        private let seconds = Mutex(0)
        func set(_ seconds: Int) { self.seconds.withLock { $0 = seconds } }
        var now: Moment {
            let seconds = seconds.withLock(\.self)
            return Moment(uptime: .seconds(seconds), wall: WallTime(seconds: Int64(seconds)))
        }
    }

    @Test func theStatusIsDatedAndItsChangesAreLoggedOnce() {
        let (clock, output) = (TestClock(), CollectedLines())
        let logger = Logger(label: "test") { _ in
            LineLogHandler(settings: LogSettings(format: .logfmt, timestamp: .disable), output: output)
        }
        let board = HealthBoard(clock: { clock.now }, logger: logger)
        #expect(board.report().since == WallTime(seconds: 0))
        board.update { checks, now in
            checks.set("x", LastingTrouble("sleeping has gone on", since: now, limits: limits))
        }
        clock.set(59)
        #expect(board.report().outcome.status == .ok)
        clock.set(61)
        #expect(board.report().outcome.status == .warning)
        clock.set(62)
        let report = board.report()
        #expect(report.since == WallTime(seconds: 61))
        #expect(report.time == WallTime(seconds: 62))
        clock.set(400)
        #expect(board.report().since == WallTime(seconds: 400))
        _ = board.report()
        clock.set(401)
        board.update { checks, _ in checks.set("x", nil) }
        #expect(board.report().since == WallTime(seconds: 401))
        #expect(
            output.all == [
                "level=warning msg=\"health is Warning\" x=\"sleeping has gone on for 1m1s\"\n",
                "level=error msg=\"health is Unavailable\" x=\"sleeping has gone on for 6m40s\"\n",
                "level=info msg=\"health is OK again\"\n",
            ])
        board.note("startup_main", true)
        #expect(board.report().notes == ["startup_main": true])
    }

    /// Nobody asks: the change is noticed all the same.
    @Test func whatTimeAloneChangesIsNoticed() async throws {
        let output = CollectedLines()
        let logger = Logger(label: "test") { _ in LineLogHandler(settings: LogSettings(), output: output) }
        let board = HealthBoard(clock: Moment.clock(), logger: logger)
        board.update { checks, now in
            checks.set(
                "x",
                LastingTrouble(
                    "sleeping has gone on", since: now,
                    limits: .init(warning: .milliseconds(20), failure: .milliseconds(60))))
        }
        try await eventually { output.all.last?.contains("Unavailable") == true }
        withExtendedLifetime(board) {}
    }
}

import Testing

@testable import Replication

@Suite struct CaptureMachineTests {
    private static let interval = Duration.seconds(1)
    private static let retry = Duration.seconds(5)
    private static let quiet = Sender.quietTime
    private static let longest = Sender.longestWait
    private var machine = CaptureMachine(minimumInterval: interval, retryInterval: retry)

    /// Captures everything up to a transaction.
    private mutating func capture(through transaction: UInt64, at now: Duration) {
        machine.started()
        machine.captured(through: transaction, at: now)
    }

    @Test mutating func theFirstIsDueAtOnce() {
        #expect(machine.due == .zero && !machine.hasStarted)
        machine.observed(10, at: .seconds(3))
        #expect(machine.due == .zero)
        machine.started()
        machine.captured(through: 10, at: .seconds(4))
        #expect(machine.hasStarted && machine.due == nil)
    }

    @Test mutating func aBurstIsOneCapture() {
        capture(through: 10, at: .zero)
        for step in 0..<5 { machine.observed(11 + UInt64(step), at: .seconds(10) + .milliseconds(10 * step)) }
        #expect(machine.due == .seconds(10) + .milliseconds(40) + Self.quiet)
        // One that does not pause is not waited for.
        for step in 5..<100 { machine.observed(11 + UInt64(step), at: .seconds(10) + .milliseconds(10 * step)) }
        #expect(machine.due == .seconds(10) + Self.longest)
        capture(through: 110, at: .seconds(11))
        #expect(machine.due == nil)
    }

    @Test mutating func capturesKeepTheirDistance() {
        capture(through: 10, at: .seconds(10))
        machine.observed(11, at: .seconds(10) + .milliseconds(100))
        #expect(machine.due == .seconds(10) + Self.interval)
        // Which begins with the end of the one before, however long that took.
        machine.started()
        machine.observed(12, at: .seconds(15))
        machine.captured(through: 11, at: .seconds(20))
        #expect(machine.due == .seconds(20) + Self.interval)
        machine.started()
        machine.captured(through: 12, at: .seconds(21))
        #expect(machine.due == nil)
    }

    @Test mutating func whatIsKnownIsNoChange() {
        capture(through: 10, at: .zero)
        machine.observed(10, at: .seconds(10))
        machine.observed(9, at: .seconds(10))
        #expect(machine.due == nil)
        machine.observed(11, at: .seconds(10))
        let due = machine.due
        machine.observed(11, at: .seconds(11))
        #expect(machine.due == due && due != nil)
    }

    @Test(arguments: [false, true]) mutating func failuresAreTriedAgain(isFirst: Bool) {
        if !isFirst { capture(through: 10, at: .zero) }
        machine.observed(11, at: .seconds(10))
        for round in 1..<4 {
            machine.started()
            let now = Duration.seconds(10 * round + 10)
            machine.failed(at: now)
            #expect(machine.due == now + Self.retry)
            // Whatever comes in between.
            machine.observed(11 + UInt64(round), at: now + .seconds(1))
            #expect(machine.due == now + Self.retry)
            #expect(machine.hasStarted == !isFirst)
        }
        capture(through: 14, at: .seconds(60))
        #expect(machine.due == nil && machine.hasStarted)
    }

    @Test mutating func transactionsOfOurOwnAreNoChange() {
        capture(through: 10, at: .zero)
        machine.observed(11, at: .seconds(10))
        machine.ownCommitted(11)
        #expect(machine.due == nil)
        machine.ownCommitted(12)
        machine.observed(12, at: .seconds(11))
        #expect(machine.due == nil)
        // Behind one of the application's, which is still to be captured.
        machine.ownCommitted(14)
        machine.observed(14, at: .seconds(12))
        #expect(machine.due != nil)
        // Before the first capture nothing is known.
        var new = CaptureMachine(minimumInterval: Self.interval, retryInterval: Self.retry)
        new.ownCommitted(1)
        #expect(!new.hasStarted && new.due == .zero)
    }

    /// A send or a merge captures, too.
    @Test mutating func whatOthersHaveCapturedIsDone() {
        capture(through: 10, at: .zero)
        machine.observed(11, at: .seconds(10))
        machine.captured(through: 12, at: .seconds(10))
        #expect(machine.due == nil)
        // Late news of before.
        machine.observed(12, at: .seconds(11))
        #expect(machine.due == nil)
        machine.observed(13, at: .seconds(20))
        machine.captured(through: 12, at: .seconds(20))
        #expect(machine.due == .seconds(20) + Self.interval)
    }
}

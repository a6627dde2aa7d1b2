import Testing

@testable import Replication

@Suite struct SweeperMachineTests {
    private static let settings = SweeperMachine.Settings(
        retention: .seconds(86400), firstInterval: .seconds(10), interval: .seconds(100),
        lockDuration: .milliseconds(50), releaseDuration: .milliseconds(40))

    @Test func runsAfterTheFirstIntervalAndThenAtTheInterval() {
        var machine = SweeperMachine(settings: Self.settings)
        #expect(machine.due == .seconds(10))
        machine.started(at: .seconds(12))
        machine.ended(nil, isLast: true, at: .seconds(13))
        #expect(machine.due == .seconds(112))
    }

    @Test func goesOnAtOnceAfterALookAndPausesAfterTheLock() {
        var machine = SweeperMachine(settings: Self.settings)
        machine.started(at: .seconds(10))
        machine.ended(nil, isLast: false, at: .seconds(11))
        #expect(machine.due == .seconds(11))
        machine.started(at: .seconds(11))
        let lock = SweepLock(deleting: .milliseconds(1), committing: .milliseconds(1))
        machine.ended(lock, isLast: false, at: .seconds(12))
        #expect(machine.due == .seconds(12) + .milliseconds(40))
    }

    @Test func aRunLongerThanTheIntervalIsFollowedByAPauseOnly() {
        var machine = SweeperMachine(settings: Self.settings)
        machine.started(at: .seconds(10))
        let lock = SweepLock(deleting: .milliseconds(1), committing: .milliseconds(1))
        machine.ended(lock, isLast: true, at: .seconds(500))
        #expect(machine.due == .seconds(500) + .milliseconds(40))
    }

    @Test func aFailedRunIsOver() {
        var machine = SweeperMachine(settings: Self.settings)
        machine.started(at: .seconds(10))
        machine.failed(at: .seconds(20))
        #expect(machine.due == .seconds(120))
    }

    /// However commits cost, deletions and commit together come to fill the lock's time, and do not exceed it by much.
    @Test(arguments: [(0, 0.1), (0, 1.0), (0, 20.0), (10, 0.5), (30, 2.0), (45, 0.0)])
    func learnsHowLongCommitsTake(fixed: Int, perDeletion: Double) {
        var machine = SweeperMachine(settings: Self.settings)
        var total = Duration.zero
        for _ in 0..<60 {
            let deleting = machine.deletionTime
            let committing = Duration.milliseconds(fixed) + deleting * perDeletion
            total = deleting + committing
            machine.started(at: .zero)
            machine.ended(SweepLock(deleting: deleting, committing: committing), isLast: false, at: .zero)
        }
        #expect(total > .milliseconds(35) && total < .milliseconds(51))
    }

    /// A commit that takes longer than the lock may be held leaves little time for deleting.
    @Test func aSlowDiskLeavesLittleTime() {
        var machine = SweeperMachine(settings: Self.settings)
        for _ in 0..<20 {
            let lock = SweepLock(deleting: machine.deletionTime, committing: .milliseconds(200))
            machine.ended(lock, isLast: false, at: .zero)
        }
        #expect(machine.deletionTime < .milliseconds(1))
    }

    @Test(arguments: [Duration.zero, .milliseconds(50)])
    func surprisingTimesDoNoHarm(lock duration: Duration) {
        var settings = Self.settings
        settings.lockDuration = duration
        var machine = SweeperMachine(settings: settings)
        machine.ended(SweepLock(deleting: .zero, committing: .zero), isLast: false, at: .zero)
        #expect(machine.deletionTime <= duration)
        machine.ended(SweepLock(deleting: .seconds(3), committing: .zero), isLast: false, at: .zero)
        #expect(machine.deletionTime <= duration)
    }
}

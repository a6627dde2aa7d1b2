import Testing

@testable import Replication

/// Sends without a change.
extension SenderTests {
    // MARK: Without changes

    @Test func theInitialOneGoesOutWithoutAChange() {
        var sender = sender()
        sender.requestInitial()
        #expect(sender.due == .zero)
        #expect(!sender.isDone)
        sender.started(at: .seconds(1))
        sender.read(10)
        sender.stored()
        #expect(sender.hasSentInitial)
        #expect(sender.due == nil)
    }

    @Test func aSendUnderWayIsNotTheInitialOne() {
        var sender = sender()
        sender.started(at: .seconds(1))
        sender.requestInitial()
        sender.read(10)
        sender.stored()
        #expect(!sender.hasSentInitial)
        #expect(sender.due == .seconds(2))
    }

    @Test func anEmptyLMDBIsInitialEnough() {
        var sender = sender(transaction: 0)
        sender.requestInitial()
        sender.started(at: .seconds(1))
        sender.foundNothing(0)
        #expect(sender.hasSentInitial)
        #expect(sender.isDone)
        sender.observed(1, at: .seconds(5))
        #expect(sender.due == .milliseconds(5020))
    }

    @Test func theForceIntervalCountsBesideALaterOne() {
        var sender = sender(force: .seconds(60))
        sender.started(at: .seconds(1))
        sender.read(10)
        sender.stored()
        #expect(sender.due(full: .seconds(3600)) == .seconds(61))
        #expect(sender.due(full: .seconds(30)) == .seconds(30))
    }

    /// A full snapshot behind a delta has nothing new.
    @Test func whatFollowsADeltaDelaysNoChange() {
        var sender = sender()
        sender.started(at: .seconds(1))
        sender.read(10)
        sender.stored(isFull: false)
        sender.started(at: .seconds(2), isRepetition: true)
        sender.read(10)
        sender.stored()
        sender.observed(11, at: .milliseconds(2500))
        #expect(sender.due == .milliseconds(2520))
        sender.started(at: .milliseconds(2520))
        sender.read(11)
        sender.stored(isFull: false)
        sender.observed(12, at: .milliseconds(2600))
        #expect(sender.due == .milliseconds(3520))
    }

    @Test func aStoredSnapshotIsAnnouncementEnough() {
        var sender = sender(transaction: 0)
        sender.requestInitial()
        sender.started(at: .seconds(1))
        sender.foundNothing(0)
        sender.observed(1, at: .seconds(5))
        sender.started(at: .seconds(6))
        sender.read(1)
        sender.stored()
        sender.merged(as: 2, at: .seconds(7))
        #expect(sender.isDone)
    }

    @Test func theInitialOneIsTriedAgain() {
        var sender = sender()
        sender.requestInitial()
        sender.started(at: .seconds(1))
        sender.read(10)
        sender.failed(at: .seconds(2))
        #expect(!sender.hasSentInitial)
        #expect(sender.due == .seconds(7))
        sender.started(at: .seconds(7))
        sender.read(10)
        sender.stored()
        #expect(sender.hasSentInitial)
    }

    @Test func afterTheForceIntervalOneIsSentWithoutAChange() {
        var sender = sender(force: .seconds(3600))
        #expect(sender.due == nil)
        sender.started(at: .seconds(1))
        sender.read(10)
        sender.stored()
        #expect(sender.due == .seconds(3601))
        #expect(sender.isDone)
        sender.observed(11, at: .seconds(100))
        #expect(sender.due == .milliseconds(100_020))
    }

    @Test func noForceIntervalIsNever() {
        var sender = sender(force: .zero)
        sender.started(at: .seconds(1))
        sender.read(10)
        sender.stored()
        #expect(sender.due == nil)
    }

    @Test func transactionsAtTheEndOfTheirRangeDoNotTrap() {
        var sender = sender(transaction: .max)
        sender.merged(as: .max, at: .seconds(1))
        sender.observed(.max, at: .seconds(1))
        sender.started(at: .seconds(1))
        sender.read(.max)
        sender.failed(at: .seconds(1))
        #expect(sender.due == .seconds(6))
    }
}

import Snapshots
import Testing

@testable import Replication

/// What goes on beside a merge that waits for the write lock.
@Suite struct LMDBWorkTests {
    private let a = snapshot("a", 1)
    private let b = snapshot("b", 2)
    private let c = snapshot("c", 3)
    private let patience = LMDBWork.patience

    /// A loop that applies one snapshot, with two others that come.
    private func waiting() -> Loop {
        var loop = Loop(concurrent: 3)
        loop.startAlone()
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([a, b, c])) == [.download(a), .download(b), .download(c)])
        #expect(loop.handle(.downloaded(a)) == [.compare(a)])
        #expect(loop.handle(.compared(a)) == [.apply(a)])
        return loop
    }

    @Test func theNextSnapshotIsComparedBesideAMergeThatWaits() {
        var loop = waiting()
        #expect(loop.handle(.downloaded(b)) == [])
        #expect(loop.machine.nextTick == loop.now + patience)
        #expect(loop.handle(.tick, after: patience / 2) == [])
        #expect(loop.handle(.tick, after: patience / 2) == [.compare(b)])
        // There is nothing in it.
        #expect(loop.handle(.downloaded(c)) == [])
        #expect(loop.handle(.merged(b, transaction: nil)) == [.compare(c)])
        // But there is in this one, which has its turn after the first.
        #expect(loop.handle(.compared(c)) == [])
        #expect(loop.machine.work.planned == c)
        #expect(loop.handle(.merged(a, transaction: 11)) == [.apply(c)])
        #expect(loop.handle(.merged(c, transaction: 12)) == [])
        #expect(loop.machine.work.isIdle && loop.machine.sender.isDone)
    }

    @Test func oneSnapshotWaitsToBeAppliedAtMost() {
        var loop = waiting()
        #expect(loop.handle(.downloaded(b), after: patience) == [.compare(b)])
        #expect(loop.handle(.downloaded(c)) == [])
        #expect(loop.handle(.compared(b)) == [])
        #expect(loop.machine.nextTick.map { $0 > loop.now } ?? true)
        #expect(loop.handle(.tick, after: .seconds(1)) == [.list])
        #expect(loop.handle(.merged(a, transaction: nil)) == [.apply(b)])
        #expect(loop.handle(.tick, after: patience) == [.compare(c)])
    }

    @Test func aLocalChangeIsSentBesideAMergeThatWaits() {
        var loop = waiting()
        #expect(loop.handle(.observed(transaction: 11)) == [])
        #expect(loop.machine.nextTick == loop.now + patience)
        #expect(loop.handle(.tick, after: patience) == [.send])
        // What is compared waits until it is read, and the merge may end before.
        #expect(loop.handle(.downloaded(b)) == [])
        #expect(loop.handle(.merged(a, transaction: 12)) == [])
        #expect(loop.handle(.read(transaction: 11)) == [.compare(b)])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [])
        #expect(loop.handle(.merged(b, transaction: nil)) == [])
        // Ours is not sent.
        #expect(loop.pass(.seconds(100), listing: [a, b]) == [])
    }

    @Test func whatIsComparedIsAppliedBesideASend() {
        var loop = waiting()
        #expect(loop.handle(.downloaded(b), after: patience) == [.compare(b)])
        #expect(loop.handle(.compared(b)) == [])
        #expect(loop.handle(.observed(transaction: 11)) == [])
        #expect(loop.handle(.tick, after: .milliseconds(20)) == [.send])
        #expect(loop.handle(.merged(a, transaction: 12)) == [.apply(b)])
        #expect(loop.handle(.merged(b, transaction: 13)) == [])
        // It had begun before both.
        #expect(loop.handle(.read(transaction: 11)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [])
        #expect(loop.pass(.seconds(100), listing: [a, b]) == [])
    }

    /// The file changes before the loop hears of the end of the merge, which may take a while.
    @Test func ourTransactionIsNoChangeBeforeItsMergeHasEnded() {
        var loop = waiting()
        #expect(loop.handle(.observed(transaction: 11, isOurs: true), after: .seconds(1)) == [.list])
        #expect(loop.handle(.tick, after: .seconds(1)) == [])
        #expect(loop.handle(.merged(a, transaction: 11)) == [])
        // With one of the application's before it, it is.
        #expect(loop.handle(.observed(transaction: 13, isOurs: true)) == [])
        #expect(loop.handle(.tick, after: Sender.quietTime) == [.send])
    }

    /// The bound on merges before a send holds for comparisons beside one, too.
    @Test func aSendThatIsDueIsNotKeptWaitingByComparisonsBesideAMerge() {
        var loop = Loop(concurrent: 30)
        loop.startAlone()
        let names = (0..<25).map { snapshot("a\($0)", UInt64($0)) }
        #expect(loop.handle(.tick) == [.list])
        _ = loop.handle(.listed(names))
        #expect(loop.handle(.downloaded(names[0])) == [.compare(names[0])])
        #expect(loop.handle(.compared(names[0])) == [.apply(names[0])])
        for name in names[1...] { _ = loop.handle(.downloaded(name)) }
        #expect(loop.handle(.observed(transaction: 11)) == [])
        var actions = loop.handle(.tick, after: patience)
        for index in 1..<SyncMachine.mergesInARow {
            #expect(actions == [.compare(names[index])])
            actions = loop.handle(.merged(names[index], transaction: nil))
        }
        #expect(actions == [.send])
    }

    @Test func neitherSweeperNorRecordGoBesideAnything() {
        var loop = waiting()
        #expect(loop.handle(.downloaded(b), after: patience) == [.compare(b)])
        #expect(loop.machine.work.reading == .comparing(b) && loop.machine.work.writing == .applying(a))
        #expect(!loop.machine.work.isIdle && !loop.machine.work.mayRead(at: loop.now))
        #expect(loop.handle(.merged(a, transaction: nil)) == [])
        #expect(!loop.machine.work.isIdle)
        #expect(loop.handle(.merged(b, transaction: nil)) == [])
        #expect(loop.machine.work.isIdle)
    }

    /// They need the write lock themselves.
    @Test func withShadowsEverythingWaits() {
        var loop = Loop(concurrent: 3, hasShadows: true)
        #expect(loop.handle(.tick) == [.list, .capture])
        #expect(loop.handle(.captured(through: 10, transaction: nil)) == [])
        #expect(loop.handle(.listed([a, b])) == [.download(a), .download(b)])
        #expect(loop.handle(.downloaded(a)) == [.compare(a)])
        #expect(loop.handle(.compared(a)) == [.apply(a)])
        #expect(loop.handle(.downloaded(b)) == [])
        #expect(loop.handle(.observed(transaction: 11)) == [])
        #expect(loop.machine.nextTick.map { $0 > loop.now } ?? true)
        #expect(loop.handle(.tick, after: .seconds(10)).allSatisfy { $0 == .list })
        // The send captures.
        #expect(loop.handle(.merged(a, transaction: 12)) == [.compare(b)])
        #expect(loop.handle(.tick, after: .seconds(10)).allSatisfy { $0 == .list })
        #expect(loop.handle(.merged(b, transaction: nil)) == [.send])
        #expect(loop.handle(.captured(through: 13, transaction: 13)) == [])
    }

    @Test(arguments: [false, true]) func shutsDownAfterTheMergeAndWhatGoesOnBesideIt(isMergeFirst: Bool) {
        var loop = waiting()
        #expect(loop.handle(.downloaded(b), after: patience) == [.compare(b)])
        #expect(loop.handle(.shutDown) == [])
        // What is compared is not applied any more.
        let events: [SyncMachine.Event] = [.merged(a, transaction: 11), .compared(b)]
        #expect(loop.handle(events[isMergeFirst ? 0 : 1]) == [])
        #expect(loop.handle(events[isMergeFirst ? 1 : 0]) == [.finish])
    }

    // MARK: What ends what

    @Test func onlyWhatIsUnderWayEnds() {
        var work = LMDBWork(hasShadows: false)
        work.begin(.comparing(a))
        work.compared(b)
        work.merged(b)
        work.scanned()
        work.wrote(.sweeping)
        #expect(work.reading == .comparing(a) && work.planned == nil)
        work.compared(a)
        #expect(work.reading == .idle && work.planned == a && work.mayApply && !work.isIdle)
        work.begin(.applying(a), at: .seconds(1))
        #expect(work.planned == nil && !work.mayApply && !work.mayRead(at: .seconds(1)))
        work.begin(.scanning)
        work.merged(b)
        work.wrote(.capturing)
        #expect(work.writing == .applying(a) && work.reading == .scanning)
        work.merged(a)
        work.scanned()
        #expect(work.isIdle)
    }
}

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
        #expect(loop.machine.work.planned == [c])
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
        #expect(loop.handle(.tick, after: patience) == [.send(.full)])
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
        #expect(loop.handle(.tick, after: .milliseconds(20)) == [.send(.full)])
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
        #expect(loop.handle(.tick, after: Sender.quietTime) == [.send(.full)])
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
        #expect(actions == [.send(.full)])
    }

    @Test func neitherSweeperNorRecordGoBesideAnything() {
        var loop = waiting()
        #expect(loop.handle(.downloaded(b), after: patience) == [.compare(b)])
        #expect(loop.machine.work.reading == .comparing(b) && loop.machine.work.writing == .applying([a]))
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
        #expect(loop.handle(.merged(b, transaction: nil)) == [.send(.full)])
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
        #expect(work.reading == .comparing(a) && work.planned.isEmpty)
        work.compared(a)
        #expect(work.reading == .idle && work.planned == [a] && work.mayApply && !work.isIdle)
        work.begin(.applying([a]), at: .seconds(1))
        #expect(work.planned.isEmpty && !work.mayApply && !work.mayRead(at: .seconds(1)))
        work.begin(.scanning)
        work.merged(b)
        work.wrote(.capturing)
        #expect(work.writing == .applying([a]) && work.reading == .scanning)
        work.merged(a)
        work.scanned()
        #expect(work.isIdle)
    }

    // MARK: Deltas

    private func listing(_ deltas: [SnapshotName]) -> SyncMachine.Event {
        .listed(.init([a], deltas: deltas.map { Catalog.Delta(name: $0, size: 10, version: "1") }))
    }

    /// A loop that reads deltas, with these downloaded.
    private func loop(_ deltas: [SnapshotName]) -> Loop {
        var loop = Loop(concurrent: 1, usesDeltas: true)
        loop.startAlone()
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(listing([])) == [.download(a)])
        #expect(loop.handle(.downloaded(a)) == [.compare(a)])
        #expect(loop.handle(.merged(a, .init(transaction: nil, readsDeltas: true))) == [])
        #expect(loop.handle(.tick, after: .seconds(1)) == [.list])
        #expect(loop.handle(listing(deltas)) == deltas.map { .download($0) })
        return loop
    }

    @Test func deltasThatWaitAreAppliedTogether() {
        let deltas = [delta("a", 1), delta("a", 2), delta("a", 3)]
        var loop = loop(deltas)
        #expect(loop.handle(.downloaded(deltas[1])) == [])
        #expect(loop.handle(.downloaded(deltas[2])) == [])
        #expect(loop.handle(.downloaded(deltas[0])) == [.compare(deltas[0])])
        #expect(loop.handle(.compared(deltas[0])) == [.compare(deltas[1])])
        // One that is refused holds up no other.
        #expect(loop.handle(.refused(deltas[1])) == [.compare(deltas[2])])
        #expect(loop.handle(.compared(deltas[2])) == [.apply([deltas[0], deltas[2]])])
        #expect(loop.machine.work.writing == .applying([deltas[0], deltas[2]]))
        #expect(loop.handle(.merged(deltas[0], .init(transaction: 11, position: 2))) == [])
        #expect(!loop.machine.work.isIdle)
        #expect(loop.handle(.mergeFailed(deltas[2])) == [])
        #expect(loop.machine.work.isIdle)
    }

    @Test func whatComesWhileAMergeWaitsForTheLockIsAppliedTogether() {
        let deltas = [delta("a", 1), delta("a", 2), delta("a", 3)]
        var loop = loop(deltas)
        #expect(loop.handle(.downloaded(deltas[0])) == [.compare(deltas[0])])
        #expect(loop.handle(.compared(deltas[0])) == [.apply(deltas[0])])
        #expect(loop.handle(.downloaded(deltas[1]), after: patience) == [.compare(deltas[1])])
        #expect(loop.handle(.downloaded(deltas[2])) == [])
        #expect(loop.handle(.compared(deltas[1])) == [.compare(deltas[2])])
        // The merge ends while the last one is compared, and that is not long.
        #expect(loop.handle(.merged(deltas[0], .init(transaction: 11, position: 2))) == [])
        #expect(loop.handle(.compared(deltas[2])) == [.apply([deltas[1], deltas[2]])])
    }

    @Test func aSendThatIsDueDoesNotWaitForMoreThanSoManyDeltas() {
        let deltas = (1...20).map { delta("a", UInt64($0)) }
        var loop = loop(deltas)
        for name in deltas[1...] { #expect(loop.handle(.downloaded(name)) == []) }
        #expect(loop.handle(.observed(transaction: 11)) == [])
        #expect(loop.handle(.downloaded(deltas[0]), after: .milliseconds(15)) == [.compare(deltas[0])])
        loop.wait(.seconds(1))
        // The full snapshot was merged before.
        let together = Array(deltas.prefix(SyncMachine.mergesInARow - 1))
        for (index, name) in together.enumerated() {
            let actions = loop.handle(.compared(name)).filter { $0 != .list }
            #expect(actions == [name == together.last ? .apply(together) : .compare(deltas[index + 1])])
        }
    }
}

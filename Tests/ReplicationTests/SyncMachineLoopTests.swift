import Snapshots
import Testing

@testable import Replication

/// The loop after start-up, and how it ends.
extension SyncMachineTests {
    // MARK: The loop

    @Test func ownMergesAloneCauseNoSend() {
        var loop = Loop()
        loop.startAlone()
        #expect(loop.handle(.tick) == [.list])
        for index in 1...20 as ClosedRange<UInt64> {
            let name = snapshot("a", index)
            #expect(loop.handle(.listed([name])) == [.download(name)])
            #expect(loop.handle(.downloaded(name)) == [.compare(name)])
            // The file is seen to change before the merge has been reported.
            #expect(loop.handle(.observed(transaction: 10 + index), after: .milliseconds(1)) == [])
            #expect(loop.handle(.merged(name, transaction: 10 + index)) == [])
            #expect(loop.pass(.milliseconds(900), listing: [name]) == [])
            #expect(loop.handle(.tick, after: .seconds(1)) == [.list])
        }
    }

    @Test func aMergeThatFindsUnsentChangesLeadsToASend() {
        var loop = Loop()
        loop.startAlone()
        let a = snapshot("a", 1)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([a])) == [.download(a)])
        #expect(loop.handle(.downloaded(a)) == [.compare(a)])
        // The application was quicker, and nobody has told yet.
        #expect(loop.handle(.merged(a, transaction: 12)) == [])
        #expect(loop.handle(.tick, after: .milliseconds(20)) == [.send(.full)])
    }

    @Test func anEmptyMergeIsNoChange() {
        var loop = Loop()
        loop.startAlone()
        let a = snapshot("a", 1)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([a])) == [.download(a)])
        #expect(loop.load(a) == [])
        #expect(loop.pass(.seconds(100), listing: [a]) == [])
    }

    /// As long as nobody has to wait for the write lock.
    @Test func theLMDBDoesOneThingAtATime() {
        var loop = Loop()
        loop.startAlone()
        let (a, b) = (snapshot("a", 1), snapshot("b", 2))
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([a, b])) == [.download(a), .download(b)])
        #expect(loop.handle(.downloaded(a)) == [.compare(a)])
        #expect(loop.handle(.downloaded(b)) == [])
        #expect(loop.handle(.merged(a, transaction: nil)) == [.compare(b)])
        #expect(loop.handle(.observed(transaction: 11)) == [])
        #expect(loop.handle(.tick, after: .milliseconds(50)) == [])
        #expect(loop.handle(.compared(b)) == [.apply(b)])
        #expect(loop.handle(.tick, after: .milliseconds(50)) == [])
        #expect(loop.handle(.merged(b, transaction: 12)) == [])
        #expect(loop.handle(.tick, after: Sender.quietTime) == [.send(.full)])
        // Nothing is compared while the LMDB is read, but while the snapshot is stored.
        let c = snapshot("c", 3)
        #expect(loop.handle(.tick, after: .seconds(1)) == [.list])
        #expect(loop.handle(.listed([a, b, c])) == [.download(c)])
        #expect(loop.handle(.downloaded(c)) == [])
        #expect(loop.handle(.read(transaction: 12)) == [.compare(c)])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [])
        #expect(loop.handle(.compared(c)) == [.apply(c)])
        #expect(loop.handle(.merged(c, transaction: 13)) == [])
    }

    @Test func afterTenMergesALocalChangeGoesOutFirst() {
        var loop = Loop(concurrent: 30)
        loop.startAlone()
        let names = (0..<25).map { snapshot("a\($0)", UInt64($0)) }
        #expect(loop.handle(.tick) == [.list])
        _ = loop.handle(.listed(names))
        #expect(loop.handle(.downloaded(names[0])) == [.compare(names[0])])
        for name in names[1...] { #expect(loop.handle(.downloaded(name)) == []) }
        // Before each send a change is due all the time.
        for round in 0..<2 {
            _ = loop.handle(.observed(transaction: UInt64(11 + round)))
            _ = loop.handle(.tick, after: .seconds(2))
            let first = round * SyncMachine.mergesInARow
            for index in first..<first + SyncMachine.mergesInARow {
                let isLast = index == first + SyncMachine.mergesInARow - 1
                let following = loop.handle(.merged(names[index], transaction: nil)).filter { $0 != .list }
                #expect(following == [isLast ? .send(.full) : .compare(names[index + 1])])
            }
            // Then the others have their turn again.
            #expect(
                loop.handle(.read(transaction: UInt64(11 + round)))
                    == [.compare(names[first + SyncMachine.mergesInARow])])
            #expect(loop.handle(.stored(snapshot("own", 1))) == [])
        }
    }

    @Test func withoutALocalChangeMergesGoOn() {
        var loop = Loop(concurrent: 30)
        loop.startAlone()
        let names = (0..<25).map { snapshot("a\($0)", UInt64($0)) }
        #expect(loop.handle(.tick) == [.list])
        _ = loop.handle(.listed(names))
        for name in names { _ = loop.handle(.downloaded(name)) }
        for (index, name) in names.enumerated() {
            let following = loop.handle(.merged(name, transaction: UInt64(11 + index)))
            #expect(following == (index == 24 ? [] : [.compare(names[index + 1])]))
        }
    }

    @Test func burstsGoOutTogetherAndTheFirstChangeAtOnce() {
        var loop = Loop()
        loop.startAlone()
        var sends = 0
        _ = loop.pass(.milliseconds(50), listing: [])
        for step in 0..<30 {
            let actions = loop.handle(.observed(transaction: UInt64(11 + step)), after: .milliseconds(10))
            sends += actions.count { $0 == .send(.full) }
            // A send that begins, ends at once.
            if actions.contains(.send(.full)) {
                _ = loop.handle(.read(transaction: UInt64(11 + step))) + loop.handle(.stored(snapshot("own", 1)))
            }
        }
        #expect(sends == 1)
        // The rest waits for the minimum interval.
        let actions = loop.pass(.seconds(2), listing: [])
        #expect(actions == [.send(.full)])
    }

    @Test func theForceIntervalSendsWithoutAChange() {
        var loop = Loop(force: .seconds(3600))
        loop.startAlone()
        #expect(loop.pass(.seconds(3580), listing: []) == [])
        #expect(loop.pass(.seconds(20), listing: []) == [.send(.full)])
        _ = loop.handle(.read(transaction: 10))
        _ = loop.handle(.stored(snapshot("own", 1)))
        #expect(loop.pass(.seconds(3589), listing: []) == [])
    }

    @Test func failedUploadsAreRetriedAndThenItGivesUp() {
        var loop = Loop(retries: 2)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([])) == [.send(.full)])
        for _ in 0..<2 {
            #expect(loop.handle(.read(transaction: 10)) == [])
            #expect(loop.handle(.sendFailed) == [])
            #expect(loop.pass(.milliseconds(4990), listing: []) == [])
            #expect(loop.pass(.milliseconds(10), listing: []) == [.send(.full)])
        }
        #expect(loop.handle(.read(transaction: 10)) == [])
        #expect(loop.handle(.sendFailed) == [.giveUp])
        #expect(loop.machine.nextTick == nil)
        #expect(loop.handle(.tick, after: .seconds(10)) == [])
    }

    @Test func withoutLimitUploadsAreRetriedForEver() {
        var loop = Loop()
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([])) == [.send(.full)])
        for _ in 0..<500 {
            #expect(loop.handle(.read(transaction: 10)) == [])
            #expect(loop.handle(.sendFailed) == [])
            #expect(loop.pass(.seconds(5), listing: []) == [.send(.full)])
        }
    }

    // MARK: Listings

    @Test func theStorageIsPolled() {
        var loop = Loop()
        loop.startAlone()
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.tick, after: .seconds(100)) == [])
        #expect(loop.handle(.listed([])) == [])
        // The listing itself took longer than the interval: it is followed by a pause of half of that.
        #expect(loop.machine.nextTick == loop.now + .milliseconds(475))
        #expect(loop.handle(.tick, after: .milliseconds(474)) == [])
        #expect(loop.handle(.tick, after: .milliseconds(1)) == [.list])
    }

    @Test func aSignalledChangeIsListedAtOnceButNotTooOften() {
        var loop = Loop()
        loop.startAlone()
        #expect(loop.handle(.hint(nil, source: .fileSystem)) == [.list])
        #expect(loop.handle(.listed([])) == [])
        #expect(loop.handle(.hint(nil, source: .fileSystem), after: .milliseconds(10)) == [])
        #expect(loop.machine.nextTick == loop.now + .milliseconds(90))
        #expect(loop.handle(.hint(nil, source: .fileSystem), after: .milliseconds(89)) == [])
        #expect(loop.handle(.tick, after: .milliseconds(1)) == [.list])
    }

    @Test func aChangeDuringAListingIsListedAgain() {
        var loop = Loop()
        loop.startAlone()
        #expect(loop.handle(.hint(nil, source: .fileSystem)) == [.list])
        #expect(loop.handle(.hint(nil, source: .fileSystem), after: .milliseconds(200)) == [])
        #expect(loop.handle(.listed([])) == [.list])
        // Also when the listing fails.
        #expect(loop.handle(.hint(nil, source: .fileSystem), after: .milliseconds(200)) == [])
        #expect(loop.handle(.listingFailed) == [.list])
        // And not more often than that.
        #expect(loop.handle(.listed([])) == [])
    }

    @Test func aVanishedSnapshotIsLookedForInANewListing() {
        var loop = Loop()
        loop.startAlone()
        let (first, second) = (snapshot("a", 1), snapshot("a", 2))
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([first])) == [.download(first)])
        #expect(loop.handle(.vanished(first), after: .milliseconds(200)) == [.list])
        #expect(loop.handle(.listed([second])) == [.download(second)])
    }

    @Test func aSnapshotThatIsListedButNeverFoundIsNotAskedForWithoutEnd() {
        var loop = Loop()
        loop.startAlone()
        let a = snapshot("a", 1)
        var downloads = 0
        var actions = loop.handle(.tick)
        for _ in 0..<1000 where loop.now < .seconds(100) {
            if actions.contains(.list) { actions = loop.handle(.listed([a])) }
            while actions.contains(.download(a)) {
                downloads += 1
                actions = loop.handle(.vanished(a), after: .milliseconds(1))
                if actions.contains(.list) { actions += loop.handle(.listed([a])) }
            }
            let next = loop.machine.nextTick ?? loop.now
            actions = loop.handle(.tick, after: next - loop.now)
        }
        #expect(downloads < 30)
        #expect(downloads > 10)
    }

    @Test func aDownloadThatFailsAfterItsSnapshotHasGoneKeepsNothingBusy() {
        var loop = Loop()
        loop.startAlone()
        let a = snapshot("a", 1)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([a])) == [.download(a)])
        #expect(loop.handle(.tick, after: .seconds(1)) == [.list])
        #expect(loop.handle(.listed([])) == [])
        #expect(loop.handle(.tick, after: .seconds(1)) == [.list])
        #expect(loop.handle(.downloadFailed(a)) == [])
        // The listing hangs.
        #expect(loop.handle(.tick, after: .seconds(60)) == [])
    }

    // MARK: Receiving only

    @Test func receivingNeverSends() {
        var loop = Loop(receiveOnly: true, force: .seconds(5), transaction: 10)
        let (own, a) = (snapshot("own", 1), snapshot("a", 2))
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([own, a])) == [.download(own), .download(a)])
        #expect(loop.load(own, as: 15) == [])
        #expect(loop.load(a, as: 25) == [.started])
        for transaction in 30..<100 as Range<UInt64> {
            #expect(loop.handle(.observed(transaction: transaction)) == [])
            #expect(loop.pass(.seconds(60), listing: [own, a]) == [])
        }
        #expect(loop.pass(.seconds(1), listing: [own, snapshot("a", 3)]) == [.download(snapshot("a", 3))])
    }

    @Test func receivingFromAnEmptyBucketIsAStart() {
        var loop = Loop(receiveOnly: true)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([])) == [.started])
    }

    // MARK: Once

    @Test func onceEndsWhenEverythingIsLoadedAndStored() {
        var loop = Loop(onlyOnce: true, concurrent: 1)
        let (a, b) = (snapshot("a", 1), snapshot("b", 2))
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([a, b])) == [.download(a)])
        #expect(loop.load(a, as: 11) == [.download(b)])
        #expect(loop.load(b, as: 12) == [.send(.full)])
        #expect(loop.handle(.read(transaction: 12)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [.started, .finish])
        #expect(loop.machine.nextTick == nil)
        #expect(loop.handle(.tick) == [])
        #expect(loop.handle(.shutDown) == [])
    }

    @Test func onceStoresWhatChangedMeanwhile() {
        var loop = Loop(onlyOnce: true)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([])) == [.send(.full)])
        #expect(loop.handle(.read(transaction: 10)) == [])
        #expect(loop.handle(.observed(transaction: 11)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [.started])
        #expect(loop.handle(.tick, after: .seconds(1)).contains(.send(.full)))
        #expect(loop.handle(.read(transaction: 11)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [.finish])
    }

    @Test func onceWaitsForFailedOnes() {
        var loop = Loop(onlyOnce: true)
        let a = snapshot("a", 1)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([a])) == [.download(a)])
        #expect(loop.handle(.downloadFailed(a)) == [.send(.full)])
        #expect(loop.handle(.read(transaction: 10)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [])
        #expect(loop.handle(.tick, after: .seconds(5)) == [.list, .download(a)])
        #expect(loop.load(a, as: 11) == [.started, .finish])
    }

    @Test func onceReceivingEndsWithoutASend() {
        var loop = Loop(receiveOnly: true, onlyOnce: true)
        let a = snapshot("a", 1)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([a])) == [.download(a)])
        #expect(loop.load(a, as: 13) == [.started, .finish])
    }

    // MARK: Shutting down

    @Test func shutsDownAtOnceWhenNothingIsUnderWay() {
        for prepare in [{ _ in }, { _ = $0.handle(.tick) }, { $0.startAlone() }] as [(inout Loop) -> Void] {
            var loop = Loop()
            prepare(&loop)
            #expect(loop.handle(.shutDown) == [.finish])
            #expect(loop.handle(.listed([snapshot("a", 1)])) == [])
            #expect(loop.machine.nextTick == nil)
        }
    }

    @Test(arguments: 0..<4) func shutsDownAfterTheMergeUnderWay(outcome: Int) {
        var loop = Loop()
        loop.startAlone()
        let (a, b) = (snapshot("a", 1), snapshot("b", 2))
        _ = loop.handle(.tick)
        _ = loop.handle(.listed([a, b]))
        #expect(loop.handle(.downloaded(a)) == [.compare(a)])
        #expect(loop.handle(.shutDown) == [])
        #expect(loop.handle(.downloaded(b)) == [])
        #expect(loop.handle(.tick, after: .seconds(10)) == [])
        let events: [SyncMachine.Event] = [.merged(a, transaction: nil), .refused(a), .mergeFailed(a), .compared(a)]
        #expect(loop.handle(events[outcome]) == [.finish])
    }

    @Test(arguments: [false, true]) func shutsDownAfterTheSendUnderWay(fails: Bool) {
        var loop = Loop(retries: 0)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([])) == [.send(.full)])
        #expect(loop.handle(.shutDown) == [])
        #expect(loop.handle(.read(transaction: 10)) == [])
        #expect(loop.handle(.observed(transaction: 11)) == [])
        #expect(loop.handle(fails ? .sendFailed : .stored(snapshot("own", 1))) == [.finish])
    }

    @Test func shutsDownWhenThereIsNothingToSend() {
        var loop = Loop(transaction: 0)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([])) == [.send(.full)])
        #expect(loop.handle(.shutDown) == [])
        #expect(loop.handle(.foundNothing(transaction: 0)) == [.finish])
    }

    @Test func asksForNoTickWhileOnlyEventsCanBringAnything() {
        var loop = Loop()
        #expect(loop.machine.nextTick == .zero)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.machine.nextTick == nil)
        #expect(loop.handle(.listed([snapshot("own", 1)])) == [.download(snapshot("own", 1))])
        #expect(loop.machine.nextTick == .milliseconds(950))
    }

    @Test func positionsAreRecordedAtTheEnd() {
        var loop = Loop(usesDeltas: true)
        loop.startAlone()
        #expect(loop.handle(.shutDown) == [.recordPositions])
        #expect(loop.handle(.tick) == [])
        #expect(loop.handle(.recordedPositions(transaction: 11)) == [.finish])
        // It is no change of the application's.
        #expect(loop.machine.sender.isDone)
    }

    @Test func theEndDoesNotWaitForTheLock() {
        var loop = Loop(usesDeltas: true)
        loop.startAlone()
        #expect(loop.handle(.shutDown) == [.recordPositions])
        #expect(loop.machine.nextTick == loop.now + SyncMachine.recordingPatience)
        #expect(loop.handle(.tick, after: SyncMachine.recordingPatience / 2) == [])
        #expect(loop.handle(.tick, after: SyncMachine.recordingPatience / 2) == [.finish])
        #expect(loop.handle(.recordedPositions(transaction: nil)) == [])
    }

    @Test func nothingIsRecordedBeforeTheFirstListing() {
        var loop = Loop(usesDeltas: true)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.shutDown) == [.finish])
    }

    @Test func aSingleRunRecordsNoPositions() {
        var loop = Loop(onlyOnce: true, usesDeltas: true)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([])) == [.send(.full)])
        #expect(loop.handle(.read(transaction: 10)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [.started, .finish])
    }
}

import Snapshots
import Testing

@testable import Replication

/// A machine with its clock, and a check after each step that it does not ask for a time that has passed.
struct Loop {
    private(set) var machine: SyncMachine
    private(set) var now = Duration.zero
    /// Whether a snapshot of ours is stored.
    private var hasStored = false

    init(
        receiveOnly: Bool = false, onlyOnce: Bool = false, concurrent: Int = 2, force: Duration = .zero,
        retries: Int? = nil, transaction: UInt64 = 10, sweeper: SweeperMachine.Settings? = nil,
        lastSync: UInt64? = nil, hasShadows: Bool = false
    ) {
        machine = SyncMachine(
            settings: .init(
                instance: "own", receiveOnly: receiveOnly, onlyOnce: onlyOnce, storagePollInterval: .seconds(1),
                receiver: .init(concurrentDownloads: concurrent, retryInterval: .seconds(5)),
                sender: .init(
                    minimumInterval: .seconds(1), forceInterval: force, retryInterval: .seconds(5),
                    retryLimit: retries),
                sweeper: sweeper, hasShadows: hasShadows),
            transaction: transaction, record: SyncRecord(lastSync: lastSync))
    }

    mutating func handle(
        _ event: SyncMachine.Event, after delay: Duration = .zero, sourceLocation: SourceLocation = #_sourceLocation
    ) -> [SyncMachine.Action] {
        now += delay
        if case .stored = event { hasStored = true }
        let actions = machine.handle(event, at: now)
        if let next = machine.nextTick {
            #expect(next > now, "busy loop after \(event)", sourceLocation: sourceLocation)
        }
        return actions
    }

    /// Lets time pass, with the ticks that the machine asks for; every listing shows the same names.
    ///
    /// - Parameter showsOurs: whether the one that we have stored is shown as well.
    /// - Returns: everything but the listings.
    mutating func pass(
        _ duration: Duration, listing names: [SnapshotName], showsOurs: Bool = true
    ) -> [SyncMachine.Action] {
        let end = now + duration
        let names =
            names + (hasStored && showsOurs && !names.contains { $0.instance == "own" } ? [snapshot("own", 1)] : [])
        var actions: [SyncMachine.Action] = []
        while let next = machine.nextTick, next <= end {
            now = next
            var new = handle(.tick)
            while let index = new.firstIndex(of: .list) {
                new.remove(at: index)
                new += handle(.listed(names))
            }
            actions += new
        }
        now = end
        return actions
    }

    /// The start of an instance that finds an empty bucket and sends what it has.
    mutating func startAlone() {
        #expect(handle(.tick) == [.list])
        #expect(handle(.listed([])) == [.send])
        #expect(handle(.read(transaction: 10)) == [])
        #expect(handle(.stored(snapshot("own", 1))) == [.started])
        now += .seconds(10)
    }

    /// Downloads and merges a snapshot.
    ///
    /// - Returns: what follows.
    mutating func load(_ name: SnapshotName, as transaction: UInt64? = nil) -> [SyncMachine.Action] {
        #expect(handle(.downloaded(name)).contains(.compare(name)))
        if transaction != nil { #expect(handle(.compared(name)).contains(.apply(name))) }
        return handle(.merged(name, transaction: transaction))
    }
}

@Suite struct SyncMachineTests {
    // MARK: Start-up

    @Test func listsFirstAndDoesNothingElse() {
        var loop = Loop()
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.tick) == [])
        #expect(loop.handle(.observed(transaction: 20), after: .seconds(10)) == [])
        #expect(loop.handle(.tick, after: .seconds(3600)) == [])
        #expect(!loop.machine.isStartComplete)
    }

    @Test func anEmptyBucketIsASuccessAndTheDataGoesOutAtOnce() {
        var loop = Loop()
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([])) == [.send])
        #expect(loop.handle(.read(transaction: 10)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [.started])
        #expect(loop.pass(.seconds(100_000), listing: [snapshot("own", 1)]) == [])
    }

    @Test func ourSnapshotThatSomebodyRemovedIsReplaced() {
        var loop = Loop()
        loop.startAlone()
        #expect(loop.pass(.seconds(600), listing: []) == [])
        #expect(loop.pass(.seconds(2), listing: [], showsOurs: false).contains(.send))
        #expect(loop.handle(.read(transaction: 10)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [])
        // Listings may be late.
        #expect(!loop.pass(.seconds(50), listing: [], showsOurs: false).contains(.send))
        #expect(loop.pass(.seconds(20), listing: [], showsOurs: false).contains(.send))
    }

    /// Not only the last one: the newest one, too, holds what no older one does.
    @Test func ourNewestThatSomebodyRemovedIsReplaced() {
        var loop = Loop()
        loop.startAlone()
        let (older, newest) = (snapshot("own", 1), snapshot("own", 2))
        #expect(loop.pass(.seconds(10), listing: [older, newest]) == [])
        #expect(loop.pass(.seconds(2), listing: [older], showsOurs: false).contains(.send))
        #expect(loop.handle(.read(transaction: 10)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [])
        #expect(loop.pass(.seconds(600), listing: [older], showsOurs: false) == [])
    }

    @Test func anEmptyLMDBAndAnEmptyBucketAreAStartToo() {
        var loop = Loop(transaction: 0)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([])) == [.send])
        #expect(loop.handle(.foundNothing(transaction: 0)) == [.started])
        #expect(loop.pass(.seconds(100_000), listing: []) == [])
    }

    @Test func aFailedListingIsRepeatedUntilOneSucceeds() {
        var loop = Loop()
        #expect(loop.handle(.tick) == [.list])
        for _ in 0..<100 {
            #expect(loop.handle(.listingFailed) == [])
            #expect(loop.handle(.observed(transaction: 20)) == [])
            // That takes the pause of everything that failed, not the poll interval.
            #expect(loop.handle(.tick, after: .milliseconds(4999)) == [])
            #expect(loop.handle(.tick, after: .milliseconds(1)) == [.list])
        }
        #expect(loop.handle(.listed([])) == [.send])
    }

    // MARK: A namesake

    @Test func whatAnotherHostWroteUnderOurNameIsMergedAndCovered() {
        var loop = Loop()
        loop.startAlone()
        let (ours, theirs) = (snapshot("own", 1), snapshot("own", 2))
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([ours, theirs], stranger: theirs)) == [.download(theirs)])
        // That must not keep ours back.
        #expect(loop.handle(.observed(transaction: 11), after: .milliseconds(10)) == [])
        #expect(loop.handle(.tick, after: .milliseconds(20)) == [.send])
        #expect(loop.handle(.read(transaction: 11)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [])
        #expect(loop.load(theirs, as: 12) == [])
        var sends = 0
        let end = loop.now + NamesakeCover.shortestPause * 3
        while let next = loop.machine.nextTick, next <= end {
            for action in loop.handle(.tick, after: next - loop.now) {
                switch action {
                case .list: #expect(loop.handle(.listed([ours, theirs, snapshot("own", 3)], stranger: theirs)) == [])
                case .send:
                    sends += 1
                    #expect(loop.handle(.read(transaction: 12)) == [])
                    #expect(loop.handle(.stored(snapshot("own", 1))) == [])
                default: Issue.record("\(action)")
                }
            }
        }
        #expect(sends == 1)
    }

    // MARK: Single runs end

    @Test func aSingleRunGivesUpListing() {
        var loop = Loop(onlyOnce: true, retries: 3)
        #expect(loop.handle(.tick) == [.list])
        for _ in 0..<3 {
            #expect(loop.handle(.listingFailed) == [])
            #expect(loop.handle(.tick, after: .seconds(5)) == [.list])
        }
        #expect(loop.handle(.listingFailed) == [.giveUpLoading])
        #expect(loop.handle(.tick, after: .seconds(5)) == [])
    }

    @Test func aSingleRunGivesUpASnapshot() {
        var loop = Loop(onlyOnce: true, retries: 2)
        _ = loop.handle(.tick)
        #expect(loop.handle(.listed([snapshot("a", 1)])) == [.download(snapshot("a", 1))])
        for _ in 0..<2 {
            #expect(!loop.handle(.downloadFailed(snapshot("a", 1))).contains(.giveUpLoading))
            var actions = loop.handle(.tick, after: .seconds(5))
            actions += loop.handle(.read(transaction: 10)) + loop.handle(.stored(snapshot("own", 1)))
            #expect(actions.contains(.download(snapshot("a", 1))))
        }
        #expect(loop.handle(.downloadFailed(snapshot("a", 1))) == [.giveUpLoading])
    }

    @Test func aSingleRunGivesUpWhatCannotBeSent() {
        var loop = Loop(onlyOnce: true, retries: 0)
        _ = loop.handle(.tick)
        #expect(loop.handle(.listed([])) == [.send])
        #expect(loop.handle(.unsendable) == [.giveUp])
    }

    @Test func aSingleRunWaitsForWhatIsListedAndNotThere() {
        var loop = Loop(onlyOnce: true, retries: 100)
        _ = loop.handle(.tick)
        #expect(loop.handle(.listed([snapshot("a", 1)])) == [.download(snapshot("a", 1))])
        #expect(loop.handle(.vanished(snapshot("a", 1))) == [])
        #expect(loop.handle(.tick, after: .milliseconds(100)) == [.list])
        let actions = loop.handle(.listed([snapshot("a", 1)]))
        #expect(actions == [.download(snapshot("a", 1))])
        #expect(loop.load(snapshot("a", 1)) == [.send])
        #expect(loop.handle(.read(transaction: 10)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [.started, .finish])
    }

    @Test func aReceiverLoadsWhatStandsUnderItsOwnNameForEver() {
        var loop = Loop(receiveOnly: true)
        let (first, second) = (snapshot("own", 1), snapshot("own", 2))
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([first])) == [.download(first)])
        #expect(loop.load(first) == [.started])
        #expect(loop.handle(.tick, after: .seconds(1)) == [.list])
        #expect(loop.handle(.listed([first, second])) == [.download(second)])
    }

    @Test func contentsThatCanNotBeSentAreTriedAgainForEver() {
        var loop = Loop(retries: 1)
        loop.startAlone()
        #expect(loop.handle(.observed(transaction: 11)) == [.list])
        for _ in 0..<10 {
            let actions = loop.pass(.seconds(6), listing: [])
            #expect(actions == [.send])
            #expect(loop.handle(.unsendable) == [])
        }
    }

    /// Whatever keeps changes here is told of within seconds, and while the next try is under way.
    @Test(arguments: [SyncMachine.Event.unsendable, .sendFailed])
    func failingSendsAreTold(failure: SyncMachine.Event) {
        var loop = Loop()
        loop.startAlone()
        #expect(loop.handle(.observed(transaction: 11)) == [.list])
        #expect(loop.pass(.seconds(6), listing: []) == [.send])
        #expect(loop.machine.sendObstacle(at: loop.now) == nil)
        #expect(loop.handle(failure) == [])
        #expect(loop.machine.sendObstacle(at: loop.now) == nil)
        #expect(loop.pass(.seconds(4), listing: []) == [])
        #expect(loop.machine.sendObstacle(at: loop.now) == .sendFails)
        #expect(loop.pass(.seconds(2), listing: []) == [.send])
        #expect(loop.machine.sendObstacle(at: loop.now) == .sendFails)
        #expect(loop.handle(.read(transaction: 11)) == [])
        #expect(loop.machine.sendObstacle(at: loop.now) == .sendFails)
        #expect(loop.handle(.stored(snapshot("own", 1))) == [])
        #expect(loop.machine.sendObstacle(at: loop.now) == nil)
    }

    @Test func snapshotsAreLoadedFirstAndThenOneIsSent() {
        var loop = Loop(concurrent: 1)
        #expect(loop.handle(.tick) == [.list])
        let (own, a) = (snapshot("own", 9), snapshot("a", 1))
        #expect(loop.handle(.listed([a, own])) == [.download(own)])
        #expect(loop.handle(.downloaded(own)) == [.compare(own)])
        #expect(loop.handle(.merged(own, transaction: nil)) == [.download(a)])
        #expect(loop.handle(.downloaded(a)) == [.compare(a)])
        #expect(loop.handle(.merged(a, transaction: 11)) == [.send])
        #expect(loop.handle(.read(transaction: 11)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [.started])
        #expect(loop.pass(.seconds(100_000), listing: [a, own, snapshot("own", 10)]) == [])
    }

    /// It must not put an empty snapshot in front of its own old one.
    @Test func aWipedLMDBSendsNothingBeforeTheOwnNewestIsLoaded() {
        var loop = Loop(concurrent: 4, force: .seconds(10), transaction: 0)
        let (own, a) = (snapshot("own", 9), snapshot("a", 10))
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([a, own])) == [.download(own), .download(a)])
        // Whatever happens in between, and however long it takes.
        #expect(loop.load(a, as: 1) == [])
        for transaction in 2...50 as ClosedRange<UInt64> {
            #expect(loop.handle(.observed(transaction: transaction), after: .seconds(7)).allSatisfy { $0 == .list })
            #expect(loop.handle(.downloadFailed(own)) == [])
            #expect(loop.handle(.tick, after: .seconds(5)).contains(.download(own)))
            #expect(loop.handle(.listed([a, own])) == [])
        }
        #expect(loop.handle(.downloaded(own)) == [.compare(own)])
        #expect(loop.handle(.mergeFailed(own)) == [])
        #expect(loop.handle(.tick, after: .seconds(5)) == [.list, .download(own)])
        #expect(loop.handle(.downloaded(own)) == [.compare(own)])
        #expect(loop.handle(.merged(own, transaction: 51)) == [.send])
    }

    @Test func aCorruptOwnSnapshotIsReplacedByThePreviousBeforeAnythingIsSent() {
        var loop = Loop()
        let (first, second) = (snapshot("own", 1), snapshot("own", 2))
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([first, second])) == [.download(second)])
        #expect(loop.handle(.downloaded(second)) == [.compare(second)])
        #expect(loop.handle(.refused(second)) == [.download(first)])
        #expect(loop.handle(.downloaded(first)) == [.compare(first)])
        #expect(loop.handle(.merged(first, transaction: 11)) == [.send])
    }

    @Test func anInstanceThatCanNotBeLoadedDelaysTheStartButNotTheSending() {
        var loop = Loop()
        let a = snapshot("a", 1)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([a])) == [.download(a)])
        #expect(loop.handle(.downloadFailed(a)) == [.send])
        #expect(loop.handle(.read(transaction: 10)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [])
        #expect(!loop.machine.isStartComplete)
        #expect(loop.handle(.tick, after: .seconds(5)) == [.list, .download(a)])
        #expect(loop.load(a, as: 11) == [.started])
    }

    @Test func anInstanceThatGoesDuringTheStartIsNotWaitedFor() {
        var loop = Loop(concurrent: 1)
        let (a, b) = (snapshot("a", 1), snapshot("b", 2))
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([a, b])) == [.download(a)])
        #expect(loop.handle(.vanished(a)) == [.download(b)])
        #expect(loop.load(b) == [])
        #expect(loop.handle(.tick, after: .milliseconds(100)) == [.list])
        #expect(loop.handle(.listed([b])) == [.send])
        #expect(loop.handle(.read(transaction: 10)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [.started])
    }

    @Test func localChangesGoOutWhileOthersAreStillLoading() {
        var loop = Loop(concurrent: 1)
        let (a, b) = (snapshot("a", 1), snapshot("b", 2))
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([a, b])) == [.download(a)])
        #expect(loop.handle(.observed(transaction: 11), after: .milliseconds(10)) == [])
        #expect(loop.handle(.tick, after: .milliseconds(20)) == [.send])
        #expect(loop.handle(.read(transaction: 11)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [])
        // The one after start-up comes nevertheless: it shows what has been loaded.
        #expect(loop.load(a, as: 12) == [.download(b)])
        #expect(loop.load(b, as: 13) == [])
        #expect(loop.handle(.tick, after: .seconds(1)) == [.list, .send])
        #expect(loop.handle(.read(transaction: 13)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [.started])
    }

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
        #expect(loop.handle(.tick, after: .milliseconds(20)) == [.send])
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
        #expect(loop.handle(.tick, after: Sender.quietTime) == [.send])
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
                #expect(following == [isLast ? .send : .compare(names[index + 1])])
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
            sends += actions.count { $0 == .send }
            // A send that begins, ends at once.
            if actions.contains(.send) {
                _ = loop.handle(.read(transaction: UInt64(11 + step))) + loop.handle(.stored(snapshot("own", 1)))
            }
        }
        #expect(sends == 1)
        // The rest waits for the minimum interval.
        let actions = loop.pass(.seconds(2), listing: [])
        #expect(actions == [.send])
    }

    @Test func theForceIntervalSendsWithoutAChange() {
        var loop = Loop(force: .seconds(3600))
        loop.startAlone()
        #expect(loop.pass(.seconds(3580), listing: []) == [])
        #expect(loop.pass(.seconds(20), listing: []) == [.send])
        _ = loop.handle(.read(transaction: 10))
        _ = loop.handle(.stored(snapshot("own", 1)))
        #expect(loop.pass(.seconds(3589), listing: []) == [])
    }

    @Test func failedUploadsAreRetriedAndThenItGivesUp() {
        var loop = Loop(retries: 2)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([])) == [.send])
        for _ in 0..<2 {
            #expect(loop.handle(.read(transaction: 10)) == [])
            #expect(loop.handle(.sendFailed) == [])
            #expect(loop.pass(.milliseconds(4990), listing: []) == [])
            #expect(loop.pass(.milliseconds(10), listing: []) == [.send])
        }
        #expect(loop.handle(.read(transaction: 10)) == [])
        #expect(loop.handle(.sendFailed) == [.giveUp])
        #expect(loop.machine.nextTick == nil)
        #expect(loop.handle(.tick, after: .seconds(10)) == [])
    }

    @Test func withoutLimitUploadsAreRetriedForEver() {
        var loop = Loop()
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([])) == [.send])
        for _ in 0..<500 {
            #expect(loop.handle(.read(transaction: 10)) == [])
            #expect(loop.handle(.sendFailed) == [])
            #expect(loop.pass(.seconds(5), listing: []) == [.send])
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
        #expect(loop.handle(.storageChanged) == [.list])
        #expect(loop.handle(.listed([])) == [])
        #expect(loop.handle(.storageChanged, after: .milliseconds(10)) == [])
        #expect(loop.machine.nextTick == loop.now + .milliseconds(90))
        #expect(loop.handle(.storageChanged, after: .milliseconds(89)) == [])
        #expect(loop.handle(.tick, after: .milliseconds(1)) == [.list])
    }

    @Test func aChangeDuringAListingIsListedAgain() {
        var loop = Loop()
        loop.startAlone()
        #expect(loop.handle(.storageChanged) == [.list])
        #expect(loop.handle(.storageChanged, after: .milliseconds(200)) == [])
        #expect(loop.handle(.listed([])) == [.list])
        // Also when the listing fails.
        #expect(loop.handle(.storageChanged, after: .milliseconds(200)) == [])
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
        #expect(loop.load(b, as: 12) == [.send])
        #expect(loop.handle(.read(transaction: 12)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [.started, .finish])
        #expect(loop.machine.nextTick == nil)
        #expect(loop.handle(.tick) == [])
        #expect(loop.handle(.shutDown) == [])
    }

    @Test func onceStoresWhatChangedMeanwhile() {
        var loop = Loop(onlyOnce: true)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([])) == [.send])
        #expect(loop.handle(.read(transaction: 10)) == [])
        #expect(loop.handle(.observed(transaction: 11)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [.started])
        #expect(loop.handle(.tick, after: .seconds(1)).contains(.send))
        #expect(loop.handle(.read(transaction: 11)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [.finish])
    }

    @Test func onceWaitsForFailedOnes() {
        var loop = Loop(onlyOnce: true)
        let a = snapshot("a", 1)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([a])) == [.download(a)])
        #expect(loop.handle(.downloadFailed(a)) == [.send])
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
        #expect(loop.handle(.listed([])) == [.send])
        #expect(loop.handle(.shutDown) == [])
        #expect(loop.handle(.read(transaction: 10)) == [])
        #expect(loop.handle(.observed(transaction: 11)) == [])
        #expect(loop.handle(fails ? .sendFailed : .stored(snapshot("own", 1))) == [.finish])
    }

    @Test func shutsDownWhenThereIsNothingToSend() {
        var loop = Loop(transaction: 0)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([])) == [.send])
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
}

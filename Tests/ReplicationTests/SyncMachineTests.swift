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
        lastSync: UInt64? = nil, hasShadows: Bool = false, usesDeltas: Bool = false
    ) {
        machine = SyncMachine(
            settings: .init(
                instance: "own", receiveOnly: receiveOnly, onlyOnce: onlyOnce, storagePollInterval: .seconds(1),
                receiver: .init(concurrentDownloads: concurrent, retryInterval: .seconds(5)),
                sender: .init(
                    minimumInterval: .seconds(1), forceInterval: force, retryInterval: .seconds(5),
                    retryLimit: retries),
                sweeper: sweeper, hasShadows: hasShadows, deltas: usesDeltas ? .init() : nil),
            transaction: transaction, record: SyncRecord(lastSync: lastSync))
    }

    /// Time passes, and nothing happens.
    mutating func wait(_ time: Duration) { now += time }

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
        #expect(handle(.listed([])) == [.send(.full)])
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
        #expect(loop.handle(.listed([])) == [.send(.full)])
        #expect(loop.handle(.read(transaction: 10)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [.started])
        #expect(loop.pass(.seconds(100_000), listing: [snapshot("own", 1)]) == [])
    }

    @Test func ourSnapshotThatSomebodyRemovedIsReplaced() {
        var loop = Loop()
        loop.startAlone()
        #expect(loop.pass(.seconds(600), listing: []) == [])
        #expect(loop.pass(.seconds(2), listing: [], showsOurs: false).contains(.send(.full)))
        #expect(loop.handle(.read(transaction: 10)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [])
        // Listings may be late.
        #expect(!loop.pass(.seconds(50), listing: [], showsOurs: false).contains(.send(.full)))
        #expect(loop.pass(.seconds(20), listing: [], showsOurs: false).contains(.send(.full)))
    }

    /// Not only the last one: the newest one, too, holds what no older one does.
    @Test func ourNewestThatSomebodyRemovedIsReplaced() {
        var loop = Loop()
        loop.startAlone()
        let (older, newest) = (snapshot("own", 1), snapshot("own", 2))
        #expect(loop.pass(.seconds(10), listing: [older, newest]) == [])
        #expect(loop.pass(.seconds(2), listing: [older], showsOurs: false).contains(.send(.full)))
        #expect(loop.handle(.read(transaction: 10)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [])
        #expect(loop.pass(.seconds(600), listing: [older], showsOurs: false) == [])
    }

    @Test func anEmptyLMDBAndAnEmptyBucketAreAStartToo() {
        var loop = Loop(transaction: 0)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([])) == [.send(.full)])
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
        #expect(loop.handle(.listed([])) == [.send(.full)])
    }

    // MARK: A namesake

    @Test func ofAnotherHostOfOurNameThePreviousSnapshotIsUsedToo() {
        var loop = Loop()
        loop.startAlone()
        let (ours, good, bad) = (snapshot("own", 1), snapshot("own", 2), snapshot("own", 3))
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([ours, good, bad], strangers: [good, bad])) == [.download(bad)])
        #expect(loop.handle(.downloaded(bad)) == [.compare(bad)])
        #expect(loop.handle(.refused(bad)) == [.download(good)])
    }

    @Test func whatAnotherHostWroteUnderOurNameIsMergedAndCovered() {
        var loop = Loop()
        loop.startAlone()
        let (ours, theirs) = (snapshot("own", 1), snapshot("own", 2))
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([ours, theirs], strangers: [theirs])) == [.download(theirs)])
        // That must not keep ours back.
        #expect(loop.handle(.observed(transaction: 11), after: .milliseconds(10)) == [])
        #expect(loop.handle(.tick, after: .milliseconds(20)) == [.send(.full)])
        #expect(loop.handle(.read(transaction: 11)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [])
        #expect(loop.load(theirs, as: 12) == [])
        var sends = 0
        let end = loop.now + NamesakeCover.shortestPause * 3
        while let next = loop.machine.nextTick, next <= end {
            for action in loop.handle(.tick, after: next - loop.now) {
                switch action {
                case .list:
                    #expect(loop.handle(.listed([ours, theirs, snapshot("own", 3)], strangers: [theirs])) == [])
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
        #expect(loop.handle(.listed([])) == [.send(.full)])
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
        #expect(loop.load(snapshot("a", 1)) == [.send(.full)])
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
            #expect(actions == [.send(.full)])
            #expect(loop.handle(.unsendable) == [])
        }
    }

    /// Whatever keeps changes here is told of within seconds, and while the next try is under way.
    @Test(arguments: [SyncMachine.Event.unsendable, .sendFailed])
    func failingSendsAreTold(failure: SyncMachine.Event) {
        var loop = Loop()
        loop.startAlone()
        #expect(loop.handle(.observed(transaction: 11)) == [.list])
        #expect(loop.pass(.seconds(6), listing: []) == [.send(.full)])
        #expect(loop.machine.sendObstacle(at: loop.now) == nil)
        #expect(loop.handle(failure) == [])
        #expect(loop.machine.sendObstacle(at: loop.now) == nil)
        #expect(loop.pass(.seconds(4), listing: []) == [])
        #expect(loop.machine.sendObstacle(at: loop.now) == .sendFails)
        #expect(loop.pass(.seconds(2), listing: []) == [.send(.full)])
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
        #expect(loop.handle(.merged(a, transaction: 11)) == [.send(.full)])
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
        #expect(loop.handle(.merged(own, transaction: 51)) == [.send(.full)])
    }

    @Test func aCorruptOwnSnapshotIsReplacedByThePreviousBeforeAnythingIsSent() {
        var loop = Loop()
        let (first, second) = (snapshot("own", 1), snapshot("own", 2))
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([first, second])) == [.download(second)])
        #expect(loop.handle(.downloaded(second)) == [.compare(second)])
        #expect(loop.handle(.refused(second)) == [.download(first)])
        #expect(loop.handle(.downloaded(first)) == [.compare(first)])
        #expect(loop.handle(.merged(first, transaction: 11)) == [.send(.full)])
    }

    @Test func anInstanceThatCanNotBeLoadedDelaysTheStartButNotTheSending() {
        var loop = Loop()
        let a = snapshot("a", 1)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([a])) == [.download(a)])
        #expect(loop.handle(.downloadFailed(a)) == [.send(.full)])
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
        #expect(loop.handle(.listed([b])) == [.send(.full)])
        #expect(loop.handle(.read(transaction: 10)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [.started])
    }

    @Test func localChangesGoOutWhileOthersAreStillLoading() {
        var loop = Loop(concurrent: 1)
        let (a, b) = (snapshot("a", 1), snapshot("b", 2))
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([a, b])) == [.download(a)])
        #expect(loop.handle(.observed(transaction: 11), after: .milliseconds(10)) == [])
        #expect(loop.handle(.tick, after: .milliseconds(20)) == [.send(.full)])
        #expect(loop.handle(.read(transaction: 11)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [])
        // The one after start-up comes nevertheless: it shows what has been loaded.
        #expect(loop.load(a, as: 12) == [.download(b)])
        #expect(loop.load(b, as: 13) == [])
        #expect(loop.handle(.tick, after: .seconds(1)) == [.list, .send(.full)])
        #expect(loop.handle(.read(transaction: 13)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [.started])
    }
}

import BlobStorage
import Snapshots
import Testing

@testable import Replication

/// Hints: what is read without a listing, what has the storage listed, and what does nothing.
@Suite struct HintTests {
    /// A machine of which the deltas of `a` are read up to 25: those from 10 to 20 and from 20, which is open, in version `1`.
    private struct Follower {
        var machine: SyncMachine
        var now = Duration.seconds(100)

        init(receiveOnly: Bool = true) {
            machine = SyncMachine(
                settings: .init(
                    instance: "own", receiveOnly: receiveOnly, storagePollInterval: .seconds(1),
                    receiver: .init(concurrentDownloads: 2, retryInterval: .seconds(5)),
                    sender: .init(
                        minimumInterval: .seconds(1), forceInterval: .zero, retryInterval: .seconds(5), retryLimit: nil),
                    deltas: .init()),
                transaction: 10)
            #expect(machine.handle(.tick, at: now) == [.list])
            _ = machine.handle(listing("1"), at: now)
            _ = handle(.downloaded(full(20)))
            _ = handle(.merged(full(20), transaction: nil))
            read(20, to: 25)
        }

        mutating func handle(_ event: SyncMachine.Event, after delay: Duration = .zero) -> [SyncMachine.Action] {
            now += delay
            let actions = machine.handle(event, at: now)
            if let next = machine.nextTick { #expect(next > now, "busy loop after \(event)") }
            return actions
        }

        func listing(_ version: String, others: [Catalog.Delta] = []) -> SyncMachine.Event {
            .listed(.init([full(20)], deltas: [.init(name: delta(20), size: 10, version: version)] + others))
        }

        mutating func hint(
            _ name: SnapshotName?, _ version: String? = nil, _ source: HintSource = .peer, after delay: Duration = .zero
        ) -> [SyncMachine.Action] { handle(.hint(name, version: version, source: source), after: delay) }

        /// The download of a delta ends, and its merge.
        mutating func read(_ from: UInt64, version: String? = nil, to end: UInt64) {
            _ = handle(.downloaded(delta(from), version: version))
            _ = handle(.merged(delta(from), .init(transaction: nil, position: end)))
        }

        /// Everything until a moment but listings, which show the same.
        mutating func listings(until end: Duration, _ version: String) -> Int {
            var count = 0
            while let next = machine.nextTick, next <= end {
                now = next
                if machine.handle(.tick, at: now).contains(.list) {
                    count += 1
                    _ = machine.handle(listing(version), at: now)
                }
            }
            now = end
            return count
        }
    }

    // MARK: What is read at once

    @Test func theOpenDeltaIsReadWithoutAListing() {
        var follower = Follower()
        #expect(follower.hint(delta(20), "2") == [.download(delta(20))])
        follower.read(20, version: "2", to: 30)
        #expect(follower.machine.progress.read.values.map(\.timestamp) == [30])
        // The next listing shows nothing new.
        #expect(follower.handle(.tick, after: .seconds(1)) == [.list])
        #expect(follower.handle(follower.listing("2")) == [])
    }

    @Test func theDeltaThatBeginsAtThePositionIsReadWithoutAListing() {
        var follower = Follower()
        #expect(follower.hint(delta(25), "x") == [.download(delta(25))])
        follower.read(25, version: "x", to: 40)
        #expect(follower.handle(.tick, after: .seconds(1)) == [.list])
        let next = Catalog.Delta(name: delta(25), size: 1, version: "x")
        #expect(follower.handle(follower.listing("1", others: [next])) == [])
        #expect(follower.machine.progress.read.values.map(\.timestamp) == [40])
    }

    @Test func whatBeginsBeforeThePositionWaitsForAListing() {
        var follower = Follower()
        #expect(follower.hint(delta(22), "x", after: .milliseconds(500)) == [.list])
    }

    @Test func hintsOfAnObjectThatIsBeingReadHaveItReadOnceMore() {
        var follower = Follower()
        #expect(follower.hint(delta(20)) == [.download(delta(20))])
        #expect(follower.hint(delta(20)) == [])
        #expect(follower.hint(delta(20)) == [])
        #expect(follower.handle(.downloaded(delta(20), version: "2")) == [.compare(delta(20))])
        #expect(follower.handle(.merged(delta(20), .init(transaction: nil, position: 30))) == [.download(delta(20))])
        follower.read(20, version: "2", to: 30)
        #expect(follower.handle(.tick, after: .seconds(1)) == [.list])
        #expect(follower.handle(follower.listing("2")) == [])
    }

    @Test func aVersionThatWasReadIsNotReadAgain() {
        var follower = Follower()
        #expect(follower.hint(delta(20), "1") == [])
        #expect(follower.hint(delta(20), "2") == [.download(delta(20))])
        follower.read(20, version: "3", to: 30)
        for version in ["1", "2", "3"] { #expect(follower.hint(delta(20), version) == []) }
        // A listing that began before it.
        #expect(follower.handle(.tick, after: .seconds(1)) == [.list])
        #expect(follower.handle(follower.listing("1")) == [])
    }

    @Test func onlySoManyAreReadInASecond() {
        var follower = Follower()
        var (reads, listings) = (0, 0)
        for _ in 0..<1000 {
            let actions = follower.hint(delta(20), after: .milliseconds(1))
            if actions.contains(.download(delta(20))) {
                reads += 1
                follower.read(20, to: 25)
            }
            if actions.contains(.list) {
                listings += 1
                _ = follower.handle(follower.listing("1"))
            }
        }
        #expect(reads <= 100)
        #expect(listings <= 10)
    }

    // MARK: What has the storage listed, or does nothing

    @Test func otherObjectsAreListedSoon() {
        for name in [delta(30), full(30), delta(30, "unknown"), nil] {
            var follower = Follower()
            #expect(follower.hint(name, after: .milliseconds(200)) == [.list])
            #expect(follower.handle(follower.listing("1")) == [])
            #expect(follower.hint(name, after: .milliseconds(10)) == [])
            #expect(follower.machine.nextTick == follower.now + .milliseconds(90))
        }
    }

    @Test func oldObjectsAndOurOwnDoNothing() {
        var follower = Follower(receiveOnly: false)
        for name in [delta(10), full(20), full(22), delta(30, "own"), full(30, "own")] {
            #expect(follower.hint(name, after: .milliseconds(100)) == [])
        }
    }

    @Test func anObjectThatDoesNotExistCostsOneReadAndOneListing() {
        var follower = Follower()
        #expect(follower.hint(delta(25), after: .milliseconds(200)) == [.download(delta(25))])
        #expect(follower.handle(.vanished(delta(25))) == [.list])
        // No other one before the listing.
        #expect(follower.hint(delta(25)) == [])
        #expect(follower.handle(follower.listing("1")) == [])
        #expect(follower.machine.receiver.isSettled)
        #expect(follower.machine.receiver.mostFailures == 0)
    }

    @Test func oldObjectsAreNotReadBeforeAListingShowsThatTheyMayBe() {
        var fence = RejoinFence(own: "own", retention: .seconds(100), pollInterval: .seconds(1), record: SyncRecord())
        func at(_ seconds: UInt64) -> SnapshotName { delta(seconds * 1_000_000_000) }
        #expect(!fence.mayReadUnlisted(at(1000)))
        _ = fence.listed([full(1_000_000_000_000, "b")], began: 1_000_000_000_000, at: .zero)
        #expect(fence.mayReadUnlisted(at(990)))
        #expect(!fence.mayReadUnlisted(at(950)))
    }

    // MARK: How often the storage is listed

    @Test func aConnectionReplacesMostListings() {
        var follower = Follower()
        #expect(follower.handle(.feed(isUp: true), after: .milliseconds(500)) == [.list])
        _ = follower.handle(follower.listing("1"))
        #expect(follower.machine.hearing.feedIsUp)
        #expect(follower.listings(until: follower.now + .seconds(60), "1") == 6)
        // It ends: as before.
        #expect(follower.handle(.feed(isUp: false), after: .seconds(5)) == [.list])
        _ = follower.handle(follower.listing("1"))
        #expect(follower.listings(until: follower.now + .seconds(60), "1") >= 60)
    }

    @Test func aConnectionThatAnnouncesNothingReplacesNoListings() {
        var follower = Follower()
        #expect(follower.handle(.feed(isUp: true), after: .milliseconds(500)) == [.list])
        // What was there before the connection is not announced.
        #expect(follower.handle(follower.listing("2")) == [.download(delta(20))])
        follower.read(20, version: "2", to: 30)
        #expect(follower.listings(until: follower.now + .seconds(60), "2") == 6)
        // A listing shows something first.
        #expect(follower.handle(.hint(nil, source: .listen), after: .seconds(1)) == [.list])
        #expect(follower.handle(follower.listing("3")) == [.download(delta(20))])
        follower.read(20, version: "3", to: 40)
        #expect(follower.machine.hearing.feedIsUp && !follower.machine.hearing.feedIsComplete)
        #expect(follower.listings(until: follower.now + .seconds(60), "3") >= 59)
        // It announces something again.
        #expect(follower.hint(delta(20), "4", .listen, after: .milliseconds(1)) == [.download(delta(20))])
        follower.read(20, version: "4", to: 50)
        #expect(follower.listings(until: follower.now + .seconds(60), "4") <= 7)
    }

    @Test func whatIsAnnouncedAndListedAtOnceWasAnnounced() {
        var follower = Follower()
        _ = follower.handle(.feed(isUp: true), after: .milliseconds(500))
        _ = follower.handle(follower.listing("1"))
        #expect(follower.hint(delta(20), "2", .listen, after: .seconds(1)) == [.download(delta(20))])
        #expect(follower.handle(.hint(nil, source: .listen), after: .seconds(1)) == [.list])
        _ = follower.handle(follower.listing("2"))
        follower.read(20, version: "2", to: 30)
        #expect(follower.machine.hearing.feedIsComplete)
        _ = follower.handle(.hint(nil, source: .listen), after: .seconds(1))
        _ = follower.handle(follower.listing("2"))
        #expect(follower.machine.hearing.feedIsComplete)
    }

    @Test func instancesThatAreHeardReplaceMostListings() {
        var follower = Follower()
        #expect(follower.listings(until: follower.now + .seconds(10), "1") >= 10)
        _ = follower.hint(delta(20), "2", .peer)
        follower.read(20, version: "2", to: 30)
        #expect(follower.machine.hearing.sources == ["a": .peer])
        #expect(follower.listings(until: follower.now + .seconds(60), "2") <= 7)
        // A listing shows something that nobody told.
        #expect(follower.handle(.hint(nil, source: .peer), after: .seconds(1)) == [.list])
        #expect(follower.handle(follower.listing("3")) == [.download(delta(20))])
        follower.read(20, version: "3", to: 40)
        #expect(follower.machine.hearing.sources == [:])
        #expect(follower.listings(until: follower.now + .seconds(60), "3") >= 50)
    }

    /// One that writes rarely is heard, too: its state object, which is written every few minutes, shows that its hints arrive.
    @Test func aHintOfAStateShowsThatChangesWouldBeHeard() {
        var follower = Follower()
        #expect(follower.listings(until: follower.now + .seconds(10), "1") >= 10)
        _ = follower.handle(.stateHint("nobody", source: .peer))
        _ = follower.handle(.stateHint("a", source: .fileSystem))
        #expect(follower.machine.hearing.sources == [:])
        _ = follower.handle(.stateHint("a", source: .peer))
        #expect(follower.machine.hearing.sources == ["a": .peer])
        #expect(follower.listings(until: follower.now + .seconds(60), "1") <= 7)
        // It does not hide that a snapshot was not told of.
        #expect(follower.handle(.hint(nil, source: .peer), after: .seconds(1)) == [.list])
        #expect(follower.handle(follower.listing("2")) == [.download(delta(20))])
        follower.read(20, version: "2", to: 30)
        #expect(follower.machine.hearing.sources == [:])
    }

    /// Its snapshots look like our own to whoever tells of them.
    @Test func anotherHostOfOurNameIsLookedForInListings() {
        var follower = Follower()
        _ = follower.handle(.feed(isUp: true), after: .seconds(1))
        _ = follower.handle(.listed(.init([full(20)], hasNamesake: true)))
        #expect(follower.listings(until: follower.now + .seconds(60), "1") >= 59)
    }

    @Test func theKernelReplacesNoListings() {
        var follower = Follower()
        _ = follower.hint(delta(20), "2", .fileSystem)
        follower.read(20, version: "2", to: 30)
        #expect(follower.machine.hearing.sources == ["a": .fileSystem])
        #expect(follower.listings(until: follower.now + .seconds(60), "2") >= 59)
    }

    @Test func aHintThatComesTooLateDoesNotCount() {
        var follower = Follower()
        #expect(follower.handle(.tick, after: .seconds(1)) == [.list])
        #expect(follower.handle(follower.listing("2")) == [.download(delta(20))])
        follower.read(20, to: 30)
        #expect(follower.hint(delta(20), after: .seconds(1)).contains(.download(delta(20))))
        follower.read(20, to: 30)
        #expect(follower.machine.hearing.sources == [:])
    }
}

private func full(_ time: UInt64, _ instance: String = "a") -> SnapshotName {
    SnapshotName(database: "main", instance: instance, timestamp: time)
}

private func delta(_ from: UInt64, _ instance: String = "a") -> SnapshotName {
    SnapshotName(database: "main", instance: instance, timestamp: from, fileExtension: SnapshotName.deltaExtension)
}

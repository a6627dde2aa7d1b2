import Snapshots
import Testing

@testable import Replication

/// Small deltas are fetched side by side, and merged in the order of the chain.
@Suite struct ReceiverDeltaTests {
    private func receiver(_ instances: String...) -> Receiver {
        var receiver = Receiver(own: "own", settings: .init(concurrentDownloads: 1, retryInterval: .seconds(5)))
        for (index, instance) in instances.enumerated() {
            receiver.listed(instances[...index].map { snapshot($0, 10) })
            _ = receiver.nextDownload(at: .zero)
            receiver.downloaded(snapshot(instance, 10))
            _ = receiver.nextMerge()
            receiver.merged(snapshot(instance, 10), readsDeltas: true)
        }
        return receiver
    }

    private func listed(_ instance: String, _ from: UInt64, _ version: String = "1", size: Int = 10) -> Catalog.Delta {
        .init(name: delta(instance, from), size: size, version: version)
    }

    private func downloads(_ receiver: inout Receiver, at now: Duration = .zero) -> [SnapshotName] {
        var names: [SnapshotName] = []
        while let name = receiver.nextDownload(at: now) { names.append(name) }
        return names
    }

    private func position(_ receiver: Receiver, of instance: String) -> UInt64? {
        receiver.progress.merged[instance]?.timestamp
    }

    @Test func allOfAChainAreFetchedAndMergedInOrder() {
        var receiver = receiver("a")
        receiver.listed([snapshot("a", 10)], deltas: [listed("a", 10), listed("a", 20), listed("a", 30)])
        #expect(downloads(&receiver) == [delta("a", 10), delta("a", 20), delta("a", 30)])
        receiver.downloaded(delta("a", 30))
        receiver.downloaded(delta("a", 20))
        #expect(!receiver.hasReady && receiver.nextMerge() == nil && receiver.readyCount == 2)
        receiver.downloaded(delta("a", 10))
        #expect(receiver.nextMerge() == delta("a", 10))
        // The next one is compared while the one before it waits to be applied.
        #expect(receiver.nextMerge(together: [delta("a", 10)]) == delta("a", 20))
        receiver.merged(delta("a", 10), to: 20)
        #expect(position(receiver, of: "a") == 20)
        receiver.merged(delta("a", 20), to: 30)
        #expect(receiver.nextMerge() == delta("a", 30))
        receiver.merged(delta("a", 30), to: 35)
        #expect(position(receiver, of: "a") == 35)
        #expect(receiver.isSettled && downloads(&receiver) == [])
    }

    @Test func whatIsHeldOfAnInstanceThatIsGoneIsReadFromTheFullSnapshotsOfOthers() {
        var receiver = receiver("a", "gone")
        func read(_ name: SnapshotName, to end: UInt64, isWhole: Bool = true) {
            #expect(downloads(&receiver) == [name])
            receiver.downloaded(name)
            #expect(receiver.nextMerge() == name)
            receiver.merged(name, to: end, isWhole: isWhole)
        }
        receiver.listed([snapshot("a", 10), snapshot("gone", 20)])
        read(snapshot("gone", 20), to: 20, isWhole: false)
        // The delta has nothing of others.
        receiver.listed([snapshot("a", 20), snapshot("gone", 20)], deltas: [listed("a", 10)])
        read(delta("a", 10), to: 20)
        #expect(receiver.isSettled && receiver.progress.needed == ["gone"])

        receiver.listed([snapshot("a", 20)], deltas: [listed("a", 10)])
        #expect(receiver.progress.needed == ["a"])
        read(snapshot("a", 20), to: 20, isWhole: false)
        #expect(receiver.isSettled && position(receiver, of: "a") == 20)
        #expect(receiver.progress.needed == ["a"])
        receiver.listed([snapshot("a", 30)])
        read(snapshot("a", 30), to: 30)
        #expect(receiver.isSettled && receiver.progress.needed.isEmpty)
    }

    /// An instance that runs sends a full snapshot at once; of one that is gone, the others have what they have merged.
    @Test(arguments: [false, true])
    func aGapThatStaysIsNoSync(_ isRefused: Bool) {
        var receiver = receiver("a", "b")
        func progress(_ seconds: Int) -> Receiver.Progress {
            receiver.noteStuck(at: .seconds(seconds))
            return receiver.progress(of: "own", patience: .seconds(5), at: .seconds(seconds))
        }
        #expect(progress(0) == .settled && receiver.nextGap == nil)
        let (full, gone) = ([snapshot("a", 10), snapshot("b", 10)], listed("a", isRefused ? 10 : 20))
        receiver.listed(full, deltas: [gone])
        #expect(downloads(&receiver) == [gone.name])
        receiver.downloaded(gone.name)
        #expect(receiver.nextMerge() == gone.name)
        if isRefused { receiver.refused(gone.name) } else { receiver.merged(gone.name, to: 30) }
        // Nothing is left to read, and yet not everything is here.
        #expect(receiver.isSettled && downloads(&receiver) == [] && receiver.progress.unread == ["a"])
        #expect(progress(1) == .loading && receiver.gaps.isEmpty && receiver.nextGap == .seconds(11))
        #expect(progress(10) == .loading && downloads(&receiver) == [])
        #expect(progress(11) == .failing(through: 0) && receiver.gaps == ["a"] && receiver.nextGap == nil)
        #expect(receiver.unsettled.map(\.instance) == ["a"])
        // A full snapshot of somebody else whose position is known all the same.
        receiver.listed([snapshot("a", 10), snapshot("b", 40)], deltas: [gone])
        #expect(downloads(&receiver) == [snapshot("b", 40)])
        receiver.downloaded(snapshot("b", 40))
        #expect(receiver.nextMerge() == snapshot("b", 40))
        receiver.merged(snapshot("b", 40), readsDeltas: true)
        #expect(progress(20) == .failing(through: 40) && receiver.gaps == ["a"])
        // It returns, and repairs it.
        receiver.listed([snapshot("a", 50), snapshot("b", 40)])
        #expect(downloads(&receiver) == [snapshot("a", 50)])
        receiver.downloaded(snapshot("a", 50))
        #expect(receiver.nextMerge() == snapshot("a", 50))
        receiver.merged(snapshot("a", 50), readsDeltas: true)
        #expect(progress(30) == .settled && receiver.gaps.isEmpty && receiver.progress.unread.isEmpty)
    }

    @Test func anInstanceThatIsRemovedLeavesNoGap() {
        var receiver = receiver("a", "b")
        receiver.listed([snapshot("a", 10), snapshot("b", 10)], deltas: [listed("a", 20)])
        _ = downloads(&receiver)
        receiver.downloaded(delta("a", 20))
        _ = receiver.nextMerge()
        receiver.merged(delta("a", 20), to: 30)
        for seconds in [1, 11] { receiver.noteStuck(at: .seconds(seconds)) }
        #expect(receiver.gaps == ["a"])
        receiver.listed([snapshot("b", 10)])
        receiver.noteStuck(at: .seconds(12))
        #expect(receiver.gaps.isEmpty && receiver.nextGap == nil)
        #expect(receiver.progress(of: "own", patience: .seconds(5), at: .seconds(12)) == .settled)
    }

    @Test func anotherVersionIsNotWaitedFor() {
        var receiver = receiver("a")
        receiver.listed([snapshot("a", 10)], deltas: [listed("a", 10)])
        #expect(downloads(&receiver) == [delta("a", 10)])
        receiver.failed(delta("a", 10), at: .seconds(1))
        receiver.listed([snapshot("a", 10)], deltas: [listed("a", 10)])
        #expect(downloads(&receiver, at: .seconds(2)) == [])
        receiver.listed([snapshot("a", 10)], deltas: [listed("a", 10, "2")])
        #expect(downloads(&receiver, at: .seconds(2)) == [delta("a", 10)])
    }

    @Test func recordedPositionsInTheFutureAreForgotten() {
        var receiver = Receiver(own: "own", settings: .init(concurrentDownloads: 1, retryInterval: .seconds(5)))
        var positions = RecordedPositions()
        (positions.merged, positions.owed) = (["a": 100, "b": 5], ["c": 200, "d": 5])
        receiver.restored(positions, of: "main")
        receiver.forgetPositions(after: 50)
        #expect(receiver.progress.merged.mapValues(\.timestamp) == ["b": 5] && receiver.progress.owed == ["d": 5])
        #expect(receiver.progress.read.values.map(\.timestamp) == [5])
    }

    @Test func whatOthersWaitForComesBeforeWhatContinuesAChain() {
        var receiver = receiver("a", "b")
        receiver.listed(
            [snapshot("a", 10), snapshot("b", 10)], deltas: [listed("a", 10), listed("a", 20), listed("b", 10)])
        #expect(Array(downloads(&receiver).prefix(2)) == [delta("a", 10), delta("b", 10)])
    }

    @Test func largeDeltasAndFullSnapshotsAreFetchedOneAfterTheOther() {
        var receiver = receiver("a", "b")
        let large = Receiver.smallSize + 1
        receiver.listed(
            [snapshot("a", 10), snapshot("b", 10)],
            deltas: [listed("a", 10, size: large), listed("a", 20), listed("b", 10, size: large)])
        #expect(downloads(&receiver) == [delta("a", 10)])
        #expect(receiver.waiting == [delta("b", 10)])
    }

    @Test func atMostSoManyAreInHand() {
        var receiver = receiver("a")
        let many = (1...50).map { listed("a", UInt64($0) * 10) }
        receiver.listed([snapshot("a", 10)], deltas: many)
        #expect(downloads(&receiver).count == Receiver.mostSmall)
    }

    @Test func atMostSoManyBytesAreMergedTogether() {
        var receiver = receiver("a")
        let size = Receiver.smallSize
        receiver.listed([snapshot("a", 10)], deltas: (1...6).map { listed("a", UInt64($0) * 10, size: size) })
        let names = downloads(&receiver)
        for name in names { receiver.downloaded(name) }
        var together = [receiver.nextMerge()].compactMap(\.self)
        while let name = receiver.nextMerge(together: together) { together.append(name) }
        #expect(together.count == Receiver.mostTogether / size)
        #expect(together == Array(names.prefix(together.count)))
    }

    @Test func aFullSnapshotIsMergedAlone() {
        for isFirst in [false, true] {
            var receiver = receiver("a")
            receiver.listed([snapshot("a", 10), snapshot("b", 5)], deltas: [listed("a", 10)])
            let names = downloads(&receiver)
            #expect(names == [snapshot("b", 5), delta("a", 10)])
            for name in isFirst ? names : names.reversed() { receiver.downloaded(name) }
            let first = receiver.nextMerge()
            #expect(first == (isFirst ? snapshot("b", 5) : delta("a", 10)))
            #expect(!receiver.hasReady(together: [first].compactMap(\.self)) && receiver.hasReady)
        }
    }

    @Test func oneThatFailsIsRetriedAndThoseBehindItAreNotLost() {
        var receiver = receiver("a")
        receiver.listed([snapshot("a", 10)], deltas: [listed("a", 10), listed("a", 20)])
        _ = downloads(&receiver)
        receiver.downloaded(delta("a", 20))
        receiver.failed(delta("a", 10), at: .seconds(1))
        #expect(receiver.nextMerge() == delta("a", 20))
        receiver.merged(delta("a", 20), to: 30)
        // A gap is no position, and a success of another object is none of this one.
        #expect(position(receiver, of: "a") == 10)
        #expect(receiver.nextRetry == .seconds(6) && receiver.mostFailures == 1)
        #expect(downloads(&receiver, at: .seconds(5)) == [])
        #expect(downloads(&receiver, at: .seconds(6)) == [delta("a", 10)])
        receiver.downloaded(delta("a", 10))
        #expect(receiver.nextMerge() == delta("a", 10))
        receiver.merged(delta("a", 10), to: 20)
        #expect(position(receiver, of: "a") == 30 && receiver.isSettled)
    }

    @Test func severalThatAreGoneAreListedAgainAndThenFail() {
        var receiver = receiver("a")
        let deltas = [listed("a", 10), listed("a", 20)]
        receiver.listed([snapshot("a", 10)], deltas: deltas)
        for name in downloads(&receiver) {
            let listsAgain = receiver.vanished(name, at: .zero)
            #expect(listsAgain)
        }
        #expect(!receiver.isSettled)
        receiver.listed([snapshot("a", 10)], deltas: deltas)
        // They are listed, and are not there.
        for name in downloads(&receiver) {
            let listsAgain = receiver.vanished(name, at: .zero)
            #expect(!listsAgain)
        }
        #expect(downloads(&receiver) == [] && receiver.nextRetry != nil)
    }

    /// Who cleans must not take it for known.
    @Test func aRefusedOneIsNotReadThoughNothingWaits() {
        var receiver = receiver("a")
        receiver.listed([snapshot("a", 10)], deltas: [listed("a", 10)])
        _ = downloads(&receiver)
        receiver.downloaded(delta("a", 10))
        _ = receiver.nextMerge()
        receiver.refused(delta("a", 10))
        #expect(receiver.isSettled && receiver.progress.unread == ["a"])
        receiver.listed([snapshot("a", 10), snapshot("a", 40)], deltas: [listed("a", 10)])
        for name in downloads(&receiver) { receiver.downloaded(name) }
        #expect(receiver.nextMerge() == snapshot("a", 40))
        receiver.merged(snapshot("a", 40))
        receiver.listed([snapshot("a", 40)])
        #expect(receiver.progress.unread == [])
    }

    @Test func oneUnderTheOwnNameIsMergedAlone() {
        for own in ["a", "b"] {
            var receiver = Receiver(own: own, settings: .init(concurrentDownloads: 1, retryInterval: .seconds(5)))
            receiver.listed([], deltas: [listed("a", 10), listed("b", 10)])
            #expect(downloads(&receiver).count == 2)
            for name in [delta("a", 10), delta("b", 10)] { receiver.downloaded(name) }
            #expect(receiver.nextMerge() == delta("a", 10))
            #expect(!receiver.hasReady(together: [delta("a", 10)]) && receiver.hasReady)
        }
        var receiver = Receiver(own: "c", settings: .init(concurrentDownloads: 1, retryInterval: .seconds(5)))
        receiver.listed([], deltas: [listed("a", 10), listed("b", 10)])
        for name in downloads(&receiver) { receiver.downloaded(name) }
        #expect(receiver.nextMerge() == delta("a", 10))
        #expect(receiver.hasReady(together: [delta("a", 10)]))
    }

    /// The retry of what is no longer wanted must not be asked for again and again.
    @Test func whatTakesThePlaceOfAFailureWaitsForRoomOnly() {
        var receiver = receiver("a")
        receiver.listed([snapshot("a", 10)], deltas: [listed("a", 10)])
        #expect(downloads(&receiver) == [delta("a", 10)])
        receiver.failed(delta("a", 10), at: .zero)
        #expect(receiver.nextRetry == .seconds(5))
        receiver.listed([snapshot("a", 10), snapshot("b", 5)], deltas: [listed("a", 10)])
        #expect(downloads(&receiver) == [snapshot("b", 5)])
        let full = snapshot("a", 40)
        receiver.listed([full, snapshot("b", 5)], deltas: [listed("a", 10)], sizes: [full: 5])
        #expect(receiver.nextRetry == nil && downloads(&receiver, at: .seconds(6)) == [])
        receiver.downloaded(snapshot("b", 5))
        _ = receiver.nextMerge()
        receiver.merged(snapshot("b", 5))
        #expect(downloads(&receiver, at: .seconds(6)) == [full])
    }

    @Test func oneThatIsGoneWhenItIsRetriedLeavesNoRetry() {
        var receiver = receiver("a")
        receiver.listed([snapshot("a", 10)], deltas: [listed("a", 10)])
        _ = downloads(&receiver)
        receiver.failed(delta("a", 10), at: .zero)
        #expect(receiver.nextRetry == .seconds(5))
        #expect(downloads(&receiver, at: .seconds(5)) == [delta("a", 10)])
        let listsAgain = receiver.vanished(delta("a", 10), at: .seconds(6))
        #expect(listsAgain)
        #expect(receiver.nextRetry == nil && downloads(&receiver, at: .seconds(6)) == [])
    }
}

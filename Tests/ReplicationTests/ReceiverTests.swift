import Snapshots
import Testing

@testable import Replication

/// A snapshot of the database `main`.
func snapshot(_ instance: String, _ timestamp: UInt64) -> SnapshotName {
    SnapshotName(database: "main", instance: instance, timestamp: timestamp)
}

@Suite struct ReceiverTests {
    private func receiver(concurrent: Int = 2) -> Receiver {
        Receiver(own: "own", settings: .init(concurrentDownloads: concurrent, retryInterval: .seconds(5)))
    }

    /// Downloads and merges whatever is wanted.
    ///
    /// - Returns: what was merged, in order.
    private func loadAll(_ receiver: inout Receiver, at now: Duration = .zero) -> [SnapshotName] {
        var merged: [SnapshotName] = []
        while let name = receiver.nextDownload(at: now) {
            receiver.downloaded(name)
            while let name = receiver.nextMerge() {
                receiver.merged(name)
                merged.append(name)
            }
        }
        return merged
    }

    @Test func nothingIsWantedBeforeTheFirstListing() {
        var receiver = receiver()
        #expect(receiver.nextDownload(at: .zero) == nil)
        #expect(!receiver.hasListing)
        #expect(!receiver.isOwnLoaded)
        #expect(!receiver.isStartLoaded)
        #expect(!receiver.isStartLoadedOrFailing)
    }

    @Test func anEmptyStorageIsLoaded() {
        var receiver = receiver()
        receiver.listed([])
        #expect(receiver.isOwnLoaded)
        #expect(receiver.isStartLoaded)
    }

    @Test func onlyTheNewestOfEachInstanceIsLoaded() {
        var receiver = receiver()
        receiver.listed([snapshot("b", 3), snapshot("a", 1), snapshot("a", 5), snapshot("a", 2), snapshot("b", 4)])
        #expect(loadAll(&receiver) == [snapshot("b", 4), snapshot("a", 5)])
        #expect(receiver.isStartLoaded)
        receiver.listed([snapshot("a", 1), snapshot("a", 5), snapshot("b", 4)])
        #expect(receiver.nextDownload(at: .zero) == nil)
        receiver.listed([snapshot("a", 1), snapshot("a", 5), snapshot("a", 6), snapshot("b", 4)])
        #expect(loadAll(&receiver) == [snapshot("a", 6)])
    }

    @Test func theOwnOneComesFirstAndThenThoseThatWaitLongest() {
        var receiver = receiver(concurrent: 1)
        receiver.listed([snapshot("a", 5), snapshot("b", 1), snapshot("own", 9), snapshot("c", 3)])
        #expect(
            loadAll(&receiver) == [snapshot("own", 9), snapshot("b", 1), snapshot("c", 3), snapshot("a", 5)])
    }

    @Test func ownSnapshotsCountUntilTheFirstIsLoaded() {
        var receiver = receiver()
        receiver.listed([snapshot("own", 1), snapshot("own", 2)])
        #expect(!receiver.isOwnLoaded)
        #expect(loadAll(&receiver) == [snapshot("own", 2)])
        #expect(receiver.isOwnLoaded)
        receiver.listed([snapshot("own", 1), snapshot("own", 2), snapshot("own", 3)])
        #expect(receiver.nextDownload(at: .zero) == nil)
        #expect(receiver.isOwnLoaded)
    }

    @Test func withoutOwnSnapshotsAtStartLaterOnesDoNotCount() {
        var receiver = receiver()
        receiver.listed([snapshot("a", 1)])
        #expect(receiver.isOwnLoaded)
        receiver.listed([snapshot("a", 1), snapshot("own", 3)])
        #expect(loadAll(&receiver) == [snapshot("a", 1)])
    }

    @Test func noMoreThanTheLimitIsInHand() {
        var receiver = receiver(concurrent: 2)
        receiver.listed([snapshot("a", 1), snapshot("b", 2), snapshot("c", 3)])
        let first = receiver.nextDownload(at: .zero)
        #expect(first == snapshot("a", 1))
        #expect(receiver.nextDownload(at: .zero) == snapshot("b", 2))
        #expect(receiver.nextDownload(at: .zero) == nil)
        receiver.downloaded(snapshot("a", 1))
        #expect(receiver.nextDownload(at: .zero) == nil)
        #expect(receiver.nextMerge() == snapshot("a", 1))
        #expect(receiver.nextDownload(at: .zero) == nil)
        receiver.merged(snapshot("a", 1))
        #expect(receiver.nextDownload(at: .zero) == snapshot("c", 3))
    }

    @Test func whatHasGoneFromTheStorageIsInHandUntilItEnds() {
        var receiver = receiver(concurrent: 1)
        receiver.listed([snapshot("a", 1)])
        #expect(receiver.nextDownload(at: .zero) == snapshot("a", 1))
        receiver.listed([snapshot("b", 2)])
        #expect(receiver.nextDownload(at: .zero) == nil)
        receiver.downloaded(snapshot("a", 1))
        #expect(receiver.nextMerge() == snapshot("a", 1))
        #expect(receiver.nextDownload(at: .zero) == nil)
        receiver.merged(snapshot("a", 1))
        #expect(receiver.nextDownload(at: .zero) == snapshot("b", 2))
    }

    @Test func whatComesFirstIsMergedFirst() {
        var receiver = receiver()
        receiver.listed([snapshot("a", 1), snapshot("b", 2)])
        while receiver.nextDownload(at: .zero) != nil {}
        receiver.downloaded(snapshot("b", 2))
        receiver.downloaded(snapshot("a", 1))
        #expect(receiver.hasReady)
        #expect(receiver.nextMerge() == snapshot("b", 2))
        #expect(receiver.nextMerge() == snapshot("a", 1))
        #expect(receiver.nextMerge() == nil)
        #expect(!receiver.hasReady)
    }

    @Test func aNewerOneWaitsForTheOneUnderWay() {
        var receiver = receiver()
        receiver.listed([snapshot("a", 1)])
        #expect(receiver.nextDownload(at: .zero) == snapshot("a", 1))
        receiver.listed([snapshot("a", 1), snapshot("a", 2)])
        #expect(receiver.nextDownload(at: .zero) == nil)
        receiver.downloaded(snapshot("a", 1))
        #expect(receiver.nextMerge() == snapshot("a", 1))
        receiver.merged(snapshot("a", 1))
        #expect(!receiver.isStartLoaded)
        #expect(loadAll(&receiver) == [snapshot("a", 2)])
        #expect(receiver.isStartLoaded)
    }

    // MARK: Failures

    @Test(arguments: [false, true]) func aFailureIsTriedAgainAfterTheInterval(inMerge: Bool) {
        var receiver = receiver()
        receiver.listed([snapshot("a", 1)])
        #expect(receiver.nextDownload(at: .zero) != nil)
        if inMerge {
            receiver.downloaded(snapshot("a", 1))
            #expect(receiver.nextMerge() != nil)
        }
        receiver.failed(snapshot("a", 1), at: .seconds(10))
        #expect(!receiver.isStartLoaded)
        #expect(receiver.isStartLoadedOrFailing)
        #expect(receiver.nextRetry == .seconds(15))
        #expect(receiver.nextDownload(at: .milliseconds(14_999)) == nil)
        #expect(receiver.nextDownload(at: .seconds(15)) == snapshot("a", 1))
        #expect(receiver.isStartLoadedOrFailing)
        receiver.downloaded(snapshot("a", 1))
        #expect(receiver.nextMerge() != nil)
        receiver.merged(snapshot("a", 1))
        #expect(receiver.isStartLoaded)
        #expect(receiver.nextRetry == nil)
    }

    @Test func aSuccessEndsTheFailing() {
        var receiver = receiver()
        receiver.listed([snapshot("a", 1)])
        #expect(receiver.nextDownload(at: .zero) != nil)
        receiver.failed(snapshot("a", 1), at: .zero)
        #expect(loadAll(&receiver, at: .seconds(5)) == [snapshot("a", 1)])
        receiver.listed([snapshot("a", 1), snapshot("a", 2)])
        #expect(!receiver.isStartLoadedOrFailing)
    }

    @Test func aNewerOneReplacesTheFailedOneAtOnce() {
        var receiver = receiver()
        receiver.listed([snapshot("a", 1)])
        #expect(receiver.nextDownload(at: .zero) != nil)
        receiver.failed(snapshot("a", 1), at: .seconds(10))
        receiver.listed([snapshot("a", 1), snapshot("a", 2)])
        #expect(receiver.nextDownload(at: .seconds(11)) == snapshot("a", 2))
    }

    @Test func aFailedOneThatHasGoneIsForgotten() {
        var receiver = receiver()
        receiver.listed([snapshot("a", 1)])
        #expect(receiver.nextDownload(at: .zero) != nil)
        receiver.failed(snapshot("a", 1), at: .seconds(10))
        receiver.listed([])
        #expect(receiver.nextRetry == nil)
        #expect(receiver.nextDownload(at: .seconds(100)) == nil)
        #expect(receiver.isStartLoaded)
    }

    /// The listing that no longer has it may come before its failure, and no other listing may follow.
    @Test func oneThatFailsAfterItHasGoneIsNotTriedAgain() {
        var receiver = receiver()
        receiver.listed([snapshot("a", 1)])
        #expect(receiver.nextDownload(at: .zero) != nil)
        receiver.listed([])
        receiver.failed(snapshot("a", 1), at: .seconds(10))
        #expect(receiver.nextRetry == nil)
        #expect(receiver.nextDownload(at: .seconds(100)) == nil)
        #expect(receiver.isStartLoaded)
    }

    @Test func failuresOfOthersDoNotWait() {
        var receiver = receiver(concurrent: 1)
        receiver.listed([snapshot("a", 1), snapshot("b", 2)])
        #expect(receiver.nextDownload(at: .zero) == snapshot("a", 1))
        receiver.failed(snapshot("a", 1), at: .zero)
        #expect(receiver.nextDownload(at: .zero) == snapshot("b", 2))
        // While the limit is reached, a retry has to wait for that.
        #expect(receiver.nextRetry == nil)
    }

    @Test func aRefusedOneIsReplacedByThePrevious() {
        var receiver = receiver()
        let names = [1, 2, 3].map { snapshot("a", $0) }
        receiver.listed(names)
        for name in names.reversed() {
            #expect(receiver.nextDownload(at: .zero) == name)
            #expect(!receiver.isStartLoaded)
            receiver.downloaded(name)
            #expect(receiver.nextMerge() == name)
            receiver.refused(name)
            receiver.listed(names)
        }
        #expect(receiver.nextDownload(at: .zero) == nil)
        #expect(receiver.isStartLoaded)
        receiver.listed(names + [snapshot("a", 4)])
        #expect(receiver.nextDownload(at: .zero) == snapshot("a", 4))
    }

    @Test func thePreviousOfARefusedOneIsNotMergedTwice() {
        var receiver = receiver()
        receiver.listed([snapshot("a", 1)])
        #expect(loadAll(&receiver) == [snapshot("a", 1)])
        receiver.listed([snapshot("a", 1), snapshot("a", 2)])
        let name = receiver.nextDownload(at: .zero)
        #expect(name == snapshot("a", 2))
        receiver.downloaded(snapshot("a", 2))
        #expect(receiver.nextMerge() != nil)
        receiver.refused(snapshot("a", 2))
        #expect(receiver.nextDownload(at: .zero) == nil)
    }

    @Test func theOwnOneRefusedIsReplacedByItsPrevious() {
        var receiver = receiver()
        receiver.listed([snapshot("own", 1), snapshot("own", 2)])
        #expect(receiver.nextDownload(at: .zero) == snapshot("own", 2))
        receiver.downloaded(snapshot("own", 2))
        #expect(receiver.nextMerge() != nil)
        receiver.refused(snapshot("own", 2))
        #expect(!receiver.isOwnLoaded)
        #expect(loadAll(&receiver) == [snapshot("own", 1)])
        #expect(receiver.isOwnLoaded)
    }

    @Test func ownOnesThatAreAllRefusedAreDoneWith() {
        var receiver = receiver()
        receiver.listed([snapshot("own", 1)])
        #expect(receiver.nextDownload(at: .zero) != nil)
        receiver.downloaded(snapshot("own", 1))
        #expect(receiver.nextMerge() != nil)
        receiver.refused(snapshot("own", 1))
        #expect(receiver.isOwnLoaded)
        receiver.listed([snapshot("own", 1), snapshot("own", 2)])
        #expect(receiver.nextDownload(at: .zero) == nil)
    }

    // MARK: Vanishing

    @Test func aVanishedOneIsForgotten() {
        var receiver = receiver()
        receiver.listed([snapshot("a", 1), snapshot("a", 2)])
        #expect(receiver.nextDownload(at: .zero) == snapshot("a", 2))
        #expect(receiver.vanished(snapshot("a", 2), at: .zero) == true)
        #expect(receiver.nextDownload(at: .zero) == snapshot("a", 1))
        #expect(receiver.vanished(snapshot("a", 1), at: .zero) == true)
        #expect(receiver.nextDownload(at: .zero) == nil)
        // It may only be late to be seen: the next listing tells.
        #expect(!receiver.isStartLoaded)
        receiver.listed([])
        #expect(receiver.isStartLoaded)
    }

    @Test func failuresInARowAreCounted() {
        var receiver = receiver()
        receiver.listed([snapshot("a", 1), snapshot("b", 1)])
        for round in 1...3 {
            while let name = receiver.nextDownload(at: .seconds(round * 10)) {
                if name.instance == "a" {
                    receiver.failed(name, at: .seconds(round * 10))
                } else {
                    receiver.merged(name)
                }
            }
            #expect(receiver.mostFailures == round)
        }
        #expect(receiver.nextDownload(at: .seconds(100)) != nil)
        receiver.merged(snapshot("a", 1))
        #expect(receiver.mostFailures == 0)
    }

    /// A storage that lists what it can't find must not be asked without end.
    @Test func oneThatIsListedAgainAfterItVanishedCountsAsFailed() {
        var receiver = receiver()
        receiver.listed([snapshot("a", 1)])
        #expect(receiver.nextDownload(at: .zero) != nil)
        #expect(receiver.vanished(snapshot("a", 1), at: .zero) == true)
        receiver.listed([snapshot("a", 1)])
        #expect(receiver.nextDownload(at: .seconds(1)) == snapshot("a", 1))
        #expect(receiver.vanished(snapshot("a", 1), at: .seconds(1)) == false)
        receiver.listed([snapshot("a", 1)])
        #expect(receiver.nextDownload(at: .seconds(2)) == nil)
        #expect(receiver.nextRetry == .seconds(6))
        #expect(receiver.nextDownload(at: .seconds(6)) == snapshot("a", 1))
        receiver.downloaded(snapshot("a", 1))
        #expect(receiver.nextMerge() == snapshot("a", 1))
    }

    @Test func theVanishedOwnOneMayBeReplacedByOurNext() {
        var receiver = receiver()
        receiver.listed([snapshot("own", 1)])
        #expect(receiver.nextDownload(at: .zero) != nil)
        #expect(receiver.vanished(snapshot("own", 1), at: .zero) == true)
        #expect(!receiver.isOwnLoaded)
        receiver.listed([])
        #expect(receiver.isOwnLoaded)
        // The one that is sent now.
        receiver.listed([snapshot("own", 5)])
        #expect(receiver.isOwnLoaded)
        #expect(receiver.nextDownload(at: .zero) == nil)
    }

    @Test func anInstanceThatHasGoneIsNoneThatIsMissing() {
        var receiver = receiver()
        receiver.listed([snapshot("a", 1), snapshot("b", 1)])
        receiver.listed([snapshot("b", 1)])
        #expect(!receiver.isStartLoaded)
        #expect(loadAll(&receiver) == [snapshot("b", 1)])
        #expect(receiver.isStartLoaded)
    }

    @Test func instancesThatCameLaterAreNotPartOfTheStart() {
        var receiver = receiver()
        receiver.listed([snapshot("b", 1)])
        #expect(loadAll(&receiver) == [snapshot("b", 1)])
        receiver.listed([snapshot("b", 1), snapshot("c", 1)])
        #expect(receiver.isStartLoaded)
        #expect(loadAll(&receiver) == [snapshot("c", 1)])
    }

    @Test func oneThatGoesWhileItIsDownloadedIsMergedAllTheSame() {
        var receiver = receiver()
        receiver.listed([snapshot("a", 1)])
        #expect(receiver.nextDownload(at: .zero) != nil)
        receiver.listed([])
        receiver.downloaded(snapshot("a", 1))
        #expect(receiver.nextMerge() == snapshot("a", 1))
        receiver.merged(snapshot("a", 1))
        #expect(receiver.isStartLoaded)
    }
}

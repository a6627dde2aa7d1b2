import Snapshots
import Testing

@testable import Replication

/// Deltas, whose names show only where they begin.
extension RejoinFenceTests {
    private static func delta(_ instance: String, _ seconds: UInt64) -> SnapshotName {
        SnapshotName(
            database: "main", instance: instance, timestamp: time(seconds), fileExtension: SnapshotName.deltaExtension)
    }

    /// The name of a delta shows where it begins. It is read before anything is sent, so where it ends is known by then.
    @Test(arguments: [(390, true), (410, false)] as [(UInt64, Bool)])
    func othersWhoseDeltasGoOnForTooLongShutIt(end: UInt64, isOpen: Bool) {
        var fence = Self.fence(lastSync: 0)
        _ = fence.listed([Self.name("b", 380)], deltas: [Self.delta("b", 380)], began: Self.time(420), at: .zero)
        #expect(fence.reason == nil && !fence.maySend(at: .zero))
        fence.reached(Self.name("own", 500))
        fence.reached(Self.name("b", end))
        fence.settled(unsentSince: nil, at: .zero)
        #expect(fence.maySend(at: .zero) == isOpen)
        #expect(fence.lastSync == (isOpen ? Self.time(420) : Self.time(0)))
        // It is not read again with the next listing.
        _ = fence.listed(
            [Self.name("b", 380)], deltas: [Self.delta("b", 380)], began: Self.time(425), at: .seconds(5))
        #expect((fence.reason == nil) == isOpen)
        // What is gone does not count.
        _ = fence.listed([Self.name("b", 380)], began: Self.time(430), at: .seconds(10))
        #expect(fence.reason == nil)
    }

    /// It may be too old to be loaded once it is listed.
    @Test func whatIsOldIsNotReadBeforeItIsListed() {
        var fence = Self.fence(lastSync: 0)
        #expect(!fence.mayReadUnlisted(Self.name("b", 900)))
        _ = fence.listed([Self.name("b", 900)], began: Self.time(900), at: .zero)
        #expect(fence.mayReadUnlisted(Self.name("b", 700)))
        #expect(!fence.mayReadUnlisted(Self.name("b", 600)))
    }

    @Test func theEndOfADeltaMakesOldSnapshotsTooOld() {
        var fence = Self.fence(lastSync: nil)
        let names = [Self.name("a", 0), Self.name("b", 440)]
        #expect(fence.listed(names, deltas: [Self.delta("b", 440)], began: Self.time(470), at: .zero) == names)
        fence.reached(Self.name("b", 460))
        let loadable = fence.listed(names, deltas: [Self.delta("b", 440)], began: Self.time(471), at: .seconds(1))
        #expect(loadable == [Self.name("b", 440)])
    }
}

extension FencedLoopTests {
    /// The names show an absence that is short enough, the end of the delta shows one that is not.
    @Test func whereADeltaEndsIsKnownBeforeAnythingIsSent() {
        let second: UInt64 = 1_000_000_000
        let full = SnapshotName(database: "main", instance: "b", timestamp: Self.time - 4050 * second)
        let open = delta("b", full.timestamp)
        var loop = Self.loop(lastSync: Self.time - 4100 * second, usesDeltas: true)
        #expect(loop.handle(.tick) == [.list])
        let listing = SyncMachine.Listing([full], deltas: [.init(name: open, size: 10, version: "1")], began: Self.time)
        #expect(loop.handle(.listed(listing)) == [.download(full)])
        #expect(loop.load(full) == [.download(open)])
        #expect(loop.machine.fence?.reason == nil)
        #expect(loop.handle(.downloaded(open)) == [.compare(open)])
        let merged = SyncMachine.Merged(transaction: nil, position: Self.time - 10 * second)
        #expect(loop.handle(.merged(open, merged)) == [.started])
        #expect(loop.machine.fence?.reason != nil)
    }
}

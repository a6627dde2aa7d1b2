import Snapshots
import Testing

@testable import Replication

@Suite struct NamesakeWatchTests {
    private func names(_ timestamps: UInt64...) -> [SnapshotName] { timestamps.map { snapshot("own", $0) } }

    @Test func nothingIsStrangeBeforeTheFirstOwnSnapshot() {
        var watch = NamesakeWatch()
        #expect(watch.listed(names(1, 2)) == nil)
        #expect(watch.listed(names(1, 2, 3)) == nil)
    }

    @Test func whatWasWrittenHereIsOurs() {
        var watch = NamesakeWatch()
        for timestamp in 10..<200 as Range<UInt64> {
            watch.willStore(snapshot("own", timestamp))
            #expect(watch.listed((10...timestamp).map { snapshot("own", $0) }) == nil)
        }
        // A cleaner removes the older ones.
        #expect(watch.listed(names(199)) == nil)
        #expect(watch.listed(names(199)) == nil)
    }

    @Test func whatSomebodyElseWroteIsStrangeOnce() {
        var watch = NamesakeWatch()
        watch.willStore(snapshot("own", 10))
        #expect(watch.listed(names(10)) == nil)
        #expect(watch.listed(names(10, 11, 12)) == snapshot("own", 12))
        #expect(watch.listed(names(10, 11, 12)) == nil)
        watch.willStore(snapshot("own", 13))
        #expect(watch.listed(names(10, 11, 12, 13, 14)) == snapshot("own", 14))
    }

    /// An upload of a process that was killed may appear later than it was written.
    @Test func whatIsOlderThanTheFirstOwnSnapshotIsNotStrange() {
        var watch = NamesakeWatch()
        watch.willStore(snapshot("own", 10))
        #expect(watch.listed(names(10)) == nil)
        #expect(watch.listed(names(9, 10)) == nil)
    }

    @Test func anUploadThatFailedMayStillArrive() {
        var watch = NamesakeWatch()
        watch.willStore(snapshot("own", 10))
        watch.willStore(snapshot("own", 11))
        #expect(watch.listed(names(11)) == nil)
        #expect(watch.listed(names(10, 11)) == nil)
    }

    /// What keeps a health check failing.
    @Test func aStrangerStaysUntilItIsRemovedOrQuiet() {
        var watch = NamesakeWatch()
        _ = watch.listed(names(5))
        watch.willStore(snapshot("own", 10))
        _ = watch.listed(names(5, 10))
        #expect(watch.stranger() == nil)
        _ = watch.listed(names(5, 10, 11))
        #expect(watch.stranger() == snapshot("own", 11))
        watch.willStore(snapshot("own", 20))
        _ = watch.listed(names(10, 11, 20))
        #expect(watch.stranger() == snapshot("own", 11))
        _ = watch.listed(names(10, 11, 15, 20))
        #expect(watch.stranger() == snapshot("own", 15))
        // A cleaner removes older ones.
        _ = watch.listed(names(20))
        #expect(watch.stranger() == snapshot("own", 15))
        #expect(watch.stranger(at: watch.quietTime) == nil)
        // Somebody removes the newest.
        _ = watch.listed(names(20, 21))
        #expect(watch.stranger() == snapshot("own", 21))
        _ = watch.listed(names(20))
        #expect(watch.stranger() == nil)
    }

    @Test func whatOursHoldIsNoAlarmOnceItIsQuiet() {
        var watch = NamesakeWatch()
        watch.willStore(snapshot("own", 10))
        #expect(watch.listed(names(10, 11, 12), at: .seconds(1)) == snapshot("own", 12))
        #expect(watch.strangers.max() == snapshot("own", 12))
        // Stored without having merged theirs: ours hides it.
        watch.stored(covering: watch.merged)
        #expect(watch.stranger(at: .seconds(1000)) == snapshot("own", 12))
        watch.merged(snapshot("own", 12))
        #expect(watch.stranger(at: .seconds(1000)) == snapshot("own", 12))
        watch.willStore(snapshot("own", 20))
        watch.stored(covering: watch.merged)
        _ = watch.listed(names(10, 11, 12, 20), at: .seconds(5))
        #expect(watch.stranger(at: .seconds(90)) == snapshot("own", 12))
        #expect(watch.stranger(at: .seconds(91)) == nil)
        // It is still there.
        #expect(watch.listed(names(12, 20, 21), at: .seconds(100)) == snapshot("own", 21))
        #expect(watch.stranger(at: .seconds(300)) == snapshot("own", 21))
    }
}

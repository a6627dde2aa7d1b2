import Snapshots
import Testing

@testable import Replication

/// The fence alone, with a retention of 1000 s: an absence of 400 s is too long, snapshots 450 s behind are too old.
@Suite struct RejoinFenceTests {
    private static let second: UInt64 = 1_000_000_000
    private static let start: UInt64 = 1_800_000_000 * second

    static func time(_ seconds: UInt64) -> UInt64 { start + seconds * second }

    static func name(_ instance: String, _ seconds: UInt64) -> SnapshotName {
        SnapshotName(database: "main", instance: instance, timestamp: time(seconds))
    }

    static func fence(lastSync: UInt64?) -> RejoinFence {
        RejoinFence(
            own: "own", retention: .seconds(1000), pollInterval: .seconds(1), firstInterval: .seconds(10),
            record: SyncRecord(lastSync: lastSync.map { time($0) }))
    }

    @Test(arguments: [(300, true), (401, false), (5000, false)] as [(UInt64, Bool)])
    func othersThatWentOnForTooLongShutIt(other: UInt64, isOpen: Bool) {
        var fence = Self.fence(lastSync: 0)
        _ = fence.listed([Self.name("own", 0), Self.name("b", other)], began: Self.time(other + 10), at: .zero)
        fence.settled(unsentSince: nil, at: .zero)
        #expect((fence.reason == nil) == isOpen)
        #expect(fence.maySend(at: .zero) == isOpen)
        #expect(fence.lastSync == (isOpen ? Self.time(other + 10) : Self.time(0)))
        #expect((fence.recordDue(at: .zero) != nil) == isOpen)
    }

    @Test func othersThatWereAwayAsWellDoNot() {
        var fence = Self.fence(lastSync: 0)
        _ = fence.listed([Self.name("b", 100)], began: Self.time(100_000), at: .zero)
        #expect(fence.reason == nil)
    }

    @Test func ownSnapshotsDoNot() {
        var fence = Self.fence(lastSync: 0)
        _ = fence.listed([Self.name("own", 900)], began: Self.time(900), at: .zero)
        #expect(fence.reason == nil)
    }

    @Test func withoutARecordItIsOpenOnceAllIsMerged() {
        var fence = Self.fence(lastSync: nil)
        _ = fence.listed([Self.name("b", 900)], began: Self.time(900), at: .zero)
        #expect(fence.reason == nil && !fence.maySend(at: .zero))
        fence.settled(unsentSince: nil, at: .zero)
        #expect(fence.maySend(at: .zero))
        #expect(fence.recordDue(at: .zero)?.lastSync == Self.time(900))
    }

    @Test func afterAShortAbsenceNothingHasToBeMergedFirst() {
        var fence = Self.fence(lastSync: 0)
        _ = fence.listed([Self.name("b", 40)], began: Self.time(40), at: .zero)
        #expect(fence.maySend(at: .zero))
        // After a longer one, everything.
        _ = fence.listed([Self.name("b", 60)], began: Self.time(60), at: .seconds(1))
        #expect(!fence.maySend(at: .seconds(1)))
    }

    @Test func withoutAListingNothingIsSentForLong() {
        var fence = Self.fence(lastSync: 0)
        #expect(!fence.maySend(at: .zero))
        _ = fence.listed([], began: Self.time(10), at: .zero)
        fence.settled(unsentSince: nil, at: .zero)
        #expect(fence.maySend(at: .seconds(50)) && !fence.maySend(at: .seconds(60)))
    }

    @Test func onlyWhatIsStoredCountsAsInSync() {
        var fence = Self.fence(lastSync: 0)
        _ = fence.listed([], began: Self.time(100), at: .seconds(100))
        fence.settled(unsentSince: .seconds(70), at: .seconds(100))
        #expect(fence.lastSync == Self.time(70))
        // It never falls.
        fence.settled(unsentSince: .seconds(20), at: .seconds(100))
        #expect(fence.lastSync == Self.time(70))
        fence.settled(unsentSince: .seconds(120), at: .seconds(120))
        #expect(fence.lastSync == Self.time(100))
    }

    @Test func aSnapshotThatHasGoneMeansThatTheListingIsOld() {
        var fence = Self.fence(lastSync: 0)
        _ = fence.listed([Self.name("b", 100)], began: Self.time(100), at: .zero)
        fence.vanished()
        fence.settled(unsentSince: nil, at: .zero)
        #expect(fence.lastSync == Self.time(0) && !fence.maySend(at: .zero))
    }

    @Test func snapshotsThatAreTooOldAreNotLoaded() {
        var fence = Self.fence(lastSync: nil)
        let (old, recent, newest) = (Self.name("a", 0), Self.name("b", 100), Self.name("c", 500))
        #expect(fence.listed([old, recent, newest], began: Self.time(500), at: .zero) == [recent, newest])
        #expect(fence.outdated == [old] && fence.outdatedInstances == ["a"])
        // The own one is one of them: it must not bring back what it holds, even into an empty LMDB.
        #expect(fence.listed([Self.name("own", 0), newest], began: Self.time(500), at: .zero) == [newest])
        // Where there is nothing newer, nothing is old.
        #expect(fence.listed([old], began: Self.time(90_000), at: .zero) == [old])
    }

    @Test func whatWasMergedBeforeTheLastSyncIsNotLoadedAgainWhenItIsOld() {
        var fence = Self.fence(lastSync: 500)
        let old = Self.name("a", 0)
        #expect(fence.listed([old], began: Self.time(510), at: .zero) == [])
        #expect(fence.listed([old], began: Self.time(520), at: .seconds(10)) == [])
        // A new one of that instance is.
        let new = Self.name("a", 530)
        #expect(fence.listed([old, new], began: Self.time(530), at: .seconds(20)) == [new])
    }

    @Test func aSenderWhoseClockIsAheadShutsNothing() {
        var fence = Self.fence(lastSync: 90)
        let (recent, ahead) = (Self.name("b", 90), Self.name("c", 900_000))
        #expect(fence.listed([recent, ahead], began: Self.time(100), at: .zero) == [recent, ahead])
        #expect(fence.reason == nil)
    }

    @Test func aRecordFromTheFutureShutsItUntilTheClockIsRight() {
        var fence = Self.fence(lastSync: 10_000)
        _ = fence.listed([Self.name("b", 90)], began: Self.time(100), at: .zero)
        #expect(fence.reason == .recordAhead(of: Self.time(100), record: Self.time(10_000)))
        _ = fence.listed([Self.name("b", 10_010)], began: Self.time(10_010), at: .seconds(1))
        #expect(fence.reason == nil)
    }

    @Test func aClockThatIsPutRightMeanwhileDoesNot() {
        var fence = Self.fence(lastSync: nil)
        _ = fence.listed([], began: Self.time(10_000), at: .zero)
        fence.settled(unsentSince: nil, at: .zero)
        fence.recorded(SyncRecord(lastSync: Self.time(10_000)))
        _ = fence.listed([], began: Self.time(101), at: .seconds(1))
        fence.settled(unsentSince: nil, at: .seconds(1))
        #expect(fence.reason == nil && fence.lastSync == Self.time(101))
        #expect(fence.recordDue(at: .seconds(1))?.lastSync == Self.time(101))
    }

    @Test func theRecordIsWrittenNowAndThen() {
        var fence = Self.fence(lastSync: 0)
        _ = fence.listed([], began: Self.time(9), at: .seconds(9))
        fence.settled(unsentSince: nil, at: .seconds(9))
        #expect(fence.recordDue(at: .seconds(9)) == nil)
        _ = fence.listed([], began: Self.time(11), at: .seconds(11))
        fence.settled(unsentSince: nil, at: .seconds(11))
        #expect(fence.recordDue(at: .seconds(11))?.lastSync == Self.time(11))
        fence.recordFailed(retryAt: .seconds(15))
        #expect(fence.recordDue(at: .seconds(14)) == nil && fence.recordDue(at: .seconds(15)) != nil)
        fence.recorded(SyncRecord(lastSync: Self.time(11)))
        #expect(fence.recordDue(at: .seconds(15)) == nil)
    }

    @Test func aNewRecordOpensItWithTheNextListing() {
        var fence = Self.fence(lastSync: 0)
        let other = Self.name("b", 5000)
        _ = fence.listed([other], began: Self.time(5000), at: .zero)
        fence.found(SyncRecord(lastSync: Self.time(0)))
        _ = fence.listed([other], began: Self.time(5001), at: .seconds(1))
        #expect(fence.reason == .absent(since: Self.time(0), other: other))
        fence.found(SyncRecord(lastSync: Self.time(5001)))
        fence.settled(unsentSince: nil, at: .seconds(1))
        #expect(fence.listed([other], began: Self.time(5002), at: .seconds(2)) == [other])
        #expect(fence.reason == nil && fence.maySend(at: .seconds(2)))
    }

    /// A listing with one snapshot of another instance, at once merged.
    private static func sync(_ fence: inout RejoinFence, _ seconds: UInt64, at now: Duration) {
        _ = fence.listed([name("b", seconds)], began: time(seconds), at: now)
        fence.settled(unsentSince: nil, at: now)
    }

    /// A twentieth of the retention and the first interval: 60 s.
    @Test(arguments: [(nil, 60), (10, 0), (1000, 60)] as [(UInt64?, Int)])
    func afterAnAbsenceNothingIsSweptForSomeTime(absence: UInt64?, wait: Int) {
        var fence = Self.fence(lastSync: absence.map { 5000 - $0 })
        #expect(fence.sweepsFrom(at: .zero) == nil)
        _ = fence.listed([Self.name("b", 5000 - (absence ?? 0))], began: Self.time(5000), at: .seconds(1))
        #expect(fence.mayLeaveOutDeletions == false)
        #expect((fence.sweepsFrom(at: .seconds(1)) == nil) == (wait > 0))
        fence.settled(unsentSince: nil, at: .seconds(3))
        #expect(fence.mayLeaveOutDeletions)
        #expect(fence.sweepsFrom(at: .seconds(3)) == (wait > 0 ? .seconds(3 + wait) : .zero))
        let record = fence.recordDue(at: .seconds(3))
        #expect(record?.sweepAfter == (wait > 0 ? Self.time(5002 + UInt64(wait)) : nil))
    }

    @Test func whoIsAloneHasNothingToWaitFor() {
        var fence = Self.fence(lastSync: nil)
        _ = fence.listed([Self.name("own", 10)], began: Self.time(5000), at: .zero)
        fence.settled(unsentSince: nil, at: .zero)
        #expect(fence.sweepsFrom(at: .zero) == .zero)
    }

    @Test func theRecordKeepsTheEndOfTheWaitOverRestarts() throws {
        var first = Self.fence(lastSync: nil)
        Self.sync(&first, 5000, at: .zero)
        let record = try #require(first.recordDue(at: .zero))
        #expect(record == SyncRecord(lastSync: Self.time(5000), sweepAfter: Self.time(5060)))
        func restarted(at seconds: UInt64, _ record: SyncRecord) -> Duration? {
            var fence = RejoinFence(
                own: "own", retention: .seconds(1000), pollInterval: .seconds(1), firstInterval: .seconds(10),
                record: record)
            Self.sync(&fence, seconds, at: .zero)
            return fence.sweepsFrom(at: .zero)
        }
        #expect(restarted(at: 5020, record) == .seconds(40))
        // An absence that is too long begins another one.
        #expect(restarted(at: 5055, record) == .seconds(60))
        // Whoever has been there all the time since has not to wait again.
        #expect(restarted(at: 6000, SyncRecord(lastSync: Self.time(5990), sweepAfter: record.sweepAfter)) == .zero)
        // Whatever clock wrote it.
        #expect(restarted(at: 5020, SyncRecord(lastSync: Self.time(5010), sweepAfter: .max)) == .seconds(60))
    }

    /// The storage's clock was wrong for a moment.
    @Test func aTimeBeyondOurOwnClockIsNotRecorded() {
        var fence = Self.fence(lastSync: nil)
        let month: UInt64 = 30 * 86_400
        _ = fence.listed([], began: Self.time(month), ceiling: Self.time(105), at: .zero)
        fence.settled(unsentSince: nil, at: .zero)
        #expect(fence.recordDue(at: .zero)?.lastSync == Self.time(105))
        _ = fence.listed([], began: Self.time(101), ceiling: Self.time(106), at: .seconds(1))
        fence.settled(unsentSince: nil, at: .seconds(1))
        #expect(fence.reason == nil && fence.maySend(at: .seconds(1)))
        #expect(fence.recordDue(at: .seconds(1))?.lastSync == Self.time(101))
    }

    /// What can't be loaded does not count as merged, except for what comes by way of a living other one.
    @Test(arguments: [0, 40, 95] as [UInt64])
    func whatCanNotBeLoadedKeepsNobodyFromSending(through: UInt64) {
        var fence = Self.fence(lastSync: 0)
        _ = fence.listed([Self.name("b", 100)], began: Self.time(100), at: .zero)
        fence.settled(.loading, unsentSince: nil, at: .zero)
        #expect(!fence.maySend(at: .zero))
        fence.settled(.failing(through: through == 0 ? 0 : Self.time(through)), unsentSince: nil, at: .zero)
        #expect(fence.maySend(at: .zero) && !fence.mayLeaveOutDeletions)
        #expect(fence.lastSync == Self.time(through == 95 ? 95 : 0))
    }

    /// What docs/deletions.md calls F, A and G, and what they must keep to.
    @Test func theLimitsLeaveRoom() {
        let (limits, retention) = (RejoinFence.Limits(retention: .seconds(1000)), Duration.seconds(1000))
        #expect(limits.absence * 2 + limits.recent < retention * 9 / 10)
        #expect(limits.absence + limits.snapshotAge + limits.recent * 2 <= retention * 19 / 20)
        #expect(limits.snapshotAge > limits.absence)
        #expect(RejoinFence.Limits(retention: .seconds(370 * 86400)).recordAge == .seconds(86400))
        #expect(RejoinFence.Limits(retention: .seconds(8)).recordAge == .seconds(1))
    }
}

/// The fence within the sync loop.
@Suite struct FencedLoopTests {
    static let time: UInt64 = 1_800_000_000_000_000_000
    private static let other = SnapshotName(database: "main", instance: "b", timestamp: time - 5_000_000_000)

    static func loop(
        lastSync: UInt64?, receiveOnly: Bool = false, onlyOnce: Bool = false, usesDeltas: Bool = false
    ) -> Loop {
        Loop(
            receiveOnly: receiveOnly, onlyOnce: onlyOnce,
            sweeper: .init(
                retention: .seconds(10_000), firstInterval: .seconds(100_000), interval: .seconds(100_000),
                lockDuration: .milliseconds(50), releaseDuration: .milliseconds(50)),
            lastSync: lastSync, usesDeltas: usesDeltas)
    }

    @Test func aFencedDatabaseReceivesAndDoesNotSend() {
        var loop = Self.loop(lastSync: 1)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([Self.other], began: Self.time)) == [.download(Self.other)])
        #expect(loop.load(Self.other, as: 11) == [.started])
        #expect(loop.handle(.observed(transaction: 12)) == [])
        #expect(loop.handle(.tick, after: .seconds(1)) == [.list])
        // Rebuilt by somebody else.
        // What was merged before need not be there any more.
        #expect(loop.handle(.foundRecord(SyncRecord(lastSync: Self.time))) == [.download(Self.other)])
        #expect(loop.handle(.listed([Self.other], began: Self.time + 1_000_000_000)) == [.send(.full)])
        #expect(loop.handle(.read(transaction: 12)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [])
    }

    @Test func aFencedSingleRunEndsWithAnError() {
        var loop = Self.loop(lastSync: 1, onlyOnce: true)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([Self.other], began: Self.time)) == [.download(Self.other)])
        #expect(loop.load(Self.other) == [.started, .endFenced])
        #expect(loop.handle(.tick, after: .seconds(10)) == [])
    }

    @Test func aSingleRunRemembersBeforeItEnds() {
        var loop = Self.loop(lastSync: nil, onlyOnce: true)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([], began: Self.time)) == [.send(.full)])
        #expect(loop.handle(.read(transaction: 10)) == [.record(SyncRecord(lastSync: Self.time))])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [.started])
        #expect(loop.handle(.recorded(SyncRecord(lastSync: Self.time), transaction: 11)) == [.finish])
    }

    @Test func aRecordThatCannotBeWrittenDoesNotKeepItFromEnding() {
        var loop = Self.loop(lastSync: nil, onlyOnce: true)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([], began: Self.time)) == [.send(.full)])
        #expect(loop.handle(.read(transaction: 10)) == [.record(SyncRecord(lastSync: Self.time))])
        #expect(loop.handle(.recordFailed) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [.started, .finish])
    }

    @Test func receiversRemember() {
        var loop = Self.loop(lastSync: nil, receiveOnly: true)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([], began: Self.time)) == [.record(SyncRecord(lastSync: Self.time)), .started])
        #expect(loop.handle(.recorded(SyncRecord(lastSync: Self.time), transaction: 11)) == [])
    }

    @Test func theRecordCausesNoSend() {
        var loop = Self.loop(lastSync: nil)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([], began: Self.time)) == [.send(.full)])
        #expect(loop.handle(.read(transaction: 10)) == [.record(SyncRecord(lastSync: Self.time))])
        #expect(loop.handle(.observed(transaction: 11)) == [])
        #expect(loop.handle(.recorded(SyncRecord(lastSync: Self.time), transaction: 11)) == [])
        #expect(loop.handle(.stored(snapshot("own", 1))) == [.started])
        #expect(loop.handle(.tick, after: .milliseconds(900)) == [])
    }

    /// A snapshot that can't be had keeps nobody from sending who was there just now, but everybody else.
    @Test(arguments: [true, false])
    func afterAnAbsenceAllIsMergedFirst(wasThere: Bool) {
        var loop = Self.loop(lastSync: wasThere ? Self.time - 100_000_000_000 : Self.time - 3_000_000_000_000)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([Self.other], began: Self.time)) == [.download(Self.other)])
        #expect(loop.handle(.downloadFailed(Self.other)) == (wasThere ? [.send(.full)] : []))
    }

    /// Not for ever, and not in silence.
    @Test(arguments: [true, false]) func whatCanNotBeLoadedForLongKeepsNobodyFromSending(isGone: Bool) {
        var loop = Self.loop(lastSync: nil)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([Self.other], began: Self.time)) == [.download(Self.other)])
        func fail() -> SyncMachine.Event { isGone ? .vanished(Self.other) : .downloadFailed(Self.other) }
        var seconds: UInt64 = 0
        var reported: Set<UInt64> = []
        var sent: UInt64?
        _ = loop.handle(fail())
        while sent == nil && seconds < 100 {
            seconds += 1
            var actions = loop.handle(.tick, after: .seconds(1))
            if actions.contains(.list) {
                actions += loop.handle(.listed([Self.other], began: Self.time + seconds * 1_000_000_000))
            }
            if actions.contains(.download(Self.other)) { actions += loop.handle(fail()) }
            if loop.machine.sendObstacle(at: loop.now) == .catchingUp(waiting: 1, failing: ["b"]) {
                reported.insert(seconds)
            }
            if actions.contains(.send(.full)) { sent = seconds }
        }
        #expect(sent.map { (60...70).contains($0) } == true)
        #expect(reported.contains { $0 < 10 })
        #expect(loop.machine.sendObstacle(at: loop.now) == nil)
    }

    @Test func theOwnSnapshotThatCanNotBeLoadedIsReported() {
        var loop = Self.loop(lastSync: Self.time)
        let own = SnapshotName(database: "main", instance: "own", timestamp: Self.time)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([own], began: Self.time)) == [.download(own)])
        #expect(loop.handle(.downloadFailed(own)) == [])
        #expect(loop.machine.sendObstacle(at: loop.now) == nil)
        _ = loop.handle(.observed(transaction: 12), after: .seconds(4))
        #expect(loop.machine.sendObstacle(at: loop.now) == .ownNotLoaded)
    }

    /// The connection was away for long, and the first thing that works again is an upload.
    @Test func afterABreakTheStorageIsListedFirst() {
        var loop = Self.loop(lastSync: Self.time)
        #expect(loop.handle(.tick) == [.list])
        #expect(loop.handle(.listed([], began: Self.time)) == [.send(.full)])
        #expect(loop.handle(.read(transaction: 10)) == [])
        #expect(loop.handle(.sendFailed) == [])
        #expect(loop.handle(.tick, after: .seconds(1)) == [.list])
        #expect(!loop.handle(.tick, after: .seconds(6000)).contains(.send(.full)))
        let later = SnapshotName(database: "main", instance: "b", timestamp: Self.time + 5_900_000_000_000)
        #expect(loop.handle(.listed([later], began: Self.time + 6_000_000_000_000)) == [.download(later), .started])
        #expect(loop.load(later) == [])
        #expect(loop.machine.fence?.reason != nil)
    }
}

import BlobStorage
import LMDB
import Simulator
import Snapshots
import Support
import Synchronization
import TestSupport
import Testing

@testable import Replication

/// `resync` with everything real but the bucket. The retention is 1000 s, and `b` was up to date just now.
@Suite struct ResyncLiveTests {
    private static let second: UInt64 = 1_000_000_000
    private static let now: UInt64 = 1_800_000_000 * second
    private static let old = now - 2000 * second
    private static let young = now - 500 * second

    private static let sweeper = SweeperMachine.Settings(
        retention: .seconds(1000), firstInterval: .seconds(1000), interval: .seconds(1000),
        lockDuration: .milliseconds(50), releaseDuration: .milliseconds(1))

    private let store = HookedStore(MemoryStore())
    private let instance: Instance
    private var local: LMDB.Environment { instance.application }

    init() async throws {
        instance = try Instance("own", store, sweeper: Self.sweeper, clock: { Self.now })
        _ = try SyncRecord(lastSync: Self.old).write(to: local)
    }

    private func resync() -> Resync {
        Resync(
            settings: instance.settings, sweeper: Self.sweeper, store: store, clock: SyncClock(wall: { Self.now }),
            environment: local)
    }

    private func put(_ snapshot: RawSnapshot, of other: String, at time: UInt64 = now - second) async throws {
        let name = SnapshotName(database: "main", instance: other, timestamp: time)
        try await store.store(name.description, snapshot.spool)
    }

    private func report() async throws -> Resync.Report {
        guard case .rebuilt(let report) = try await resync().run() else { throw NeverHappened() }
        return report
    }

    private var isFenced: Bool {
        get throws { try SyncRecord.read(local).lastSync == Self.old }
    }

    @Test func becomesWhatTheOthersAreButForWhatIsYoung() async throws {
        try local.put("gone", TestVersion(Self.old, "x"))
        try local.put("held", TestVersion(Self.old, "x"))
        try local.put("young", TestVersion(Self.young, "x"))
        try local.put("mark", .deleted(Self.old))
        try local.put("unknown-deletion", .deleted(Self.young))
        try local.put("recent-deletion", .deleted(Self.now - 100 * Self.second))
        try local.put("only-b-knows-it-is-deleted", TestVersion(Self.old, "x"))
        try local.put("changed", TestVersion(Self.old, "x"))
        try local.put("unheard-of", TestVersion(Self.old, "x"), in: "elsewhere")
        try await put(
            RawSnapshot().database(
                "records",
                [
                    .init("changed", "y", at: Self.young), .init("held", "x", at: Self.old),
                    .init("new", "z", at: Self.old), .init("recent-deletion", "x", at: Self.old),
                    .init("only-b-knows-it-is-deleted", "", at: Self.young, deleted: true),
                    .init("unknown-deletion", "back", at: Self.old),
                ]), of: "b")
        let report = try await report()
        #expect(report.entries == .init(merged: 4, removed: 1))
        #expect(report.snapshots.map(\.instance) == ["b"] && report.stored == nil)
        #expect(
            try local.contents().filter { !$0.value.isDeleted }.keys.map { String(decoding: $0.key, as: UTF8.self) }
                .sorted() == ["changed", "held", "new", "unheard-of", "unknown-deletion", "young"])
        #expect(try local.version("recent-deletion")?.isDeleted == true)
        #expect(try local.version("changed") == TestVersion(Self.young, "y"))
        #expect(try SyncRecord.read(local).lastSync == Self.now)
        // Once more there is nothing to do.
        guard case .notNeeded(let lastSync) = try await resync().run() else { throw NeverHappened() }
        #expect(lastSync == Self.now)
    }

    @Test func anEntryThatOneOfTheOthersHasStays() async throws {
        for key in ["a", "b", "c"] { try local.put(key, TestVersion(Self.old, "x")) }
        try await put(RawSnapshot().database("records", [.init("a", "x", at: Self.old)]), of: "b")
        try await put(RawSnapshot().database("records", [.init("c", "x", at: Self.old)]), of: "c")
        #expect(try await report().entries == .init(merged: 0, removed: 1))
        #expect(try instance.keys == ["a", "c"])
    }

    /// Such as that of another instance that is away: it may hold the same entries that were deleted.
    @Test func snapshotsThatAreTooOldCountForNothing() async throws {
        try local.put("gone", TestVersion(Self.old, "x"))
        try await put(RawSnapshot().database("records", []), of: "b")
        try await put(
            RawSnapshot().database("records", [.init("gone", "x", at: Self.old), .init("too", "x", at: Self.old)]),
            of: "c",
            at: Self.old)
        #expect(try await report().snapshots.map(\.instance) == ["b"])
        #expect(try instance.keys == [])
    }

    @Test func keysOfAnyKindAndNumberAreCompared() async throws {
        let keys = (0..<UInt32(30_000)).map { bytes(of: $0) }
        try local.applicationWrite(
            keys.map { (TestKey(database: "integers", key: $0), TestVersion(Self.old, "x")) }, flags: .integerKey)
        let kept = stride(from: 0, to: keys.count, by: 3).map { RawSnapshot.Entry(keys[$0], [120], at: Self.old) }
        try await put(RawSnapshot().database("integers", flags: .integerKey, kept), of: "b")
        #expect(try await report().entries == .init(merged: 0, removed: 20_000))
        #expect(try local.keys("integers") == stride(from: 0, to: keys.count, by: 3).map { keys[$0] })
    }

    @Test func theOwnSnapshotOfBeforeIsReplacedBeforeTheFenceIsLifted() async throws {
        try local.put("gone", TestVersion(Self.old, "x"))
        try await put(RawSnapshot().database("records", [.init("gone", "x", at: Self.old)]), of: "own", at: Self.old)
        try await put(RawSnapshot().database("records", []), of: "b")
        store.onCall { operation, _ in if operation == "store" { throw NeverHappened() } }
        await #expect(throws: NeverHappened.self) { try await report() }
        #expect(try isFenced)
        store.onCall { _, _ in }
        let stored = try #require(try await report().stored)
        #expect(stored.instance == "own" && stored.timestamp == Self.now)
        #expect(try contents(of: try await store.load(stored.description)).isEmpty)
        #expect(try !isFenced)
    }

    @Test func aDamagedSnapshotChangesNothing() async throws {
        try local.put("gone", TestVersion(Self.old, "x"))
        try await put(RawSnapshot().database("records", [.init("new", "x", at: Self.young)]), of: "b")
        let name = SnapshotName(database: "main", instance: "c", timestamp: Self.now)
        try await store.store(name.description, Spool([1, 2, 3]))
        let before = local.lastTransaction
        let error = await #expect(throws: RefusedSnapshot.self) { try await report() }
        #expect(error?.description.contains(name.description) == true)
        #expect(local.lastTransaction == before)
        #expect(try isFenced)
    }

    @Test func aSnapshotThatIsReplacedMeanwhileIsLookedForAnew() async throws {
        try local.put("gone", TestVersion(Self.old, "x"))
        let first = SnapshotName(database: "main", instance: "b", timestamp: Self.now - 9)
        try await store.store(first.description, RawSnapshot().database("records", []).spool)
        let isFirst = Mutex(true)
        store.onCall { [store] operation, _ in
            let replaces = isFirst.withLock { isFirst in
                guard operation == "load", isFirst else { return false }
                isFirst = false
                return true
            }
            guard replaces else { return }
            try await store.delete(first.description)
            let next = SnapshotName(database: "main", instance: "b", timestamp: Self.now - 8)
            try await store.store(next.description, RawSnapshot().database("records", []).spool)
        }
        #expect(try await report().entries.removed == 1)
    }

    @Test func withoutOthersThereIsNothingToRebuildFrom() async throws {
        // The record is ahead of the clock, and nobody else has a snapshot.
        _ = try SyncRecord(lastSync: Self.now + 5000 * Self.second).write(to: local)
        await #expect(throws: NothingToRebuildFrom.self) { try await report() }
    }

    @Test(arguments: [true, false])
    func aDatabaseThatMaySendIsLeftAlone(hasRecord: Bool) async throws {
        if hasRecord { _ = try SyncRecord(lastSync: Self.young).write(to: local) } else { try SyncRecord.forget(local) }
        try local.put("gone", TestVersion(Self.old, "x"))
        try await put(RawSnapshot().database("records", []), of: "b", at: Self.young)
        let before = local.lastTransaction
        guard case .notNeeded = try await resync().run() else { throw NeverHappened() }
        #expect(local.lastTransaction == before)
    }

    /// What the application does between the look and the lock stays.
    @Test func whatIsWrittenMeanwhileStays() async throws {
        for number in 0..<300 { try local.put("key\(number)", TestVersion(Self.old, "x")) }
        try await put(RawSnapshot().database("records", []), of: "b")
        let writer = Task.detached { [local] in
            for number in 0..<300 where number % 3 == 0 {
                try local.put("key\(number)", TestVersion(Self.now, "new"))
                try await Task.sleep(for: .microseconds(100))
            }
        }
        let report = try await report()
        try await writer.value
        #expect(report.entries.removed >= 200 && report.entries.removed <= 300)
        #expect(try instance.keys.count == 100)
    }

    /// A daemon that is fenced says so, receives, and goes on by itself once the database has been rebuilt.
    @Test func aDaemonGoesOnAfterIt() async throws {
        try local.put("gone", TestVersion(Self.old, "x"))
        try await put(RawSnapshot().database("records", [.init("new", "x", at: Self.young)]), of: "b")
        try await withSyncers([instance]) {
            try await eventually { try local.version("new") != nil && instance.log.contains("not in sync since") }
            #expect(instance.log.contains("sending is blocked until the database is rebuilt"))
            try local.put("mine", TestVersion(Self.young, "x"))
            #expect(try await report().entries.removed == 1)
            try await eventually { try await snapshots(of: instance, in: store) == 1 }
            #expect(instance.log.contains("sending is allowed again"))
        }
        #expect(!instance.log.contains("another instance uses the same name"))
        let name = try #require(try await store.list(prefix: "main__own__").last?.name)
        #expect(try contents(of: try await store.load(name)).count == 2)
    }

    @Test func aSingleRunThatIsFencedFails() async throws {
        let once = try Instance("own", store, once: true, sweeper: Self.sweeper, clock: { Self.now })
        _ = try SyncRecord(lastSync: Self.old).write(to: once.application)
        try await put(RawSnapshot().database("records", [.init("new", "x", at: Self.young)]), of: "b")
        let error = await #expect(throws: DatabaseIsStale.self) { try await once.syncer().run() }
        #expect(error?.description.contains("not in sync since") == true)
        #expect(try once.keys == ["new"])
        #expect(try await snapshots(of: once, in: store) == 0)
    }

    @Test func withTheSweeperOffTheRecordIsForgotten() async throws {
        let off = try Instance("own", store, once: true, clock: { Self.now })
        _ = try SyncRecord(lastSync: Self.old).write(to: off.application)
        try await off.syncer().run()
        #expect(try SyncRecord.read(off.application) == SyncRecord())
    }

    private func put(
        _ entries: [(key: String, version: TestVersion)], of other: String, from: UInt64, to end: UInt64
    ) async throws {
        let name = delta(other, from)
        try await store.store(name.description, deltaBody(name, to: end, entries))
    }

    @Test func whatReplacesItsOwnSnapshotSaysWhatIsMerged() async throws {
        var settings = instance.settings
        settings.machine.deltas = .init()
        let (second, now) = (Self.second, Self.now)
        try await put(RawSnapshot().database("records", [.init("k", "own", at: Self.old)]), of: "own", at: Self.old)
        try await put(
            RawSnapshot().database("records", [.init("k", "b", at: Self.young)]), of: "b", at: now - 9 * second)
        try await put([("l", .init(Self.young, "b"))], of: "b", from: now - 9 * second, to: now - 7 * second)
        // After a gap.
        try await put([("m", .init(Self.young, "b"))], of: "b", from: now - 5 * second, to: now - 3 * second)
        let resync = Resync(
            settings: settings, sweeper: Self.sweeper, store: store, clock: SyncClock(wall: { Self.now }),
            environment: local)
        guard case .rebuilt(let report) = try await resync.run() else { throw NeverHappened() }
        let stored = try #require(report.stored)
        let meta = try SnapshotMeta.read(await store.load(stored.description))
        #expect(meta.readsDeltas && meta.positions == ["b": now - 7 * second])
    }

    /// Its name alone would not show that it is needed.
    @Test func theEndOfADeltaShowsThatItIsNeeded() async throws {
        _ = try SyncRecord(lastSync: Self.now - 410 * Self.second).write(to: local)
        let begin = Self.now - 20 * Self.second
        try await put(RawSnapshot().database("records", [.init("k", "b", at: Self.young)]), of: "b", at: begin)
        guard case .notNeeded = try await resync().run() else { throw NeverHappened() }
        try await put([("l", .init(Self.young, "b"))], of: "b", from: begin, to: Self.now - Self.second)
        #expect(try await report().snapshots.map(\.instance) == ["b", "b"])
    }
}

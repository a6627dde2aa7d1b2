import BlobStorage
import LMDB
import Simulator
import Snapshots
import TestSupport
import Testing

@testable import Replication

/// The sweeper and `resync` where versions are in shadows.
@Suite struct ShadowSweepTests {
    let directory: ScratchDirectory
    let environment: LMDB.Environment
    var capture = Capture(schema: LMDB.Environment.shadows)

    init() throws {
        directory = try ScratchDirectory()
        environment = try .scratch(directory)
    }

    private func sweep(below limit: UInt64) throws -> Sweep.Report {
        var run = Sweep(limit: limit, schema: LMDB.Environment.shadows)
        while !run.isComplete { _ = try run.slice(environment, deletionTime: .zero, scanTime: .zero) }
        return run.finished(after: .zero)
    }

    @Test mutating func onlyShadowsAreSwept() throws {
        // Values that look like old deletions, in DBIs of the application and in a private one that is no shadow.
        var deleted = [UInt8](repeating: 0, count: EntryHeader.size)
        deleted.withUnsafeMutableBytes {
            EntryHeader(timestamp: 5, transactionID: 1, flags: EntryHeader.deletedFlag).write(to: $0)
        }
        for database in ["records", "_sync_state"] { try environment.appPut(Array("a".utf8), deleted, in: database) }
        try environment.appPut(Array("a".utf8), deleted, in: "members", flags: .duplicateSort)
        try environment.appPut("no header", "x")
        try capture.run(environment, at: 10)
        try environment.appDelete("no header")
        try capture.run(environment, at: 50)
        let main = try environment.main()
        #expect(try sweep(below: 50).cleaned == 0)
        #expect(try environment.shadow("no header")?.isDeleted == true)
        let report = try sweep(below: 51)
        #expect(report.cleaned == 1 && report.unreadable == 0 && report.entries == 2)
        #expect(try environment.shadow("no header") == nil)
        #expect(try environment.main() == main)
        #expect(try environment.raw("_sync_state", Array("a".utf8)) != nil)
        #expect(try environment.versions().live == main)
        #expect(try capture.run(environment, at: 90).transaction == nil)
    }

    @Test mutating func shadowsOfAllKindsAreSwept() throws {
        for (kind, flags) in ShadowWorld.kinds {
            try environment.appPut(bytes(of: UInt32(0)), bytes(of: UInt32(0)), in: kind, flags: flags)
        }
        try capture.run(environment, at: 10)
        for (kind, _) in ShadowWorld.kinds { try environment.appEmpty(kind) }
        try capture.run(environment, at: 20)
        #expect(try sweep(below: 100).cleaned == ShadowWorld.kinds.count)
        #expect(try environment.versions() == [:])
    }

    // MARK: Rebuilding

    private func rebuild(_ snapshot: RawSnapshot, keptSince: UInt64, now: UInt64 = 1000) throws -> Rebuild.Report {
        try Rebuild.run(
            environment,
            from: [(SnapshotName(database: "main", instance: "b", timestamp: 5), snapshot.spool)],
            rules: .init(
                keptSince: keptSince, lockDuration: .milliseconds(5), releaseDuration: .zero,
                schema: LMDB.Environment.shadows),
            clock: SyncClock(wall: { now }))
    }

    @Test mutating func whatOthersHaveDeletedGoesFromBoth() throws {
        for key in ["gone", "held", "young", "old"] { try environment.appPut(key, "x") }
        try capture.run(environment, at: 10)
        try environment.appPut("young", "y")
        try capture.run(environment, at: 500)
        let report = try rebuild(
            RawSnapshot().database("records", [.init("held", "x", at: 1), .init("new", "z", at: 7)]), keptSince: 100)
        #expect(report == .init(merged: 1, removed: 2))
        #expect(try environment.main("records") == ["held": "x", "new": "z", "young": "y"])
        // Without a trace.
        #expect(try environment.versions().live == environment.main())
        #expect(try environment.versions().count == 3)
    }

    /// What the application has written since the last capture is its newest.
    @Test mutating func changesThatWereNotCapturedAreKept() throws {
        for key in ["changed", "deleted", "gone"] { try environment.appPut(key, "x") }
        try capture.run(environment, at: 10)
        try environment.appPut("changed", "mine")
        try environment.appPut("added", "mine")
        try environment.appDelete("deleted")
        let report = try rebuild(
            RawSnapshot().database("records", [.init("changed", "x", at: 5), .init("deleted", "x", at: 5)]),
            keptSince: 100)
        #expect(report.removed == 1)
        #expect(try environment.main("records") == ["added": "mine", "changed": "mine"])
        #expect(try environment.shadow("changed") == .init(1000, "mine"))
        #expect(try environment.shadow("deleted") == .deleted(1000))
    }

    @Test mutating func severalValuesOfAKeyAreRebuiltOneByOne() throws {
        let long = [UInt8](repeating: 0x76, count: 511)
        for value in [Array("p".utf8), Array("q".utf8), long] {
            try environment.appPut([1], value, in: "members", flags: .duplicateSort)
        }
        try capture.run(environment, at: 10)
        let report = try rebuild(
            RawSnapshot().database(
                "members", flags: .duplicateSort, transform: "dupsort_hack_v1",
                [.init(transformed([1], Array("p".utf8)), Array("p".utf8), at: 1)]), keptSince: 100)
        #expect(report.removed == 2)
        #expect(
            try environment.main() == [
                TestKey(database: "members", key: transformed([1], Array("p".utf8))): Array("p".utf8)
            ])
        #expect(try environment.versions().live == environment.main())
    }

    /// `resync` as a whole: what is stored is read from the shadows.
    @Test func resyncStoresWhatTheShadowsHold() async throws {
        let second: UInt64 = 1_000_000_000
        let now = 1_800_000_000 * second
        let sweeper = SweeperMachine.Settings(
            retention: .seconds(1000), firstInterval: .seconds(1000), interval: .seconds(1000),
            lockDuration: .milliseconds(50), releaseDuration: .milliseconds(1))
        let store = MemoryStore()
        let instance = try Instance("own", store, sweeper: sweeper, clock: { now })
        var settings = instance.settings
        settings.schema = LMDB.Environment.shadows
        let local = instance.application
        var capture = Capture(schema: LMDB.Environment.shadows, startsWithNow: true)
        for key in ["gone", "held"] { try local.appPut(key, "x") }
        try capture.run(local, at: now - 2000 * second)
        _ = try SyncRecord(lastSync: now - 2000 * second).write(to: local)
        try local.appPut("mine", "y")
        let held = RawSnapshot().database("records", [.init("held", "x", at: now - 2000 * second)])
        for (name, time) in [("b", now - second), ("own", now - 2000 * second)] {
            let name = SnapshotName(database: "main", instance: name, timestamp: time)
            try await store.store(name.description, held.spool)
        }
        let resync = Resync(
            settings: settings, sweeper: sweeper, store: store, clock: SyncClock(wall: { now }), environment: local)
        guard case .rebuilt(let report) = try await resync.run() else { throw NeverHappened() }
        #expect(report.entries == .init(merged: 0, removed: 1))
        #expect(try local.main("records") == ["held": "x", "mine": "y"])
        let stored = try #require(report.stored)
        let body = try await store.load(stored.description)
        #expect(try contents(of: body) == local.versions())
        #expect(try local.shadow("mine") == .init(now, "y"))
    }
}

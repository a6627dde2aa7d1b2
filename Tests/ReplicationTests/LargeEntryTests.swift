import BlobStorage
import LMDB
import Simulator
import Snapshots
import Support
import Synchronization
import TestSupport
import Testing

@testable import Replication

/// Entries and snapshots of which memory, disk and map are not to take more than they can hold.
@Suite(.timeLimit(.minutes(5))) struct LargeEntryTests {
    fileprivate static func snapshot(
        _ entries: [(key: String, size: Int)], meta: SnapshotMeta = SnapshotMeta()
    ) throws -> Spool {
        var writer = try SnapshotWriter(meta)
        try writer.beginDatabase("records", flags: 0, transform: "")
        for (key, size) in entries {
            let value = [UInt8](repeating: UInt8(truncatingIfNeeded: size), count: size)
            try Array(key.utf8).withUnsafeBytes { key in
                try value.withUnsafeBytes { try writer.append(key: key, value: $0, timestamp: 5, isDeleted: false) }
            }
        }
        try writer.endDatabase()
        return try writer.finish()
    }

    @Test(arguments: [Schema.native, .shadow(dupSortHack: false)])
    func largeEntriesAreMergedAmongSmallOnes(schema: Schema) throws {
        let directory = try ScratchDirectory()
        let environment = try LMDB.Environment.scratch(directory, mapSize: 256 << 20)
        let sizes = [("a", 3), ("b", 9 << 20), ("c", 4 << 20), ("d", 70_000), ("e", (17 << 20) + 1), ("f", 0)]
        let plan = try MergePlanner.plan(
            Self.snapshot(sizes), for: environment, rules: MergePlanner.Rules(schema: schema)
        ).plan
        try Merge.apply(plan, to: environment, paddingBlock: false)
        let header = schema.hasShadows ? 0 : EntryHeader.size
        for (key, size) in sizes {
            let value = try #require(try environment.raw("records", Array(key.utf8)))
            #expect(value.count == header + size)
            #expect(value.dropFirst(header).allSatisfy { $0 == UInt8(truncatingIfNeeded: size) })
        }
    }

    @Test func whatDoesNotFitIsTriedAgainWhenTheMapHasGrownOrAfterAWhile() {
        let name = SnapshotName(database: "main", instance: "b", timestamp: 5)
        let full = LMDBError(.mapFull, "the map is full")
        var unfit = UnfitSnapshots()
        unfit.failed(name, MapIsTooSmall(planned: 2000, mapSize: 1000), mapSize: 1000, at: .zero)
        #expect(unfit.holds(name, mapSize: 1000, at: .seconds(1_000_000)))
        #expect(!unfit.holds(name, mapSize: 1001, at: .zero))
        unfit.failed(name, full, mapSize: 1000, at: .seconds(10))
        #expect(unfit.holds(name, mapSize: 1000, at: .seconds(69)))
        #expect(!unfit.holds(name, mapSize: 1000, at: .seconds(70)))
        #expect(!unfit.holds(name, mapSize: 1001, at: .seconds(11)))
        unfit.failed(name, MergeObstacle("something else"), mapSize: 1000, at: .seconds(11))
        #expect(!unfit.knows(name))
        unfit.failed(name, SnapshotError(.tooLarge, "", offset: 0), mapSize: 1000, at: .zero)
        #expect(unfit.holds(name, mapSize: 1000, at: .seconds(1_000_000)))
        unfit.listed([])
        #expect(!unfit.knows(name))
    }

    // MARK: Names and contents

    @Test func aCopiedOrRenamedSnapshotIsMergedByItsNameWithAWarning() async throws {
        let store = MemoryStore()
        let meta = SnapshotMeta(instanceID: "other.host", timestamp: 1_795_196_395_012_345_678, databaseName: "else")
        let name = SnapshotName(database: "main", instance: "b", timestamp: systemWallClock())
        try await store.store(name.description, Self.snapshot([("key", 3)], meta: meta))
        let a = try Instance("a", store, once: true)
        try await a.syncer().run()
        #expect(try a.keys == ["key"])
        #expect(a.log.count("the metadata of a snapshot differs from its name") == 1)
        #expect(a.log.contains("database else, instance other.host, time 20261120-173955-012345678"))
    }

    @Test func ourOwnSnapshotsSayWhatTheirNamesSay() async throws {
        let store = MemoryStore()
        let (a, b) = (try Instance("a", store, once: true), try Instance("b", store, once: true))
        try a.application.put("key", .init(1, "a"))
        try await a.syncer().run()
        try await b.syncer().run()
        #expect(try b.keys == ["key"])
        #expect(!b.log.contains("says otherwise"))
    }
}

/// Snapshots that the map of a real syncer has no room for.
@Suite(.timeLimit(.minutes(5))) struct LargeEntryLiveTests {
    @Test func aSnapshotThatCanNeverFitIsNotLoadedAgainAndAgain() async throws {
        let store = MemoryStore()
        let hooked = HookedStore(store)
        let large = SnapshotName(database: "main", instance: "large", timestamp: systemWallClock())
        // The map has 16 MiB.
        try await store.store(large.description, LargeEntryTests.snapshot((0..<40).map { ("key\($0)", 500_000) }))
        let loads = Mutex(0)
        hooked.onCall { operation, name in
            if operation == "load", name == large.description { loads.withLock { $0 += 1 } }
        }
        let (a, b) = (try Instance("a", hooked), try Instance("b", store))
        try await withSyncers([a, b]) {
            try await eventually { a.log.contains("but the map has 16777216") }
            // Others' snapshots are loaded, and many retries of this one have come and gone.
            for round in 0..<10 {
                try b.application.put("key\(round)", .init(UInt64(round + 1), "b"))
                try await eventually { try a.keys.count == round + 1 }
            }
        }
        #expect(loads.withLock { $0 } == 1)
    }

    @Test func aMapThatAnotherProcessEnlargesTakesTheSnapshot() async throws {
        let store = MemoryStore()
        let large = SnapshotName(database: "main", instance: "large", timestamp: systemWallClock())
        try await store.store(large.description, LargeEntryTests.snapshot((0..<40).map { ("key\($0)", 500_000) }))
        let a = try Instance("a", store)
        try await withSyncers([a]) {
            try await eventually { a.log.contains("but the map has 16777216") }
            await #expect(processExitsWith: .success) { [path = a.directory.path as String] in
                let environment = try LMDB.Environment(EnvironmentOptions(path: path, mapSize: 64 << 20))
                try environment.put("theirs", .init(1, "x"))
            }
            try await eventually { try a.keys.count == 41 }
        }
    }
}

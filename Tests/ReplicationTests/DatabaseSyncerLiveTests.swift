import BlobStorage
import Glibc
import LMDB
import Logging
import Simulator
import Snapshots
import Support
import Synchronization
import TestSupport
import Testing

@testable import Replication

/// Real threads, real LMDBs, real time; the storage is in memory and may fail.
@Suite(.timeLimit(.minutes(5))) struct DatabaseSyncerLiveTests {
    // MARK: Two instances

    @Test func twoInstancesConverge() async throws {
        let store = MemoryStore()
        let (a, b) = (try Instance("a", store), try Instance("b", store))
        try a.application.put("from-a", .init(1, "a"))
        try b.application.put("from-b", .init(2, "b"))
        try await withSyncers([a, b]) {
            try await eventually { try a.keys == ["from-a", "from-b"] && b.keys == ["from-a", "from-b"] }
            try a.application.put("shared", .init(5, "a"))
            try b.application.put("shared", .init(6, "b"))
            try a.application.put("from-b", .deleted(7))
            try await eventually {
                let contents = try a.application.contents()
                return try contents == b.application.contents() && contents.count == 3
            }
        }
        #expect(try a.application.version("shared") == .init(6, "b"))
        #expect(try b.application.version("from-b") == .deleted(7))
    }

    @Test func manyChangesOfManyInstancesConverge() async throws {
        let store = MemoryStore()
        let instances = try (0..<4).map { try Instance("node\($0)", store) }
        try await withSyncers(instances) {
            for round in 0..<30 {
                let instance = instances[round % 4]
                try instance.application.put("key\(round % 7)", .init(UInt64(round + 1), "\(instance.name)"))
                try await Task.sleep(for: .milliseconds(round % 3 * 10))
            }
            try await eventually {
                let contents = try instances.map { try $0.application.contents() }
                return contents[0].count == 7 && contents.allSatisfy { $0 == contents[0] }
            }
        }
        #expect(try instances[0].application.version("key1") == .init(30, "node1"))
    }

    /// Otherwise every change would make every instance send.
    @Test func whatWasReceivedIsNotSentAgain() async throws {
        let store = MemoryStore()
        let (a, b) = (try Instance("a", store), try Instance("b", store))
        try await withSyncers([a, b]) {
            try await eventually { a.log.contains("start-up is complete") && b.log.contains("start-up is complete") }
            for round in 0..<10 {
                try a.application.put("key\(round)", .init(UInt64(round + 1), "a"))
                try await eventually { try b.keys.count == round + 1 }
                // More than the quiet time and the minimum interval.
                try await Task.sleep(for: .milliseconds(80))
            }
        }
        #expect(try await snapshots(of: b, in: store) <= 1)
        #expect(try await snapshots(of: a, in: store) >= 5)
    }

    // MARK: Once, and receiving only

    @Test func onceLoadsStoresAndEnds() async throws {
        let store = MemoryStore()
        let (a, b) = (try Instance("a", store, once: true), try Instance("b", store, once: true))
        try a.application.put("from-a", .init(1, "a"))
        try b.application.put("from-b", .init(1, "b"))
        try await a.syncer().run()
        try await b.syncer().run()
        try await a.syncer().run()
        #expect(try a.keys == ["from-a", "from-b"])
        #expect(try a.application.contents() == b.application.contents())
        #expect(try await snapshots(of: a, in: store) == 2)
    }

    @Test func onceWithNothingAnywhereEnds() async throws {
        let store = MemoryStore()
        let instance = try Instance("a", store, once: true)
        try await instance.syncer().run()
        #expect(try await store.list(prefix: "").isEmpty)
    }

    @Test func receivingWritesNothing() async throws {
        let store = MemoryStore()
        let (a, b) = (try Instance("a", store, once: true), try Instance("b", store, receiveOnly: true))
        try a.application.put("from-a", .init(1, "a"))
        try b.application.put("from-b", .init(1, "b"))
        try await a.syncer().run()
        let before = try await store.list(prefix: "").map(\.name)
        try await withSyncers([b]) {
            try await eventually { try b.keys == ["from-a", "from-b"] }
            try b.application.put("more", .init(2, "b"))
            try await Task.sleep(for: .milliseconds(200))
        }
        #expect(try await store.list(prefix: "").map(\.name) == before)
        // What the own changes did not send is left alone in the LMDB.
        #expect(try b.keys == ["from-a", "from-b", "more"])
    }

    @Test func aWipedInstanceGetsItsDataBack() async throws {
        let store = MemoryStore()
        let a = try Instance("a", store, once: true)
        try a.application.put("key", .init(1, "a"))
        try await a.syncer().run()
        let wiped = try Instance("a", store, once: true)
        try await wiped.syncer().run()
        #expect(try wiped.application.version("key") == .init(1, "a"))
        let newest = try #require(try await store.list(prefix: "main__a__").last)
        #expect(try contents(of: try await store.load(newest.name)).count == 1)
    }

    @Test func twoDatabasesShareOneStorage() async throws {
        let store = MemoryStore()
        let a = try Instance("a", store, database: "main")
        let b = try Instance("b", store, database: "main")
        let other = try Instance("c", store, database: "main2")
        try a.application.put("from-a", .init(1, "a"))
        try other.application.put("from-c", .init(1, "c"))
        try await withSyncers([a, b, other]) {
            try await eventually { try b.keys == ["from-a"] && other.log.contains("start-up is complete") }
        }
        #expect(try other.keys == ["from-c"])
        #expect(try a.keys == ["from-a"])
    }

    @Test func otherObjectsInTheBucketAreIgnored() async throws {
        let store = MemoryStore()
        let a = try Instance("a", store, once: true)
        try a.application.put("key", .init(1, "a"))
        for name in ["main__b.state", "main__b__20270115-080000-123456789__GX.delta", "main__", "main__x__y__z.pb.gz"] {
            try await store.store(name, Spool([1, 2, 3]))
        }
        try await a.syncer().run()
        #expect(try await snapshots(of: a, in: store) == 1)
        #expect(!a.log.contains("refused"))
    }

    @Test func settingsReachTheMerge() async throws {
        let store = MemoryStore()
        let now: UInt64 = 1_800_000_000_000_000_000
        try await store.store(
            snapshot("b", 5).description,
            RawSnapshot(formatVersion: 2).database(
                "records",
                [
                    .init("key", "b", at: 9), .init("new", "", at: now - 89_000_000_000, deleted: true),
                    .init("old", "", at: now - 91_000_000_000, deleted: true),
                ]
            ).spool)
        let a = try Instance("a", store, once: true)
        var settings = a.settings
        settings.creationFlags = ["records": .reverseKey]
        settings.paddingBlock = true
        settings.deletedCutoff = DeletedCutoff(retention: .seconds(100), margin: .seconds(10))
        let syncer = DatabaseSyncer(
            settings: settings, store: store, logger: Logger(label: "test") { [log = a.log] _ in log },
            clock: SyncClock(wall: { now }), environment: a.application)
        try await syncer.run()
        #expect(try a.application.databaseFlags() == ["records": .reverseKey])
        #expect(try a.application.raw("records", Array("key".utf8))?.count == EntryHeader.size + 8 + 1)
        // Before everything is loaded nothing is left out.
        #expect(try a.keys == ["key", "new", "old"])
    }

    /// One object in the bucket that nobody can merge, such as one of a foreign program.
    @Test func aForeignSnapshotDoesNotStopSending() async throws {
        let store = MemoryStore()
        // This format does not tell the flags of a DBI that is not here.
        try await store.store(
            snapshot("b", systemWallClock()).description,
            RawSnapshot(formatVersion: 2).database("unknown", [.init("key", "b", at: 9)]).spool)
        let a = try Instance(
            "a", store,
            sweeper: .init(
                retention: .seconds(800), firstInterval: .seconds(1000), interval: .seconds(1000),
                lockDuration: .milliseconds(50), releaseDuration: .milliseconds(50)))
        try a.application.put("mine", TestVersion(systemWallClock(), "x"))
        try await withSyncers([a]) {
            try await eventually { a.log.contains("changes wait to be sent") }
            try await eventually { try await snapshots(of: a, in: store) > 0 }
            try await eventually { a.log.contains("changes no longer wait to be sent") }
        }
    }

    /// An object at the end of time must not make the next name wrap, nor hide what follows from others.
    @Test func aSnapshotInTheFarFutureHidesNothing() async throws {
        let store = MemoryStore()
        let end = "main__a__25540721-233433-709551615__GX.pb.gz"
        try await store.store(end, RawSnapshot().database("records", [.init("forged", "x", at: 9)]).spool)
        let (a, b) = (try Instance("a", store), try Instance("b", store))
        try await withSyncers([a, b]) {
            try await eventually { try b.keys == ["forged"] && a.keys == ["forged"] }
            try a.application.put("mine", TestVersion(systemWallClock(), "x"))
            try await eventually { try b.keys == ["forged", "mine"] }
            #expect(a.log.contains("is in the far future"))
        }
        let names = try await store.list(prefix: "main__a__").map(\.name)
        #expect(names.count > 1 && names.allSatisfy { $0 == end || $0.hasPrefix("main__a__20") })
    }

    @Test func oldDeletionsAreLeftOutOnceEverythingIsLoaded() async throws {
        let store = MemoryStore()
        let now: UInt64 = 1_800_000_000_000_000_000
        func put(_ entries: [RawSnapshot.Entry], at time: UInt64) async throws {
            let name = SnapshotName(database: "main", instance: "b", timestamp: time)
            try await store.store(name.description, RawSnapshot().database("records", entries).spool)
        }
        try await put([.init("first", "", at: now - 91_000_000_000, deleted: true)], at: now - 2)
        let retention = Duration.seconds(100)
        let a = try Instance(
            "a", store,
            sweeper: .init(
                retention: retention, firstInterval: .seconds(1000), interval: .seconds(1000),
                lockDuration: .milliseconds(50), releaseDuration: .milliseconds(50)),
            clock: { now })
        var settings = a.settings
        settings.deletedCutoff = DeletedCutoff(retention: retention, margin: .seconds(10))
        let syncer = DatabaseSyncer(
            settings: settings, store: store, logger: Logger(label: "test") { [log = a.log] _ in log },
            clock: SyncClock(wall: { now }), environment: a.application)
        async let run: Void = syncer.run()
        try await eventually { a.log.contains("start-up is complete") }
        try await put(
            [
                .init("new", "", at: now - 89_000_000_000, deleted: true),
                .init("old", "", at: now - 91_000_000_000, deleted: true),
            ], at: now - 1)
        try await eventually { try a.keys.contains("new") }
        syncer.shutDown()
        try await run
        #expect(try a.keys == ["first", "new"])
    }

    /// Two snapshots of a time long ago: whichever comes first, what was deleted stays so.
    @Test(arguments: [true, false])
    func anOldDeletionIsNotForgottenBeforeTheEntryComes(deletionFirst: Bool) async throws {
        let memory = MemoryStore()
        let store = HookedStore(memory)
        let now: UInt64 = 1_800_000_000_000_000_000
        let old = now - 95 * 1_000_000_000
        for (instance, entry) in [
            ("b", RawSnapshot.Entry("key", "", at: old + 1, deleted: true)),
            ("c", RawSnapshot.Entry("key", "x", at: old)),
        ] {
            let name = SnapshotName(database: "main", instance: instance, timestamp: old + 2)
            try await memory.store(name.description, RawSnapshot().database("records", [entry]).spool)
        }
        let a = try Instance(
            "a", store, once: true,
            sweeper: .init(
                retention: .seconds(100), firstInterval: .seconds(1000), interval: .seconds(1000),
                lockDuration: .milliseconds(50), releaseDuration: .milliseconds(50)),
            clock: { now })
        // The other one is late.
        store.onCall { [log = a.log] operation, name in
            guard operation == "load", name.contains(deletionFirst ? "__c__" : "__b__") else { return }
            try await eventually { log.contains("merged a snapshot") }
        }
        var settings = a.settings
        settings.deletedCutoff = DeletedCutoff(retention: .seconds(100), margin: .seconds(10))
        let syncer = DatabaseSyncer(
            settings: settings, store: store, logger: Logger(label: "test") { [log = a.log] _ in log },
            clock: SyncClock(wall: { now }), environment: a.application)
        try await syncer.run()
        #expect(try a.application.version("key")?.isDeleted == true)
    }
}

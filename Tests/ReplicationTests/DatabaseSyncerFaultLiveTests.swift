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

/// Failures of storage and LMDB, and the end.
extension DatabaseSyncerLiveTests {
    // MARK: Failures

    @Test func failuresOfTheStorageAreOvercome() async throws {
        let store = MemoryStore()
        let faulty = HookedStore(store)
        let calls = Mutex<[String: Int]>([:])
        // Each operation fails several times before it succeeds.
        faulty.onCall { operation, _ in
            let count = calls.withLock { calls in
                calls[operation, default: 0] += 1
                return calls[operation, default: 0]
            }
            if count <= 3 { throw BlobStoreError(.other, "no \(operation) today") }
        }
        let b = try Instance("b", store, once: true)
        try b.application.put("from-b", .init(1, "b"))
        try await b.syncer().run()
        let a = try Instance("a", faulty, once: true)
        try a.application.put("from-a", .init(1, "a"))
        try await a.syncer().run()
        #expect(try a.keys == ["from-a", "from-b"])
        #expect(try await snapshots(of: a, in: store) == 1)
        for operation in ["list", "load", "store"] { #expect(a.log.contains("no \(operation) today")) }
    }

    @Test func aFailedUploadThatArrivedAllTheSameDoesNoHarm() async throws {
        let store = MemoryStore()
        let faulty = HookedStore(store)
        let failures = Mutex(3)
        faulty.afterStore {
            let fails = failures.withLock { left in
                left -= 1
                return left >= 0
            }
            if fails { throw BlobStoreError(.timeout, "no answer") }
        }
        let (a, b) = (try Instance("a", faulty), try Instance("b", store))
        try a.application.put("key", .init(1, "a"))
        try await withSyncers([a, b]) {
            try await eventually { try b.keys == ["key"] && a.log.contains("start-up is complete") }
        }
        #expect(try await snapshots(of: a, in: store) == 4)
    }

    @Test func givesUpWhenSendingFailsTooOften() async throws {
        let faulty = HookedStore(MemoryStore())
        let stores = Mutex(0)
        faulty.onCall { operation, _ in
            guard operation == "store" else { return }
            stores.withLock { $0 += 1 }
            throw BlobStoreError(.accessDenied, "access denied")
        }
        let a = try Instance("a", faulty, retries: 2)
        try a.application.put("key", .init(1, "a"))
        let error = await #expect(throws: SendingGaveUp.self) { try await a.syncer().run() }
        #expect(error?.tries == 3)
        #expect(error?.description.contains("access denied") == true)
        #expect(stores.withLock { $0 } == 3)
        #expect(a.log.contains("access denied"))
    }

    /// What the storage refuses to give out, as a forged object, is downloaded once more, as the transfer may have damaged it.
    @Test(arguments: [1, Int.max])
    func aRefusedSnapshotIsReplacedByThePrevious(refusals: Int) async throws {
        let store = MemoryStore()
        let b = try Instance("b", store, once: true)
        try b.application.put("first", .init(1, "b"))
        try await b.syncer().run()
        try b.application.put("second", .init(2, "b"))
        try await b.syncer().run()
        let newest = try #require(try await store.list(prefix: "main__b").last).name
        let faulty = HookedStore(store)
        let loads = Mutex(0)
        faulty.onCall { operation, name in
            guard operation == "load", name == newest else { return }
            let count = loads.withLock { count in
                count += 1
                return count
            }
            if count <= refusals { throw BlobStoreError(.refused, "cannot use \(name): it is forged") }
        }
        let a = try Instance("a", faulty, once: true)
        try await a.syncer().run()
        #expect(loads.withLock { $0 } == 2)
        #expect(try a.keys == (refusals == 1 ? ["first", "second"] : ["first"]))
        #expect(a.log.contains("snapshot rejected") == (refusals > 1))
        #expect(a.log.contains("cannot use \(newest): it is forged"))
    }

    @Test func aCorruptSnapshotIsReplacedByThePrevious() async throws {
        let store = MemoryStore()
        let b = try Instance("b", store, once: true)
        try b.application.put("first", .init(1, "b"))
        try await b.syncer().run()
        let later = SnapshotName(database: "main", instance: "b", timestamp: systemWallClock() + 1_000_000_000)
        try await store.store(later.description, Spool([0x1f, 0x8b, 1, 2, 3]))
        let a = try Instance("a", store, once: true)
        try await a.syncer().run()
        #expect(try a.keys == ["first"])
        #expect(a.log.contains(later.description))
        #expect(a.log.contains("snapshot rejected"))
    }

    @Test func aSnapshotThatCanNotBeReadFromItsSpoolIsTriedAgain() async throws {
        let store = MemoryStore()
        let faulty = HookedStore(store)
        let b = try Instance("b", store, once: true)
        try b.application.put("first", .init(1, "b"))
        try await b.syncer().run()
        let loads = Mutex(0)
        faulty.replaceLoaded { spool in
            let isFirst = loads.withLock { count in
                count += 1
                return count == 1
            }
            // A descriptor that can't be read: its file is shorter than it was said to be.
            return isFirst ? Spool(owning: open("/dev/null", O_RDONLY), count: spool.count) : spool
        }
        let a = try Instance("a", faulty, once: true)
        try await a.syncer().run()
        #expect(try a.keys == ["first"])
        #expect(loads.withLock { $0 } == 2)
    }

    @Test func aStorageThatListsWhatItDoesNotHaveIsNotAskedWithoutEnd() async throws {
        let store = MemoryStore()
        let faulty = HookedStore(store)
        try await store.store(SnapshotName(database: "main", instance: "b", timestamp: 5).description, Spool([1]))
        let loads = Mutex(0)
        faulty.onCall { operation, _ in
            guard operation == "load" else { return }
            loads.withLock { $0 += 1 }
            throw BlobStoreError(.notFound, "no such object")
        }
        let a = try Instance("a", faulty, retryInterval: .seconds(60))
        try a.application.put("key", .init(1, "a"))
        try await withSyncers([a]) {
            try await eventually { try await snapshots(of: a, in: store) == 1 }
            try await Task.sleep(for: .milliseconds(500))
        }
        #expect(loads.withLock { $0 } == 2)
    }

    // MARK: The LMDB

    @Test func aMissingLMDBIsAnError() async throws {
        var settings = try Instance("a", MemoryStore()).settings
        settings.environment.path += "-missing"
        let syncer = DatabaseSyncer(settings: settings, store: MemoryStore(), logger: Logger(label: "test"))
        let error = await #expect(throws: LMDBError.self) { try await syncer.run() }
        #expect(error?.code == .missingFile)
    }

    @Test func itOpensAndClosesTheLMDBItself() async throws {
        let store = MemoryStore()
        let directory = try ScratchDirectory()
        var settings = try Instance("a", store, once: true).settings
        settings.environment = EnvironmentOptions(path: directory.path, create: true, mapSize: 1 << 20)
        let b = try Instance("b", store, once: true)
        try b.application.put("key", .init(1, "b"))
        try await b.syncer().run()
        try await DatabaseSyncer(settings: settings, store: store, logger: Logger(label: "test") { _ in LogLines() })
            .run()
        // The last of its threads lets go of it a moment later.
        try await eventually { (try? LMDB.Environment.scratch(directory).version("key")) == .init(1, "b") }
    }

    @Test func aReplacedLMDBIsAnError() async throws {
        let instance = try Instance("a", MemoryStore())
        try instance.application.put("key", .init(1, "a"))
        let syncer = instance.syncer()
        let running = Task { try await syncer.run() }
        try await eventually { instance.log.contains("start-up is complete") }
        let path = "\(instance.directory.path)/data.mdb"
        #expect(rename(path, path + ".old") == 0)
        defer { unlink(path + ".old") }
        let error = await #expect(throws: LocalContentError.self) { try await running.value }
        #expect(error?.description.contains(path) == true)
    }

    /// The data file of an LMDB is overwritten while it is open, as by `cp`.
    @Test func anOlderCopyOverTheOpenLMDBIsAnError() async throws {
        let instance = try Instance("a", MemoryStore())
        try instance.application.put("key", .init(1, "a"))
        let path = "\(instance.directory.path)/data.mdb"
        let backup = try readFile(path)
        for round in 0..<20 { try instance.application.put("key", .init(UInt64(round) + 2, "a")) }
        let syncer = instance.syncer()
        let running = Task { try await syncer.run() }
        try await eventually { instance.log.contains("start-up is complete") }
        // The poll has to have seen the higher one.
        try await Task.sleep(for: .milliseconds(200))
        try overwrite(path, with: backup)
        let error = await #expect(throws: LocalContentError.self) { try await running.value }
        #expect(error?.description.contains(path) == true)
    }

    @Test(arguments: [false, true]) func contentsThatDoNotFitEndTheStart(receiveOnly: Bool) async throws {
        let store = MemoryStore()
        let b = try Instance("b", store, once: true)
        try b.application.put("key", .init(9, "b"))
        try await b.syncer().run()
        let a = try Instance("a", store, receiveOnly: receiveOnly)
        try a.application.putRaw("records", Array("key".utf8), [1, 2, 3])
        let error = await #expect(throws: LocalContentError.self) { try await a.syncer().run() }
        #expect(error?.description.contains("key key in DBI records") == true)
        #expect(try await snapshots(of: a, in: store) == 0)
    }

    @Test func contentsThatDoNotFitLaterAreTriedAgain() async throws {
        let store = MemoryStore()
        let (a, b) = (try Instance("a", store), try Instance("b", store))
        try await withSyncers([a, b]) {
            try await eventually { a.log.contains("start-up is complete") && b.log.contains("start-up is complete") }
            try a.application.putRaw("records", Array("bad".utf8), [1, 2, 3])
            try await eventually { a.log.contains("key bad in DBI records") }
            try b.application.put("bad", .init(9, "b"))
            try await eventually { a.log.contains("cannot merge a snapshot") }
            // The application repairs it.
            try a.application.put("bad", .init(8, "a"))
            try await eventually { try a.application.contents() == b.application.contents() && b.keys == ["bad"] }
        }
        #expect(try a.application.version("bad") == .init(9, "b"))
    }

    @Test func anOldFormatWaitsForTheApplicationToMakeTheDatabase() async throws {
        let store = MemoryStore()
        let name = SnapshotName(database: "main", instance: "b", timestamp: 5)
        try await store.store(
            name.description, RawSnapshot(formatVersion: 2).database("records", [.init("key", "b", at: 9)]).spool)
        let a = try Instance("a", store)
        try await withSyncers([a]) {
            try await eventually { a.log.contains("the DBI is missing here") }
            try a.application.put("other", .init(1, "a"))
            try await eventually { try a.keys == ["key", "other"] }
        }
    }

    @Test func ourNamesRiseEvenWhenTheClockFalls() async throws {
        let store = MemoryStore()
        let clock = Mutex<UInt64>(1_800_000_000_000_000_000)
        let a = try Instance("a", store) { clock.withLock { $0 } }
        let b = try Instance("b", store)
        try await withSyncers([a, b]) {
            for round in 0..<5 {
                try a.application.put("key", .init(UInt64(round + 1), "\(round)"))
                try await eventually { try b.application.version("key")?.timestamp == UInt64(round + 1) }
                clock.withLock { $0 -= 3_600_000_000_000 }
            }
        }
        #expect(try b.application.version("key") == .init(5, "4"))
    }

    @Test func ourNamesRiseAboveThoseOfEarlierRuns() async throws {
        let store = MemoryStore()
        let earlier = snapshot("a", 1_900_000_000_000_000_000)
        try await store.store(earlier.description, RawSnapshot().database("records").spool)
        let a = try Instance("a", store, once: true) { 1_800_000_000_000_000_000 }
        try a.application.put("key", .init(1, "a"))
        try await a.syncer().run()
        let newest = try #require(try await store.list(prefix: "main__a__").last)
        #expect(newest.name > earlier.description)
        #expect(try contents(of: try await store.load(newest.name)).count == 1)
    }

    @Test func twoInstancesOfOneNameAreToldSo() async throws {
        let store = MemoryStore()
        let (one, other) = (try Instance("same", store), try Instance("same", store))
        try one.application.put("one", .init(1, "a"))
        try other.application.put("other", .init(1, "b"))
        try await withSyncers([one, other]) {
            try await eventually { one.log.contains("start-up is complete") }
            for round in 0... {
                try one.application.put("one", .init(UInt64(round) + 2, "a"))
                try other.application.put("other", .init(UInt64(round) + 2, "b"))
                try await Task.sleep(for: .milliseconds(20))
                let text = "another instance uses the same name"
                if one.log.contains(text) && other.log.contains(text) { break }
            }
        }
    }

    @Test func theOwnEarlierSnapshotsAreNoNamesakes() async throws {
        let store = MemoryStore()
        for round in 0..<3 {
            let a = try Instance("a", store)
            try await withSyncers([a]) {
                try await eventually { a.log.contains("start-up is complete") }
                try a.application.put("key", .init(UInt64(round) + 1, "a"))
                let count = try await snapshots(of: a, in: store)
                try await eventually { try await snapshots(of: a, in: store) > count }
                try await Task.sleep(for: .milliseconds(100))
            }
            #expect(!a.log.contains("another instance"))
        }
    }

    // MARK: Ending

    @Test func shutsDownBeforeItHasBegun() async throws {
        let a = try Instance("a", MemoryStore())
        let syncer = a.syncer()
        syncer.shutDown()
        try await syncer.run()
        #expect(!a.log.contains("start-up is complete"))
    }

    @Test(arguments: ["list", "load"]) func aHangingStorageDoesNotKeepItFromEnding(operation: String) async throws {
        let store = MemoryStore()
        try await store.store(
            SnapshotName(database: "main", instance: "b", timestamp: 5).description, RawSnapshot().spool)
        let faulty = HookedStore(store)
        let hangs = Mutex(false)
        faulty.onCall { called, _ in
            guard called == operation else { return }
            hangs.withLock { $0 = true }
            try await Task.sleep(for: .seconds(3600))
        }
        let a = try Instance("a", faulty)
        let syncer = a.syncer()
        let running = Task { try await syncer.run() }
        try await eventually { hangs.withLock { $0 } }
        syncer.shutDown()
        try await running.value
    }

    @Test func anUploadUnderWayEndsFirst() async throws {
        let store = MemoryStore()
        let faulty = HookedStore(store)
        let begun = Mutex(false)
        let mayGoOn = Mutex(false)
        faulty.onCall { operation, _ in
            guard operation == "store" else { return }
            begun.withLock { $0 = true }
            while !mayGoOn.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(5)) }
        }
        let a = try Instance("a", faulty)
        try a.application.put("key", .init(1, "a"))
        let syncer = a.syncer()
        let running = Task { try await syncer.run() }
        try await eventually { begun.withLock { $0 } }
        syncer.shutDown()
        try await Task.sleep(for: .milliseconds(50))
        mayGoOn.withLock { $0 = true }
        try await running.value
        #expect(try await snapshots(of: a, in: store) == 1)
    }

    @Test func cancellationEndsItWithoutWaiting() async throws {
        let faulty = HookedStore(MemoryStore())
        let begun = Mutex(false)
        faulty.onCall { operation, _ in
            guard operation == "store" else { return }
            begun.withLock { $0 = true }
            try await Task.sleep(for: .seconds(3600))
        }
        let a = try Instance("a", faulty)
        try a.application.put("key", .init(1, "a"))
        let syncer = a.syncer()
        let task = Task { try await syncer.run() }
        try await eventually { begun.withLock { $0 } }
        task.cancel()
        try await task.value
        #expect(!a.log.contains("cannot send"))
    }
}

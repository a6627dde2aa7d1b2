import BlobStorage
import LMDB
import Snapshots
import Synchronization
import TestSupport
import Testing

@testable import Replication

/// Whole syncers whose applications keep no headers.
@Suite struct ShadowSyncerLiveTests {
    private let memory = MemoryStore()

    private func instance(_ name: String, _ store: (any BlobStore)? = nil, receiveOnly: Bool = false) throws -> Instance
    {
        try Instance(name, store ?? memory, receiveOnly: receiveOnly, schema: LMDB.Environment.shadows)
    }

    @Test func twoApplicationsBecomeEqual() async throws {
        let (a, b) = (try instance("a"), try instance("b"))
        for (kind, flags) in ShadowWorld.kinds {
            try a.application.appPut(bytes(of: UInt32(0)), bytes(of: UInt32(1)), in: kind, flags: flags)
            try b.application.appPut(bytes(of: UInt32(1)), bytes(of: UInt32(2)), in: kind, flags: flags)
        }
        try await withSyncers([a, b]) {
            try await eventually {
                let main = try a.application.main()
                return try main.count == 2 * ShadowWorld.kinds.count && main == b.application.main()
            }
            for (kind, flags) in ShadowWorld.kinds {
                try b.application.appDelete(bytes(of: UInt32(0)), in: kind)
                try a.application.appPut(bytes(of: UInt32(2)), bytes(of: UInt32(3)), in: kind, flags: flags)
            }
            try await eventually {
                let main = try a.application.main()
                return try main == b.application.main() && main.values.allSatisfy { $0 != bytes(of: UInt32(1)) }
                    && main.values.contains(bytes(of: UInt32(3)))
            }
        }
        #expect(try a.application.versions().live == a.application.main())
    }

    @Test func aReceiverCapturesAndSendsNothing() async throws {
        let receiver = try instance("receiver", receiveOnly: true)
        try await withSyncers([receiver]) {
            try await eventually { receiver.log.contains("start-up is complete") }
            try receiver.application.appPut("a", "mine")
            try await eventually { try receiver.application.shadow("a")?.isDeleted == false }
        }
        #expect(try receiver.application.shadow("a")?.timestamp ?? 0 > 1)
        #expect(try await memory.list(prefix: "").isEmpty)
    }

    /// What LMDB could never take is not tried for ever.
    @Test func aSnapshotThatDoesNotFitIsRefusedOnce() async throws {
        let store = HookedStore(memory)
        let own = try instance("own", store)
        try own.application.appPut([1], [1, 2, 3, 4], in: "members", flags: [.duplicateSort, .duplicateFixed])
        let other = SnapshotName(database: "main", instance: "b", timestamp: 5)
        let value = Array("seven..".utf8)
        let snapshot = RawSnapshot().database("records", [.init("a", "b", at: 5)]).database(
            "members", flags: [.duplicateSort, .duplicateFixed], transform: "dupsort_hack_v1",
            [.init(transformed([1], value), value, at: 5)])
        try await memory.store(other.description, snapshot.spool)
        let loads = Mutex(0)
        let lists = Mutex(0)
        store.onCall { operation, name in
            if operation == "load" && name == other.description { loads.withLock { $0 += 1 } }
            if operation == "list" { lists.withLock { $0 += 1 } }
        }
        try await withSyncers([own]) {
            try await eventually { own.log.contains("snapshot rejected") }
            let seen = lists.withLock { $0 }
            try await eventually { lists.withLock { $0 } > seen + 5 }
        }
        #expect(own.log.count("MDB_DUPFIXED") == 1 && own.log.count("snapshot rejected") == 1)
        #expect(loads.withLock { $0 } == 1)
        // Nothing of it was applied.
        #expect(try own.application.main().count == 1)
    }

    @Test func contentsThatCannotBeSyncedEndTheStart() async throws {
        let own = try Instance("own", memory, schema: .shadow(dupSortHack: false))
        try own.application.appPut([1], [1], in: "members", flags: .duplicateSort)
        let error = await #expect(throws: LocalContentError.self) { try await own.syncer().run() }
        #expect(error?.description.contains("can only be synced with transformed keys") == true)
        #expect(try await memory.list(prefix: "").isEmpty)
    }

    /// Later on they may go again.
    @Test func contentsThatCannotBeSyncedAreWaitedFor() async throws {
        let own = try instance("own")
        try own.application.appPut(Array("k".utf8), [1], in: "members", flags: .duplicateSort)
        try await withSyncers([own]) {
            try await eventually { own.log.contains("start-up is complete") }
            let key = Array("k".utf8) + [UInt8](repeating: 1, count: 255)
            try own.application.appPut(key, [1], in: "members", flags: .duplicateSort)
            try own.application.appPut("a", "1")
            try await eventually { own.log.contains("256 bytes") }
            try own.application.appDelete(key, in: "members")
            try await eventually { try own.application.shadow("a") != nil }
            try await eventually {
                guard let newest = try await memory.list(prefix: "").map(\.name).max() else { return false }
                return try contents(of: await memory.load(newest)) == own.application.versions()
            }
        }
    }
}

import BlobStorage
import LMDB
import Logging
import Snapshots
import Support
import Synchronization
import TestSupport
import Testing

@testable import Replication

/// A clock that a test sets.
final class TestTime: Sendable {
    private let nanoseconds: Mutex<UInt64>
    init(_ nanoseconds: UInt64) { self.nanoseconds = Mutex(nanoseconds) }
    func set(_ time: UInt64) { nanoseconds.withLock { $0 = time } }
    var clock: WallClock { { [self] in nanoseconds.withLock(\.self) } }
}

/// What a syncer tells while it runs.
@Suite(.timeLimit(.minutes(5))) struct ObserverLiveTests {
    /// Keeps the names of events, with what matters of them.
    private final class Events: SyncObserver {
        private let events = Mutex<[String]>([])
        private let environments = Mutex(0)

        func observe(_ event: SyncEvent, of database: String) {
            let text =
                switch event {
                case .opened: "opened"
                case .listed(let catalog): "listed \(catalog.snapshots.count) \(catalog.states.keys.sorted())"
                case .listFailed(let error): "listFailed \(error)"
                case .downloadStarted(let name, _): "downloadStarted \(name.instance)"
                case .downloaded(let name, let bytes, _): "downloaded \(name.instance) \(bytes > 0)"
                case .downloadVanished(let name, _): "downloadVanished \(name.instance)"
                case .downloadFailed(let name, let error, _): "downloadFailed \(name.instance) \(error)"
                case .downloadsWaiting(let count): "downloadsWaiting \(count)"
                case .mergesWaiting(let count): "mergesWaiting \(count)"
                case .mergeStarted(let name, _): "mergeStarted \(name.instance)"
                case .merged(let report):
                    "merged \(report.name.instance) \(report.written) \(report.kept) \(report.ages.total) \(report.transaction != nil)"
                case .mergeFailed(let name, let error, _): "mergeFailed \(name.instance) \(error)"
                case .refused(let name, let entries, _, _): "refused \(name.instance) \(entries ?? -1)"
                case .storing(_, let bytes): "storing \(bytes > 0)"
                case .stored(let report): "stored \(report.entries)"
                case .sendFailed(let error): "sendFailed \(error)"
                case .sendingGivenUp(let error): "sendingGivenUp \(error)"
                case .pinned(let age): "pinned \(age)"
                case .settled(let transaction): "settled \(transaction != nil)"
                case .started: "started"
                case .namesake(let name): "namesake \(name != nil)"
                case .clockSkew(let instance, let ahead, let exceeds):
                    "clockSkew \(instance) \(ahead > .zero) \(exceeds)"
                case .ended: "ended"
                default: "other"
                }
            events.withLock { $0.append(text) }
        }

        var all: [String] { events.withLock(\.self) }
        func contains(_ text: String) -> Bool { all.contains(text) }
        /// Whether these are among the events, in this order.
        func hasInOrder(_ wanted: [String]) -> Bool {
            var rest = wanted[...]
            for event in all where event == rest.first { rest.removeFirst() }
            return rest.isEmpty
        }
    }

    private func syncer(
        _ instance: Instance, _ store: any BlobStore, _ events: Events, settings: SyncSettings? = nil
    ) -> DatabaseSyncer {
        DatabaseSyncer(
            settings: settings ?? instance.settings, store: store,
            logger: Logger(label: "test") { _ in instance.log }, environment: instance.application, observer: events)
    }

    private func run(_ syncer: DatabaseSyncer, while body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await syncer.run() }
            defer { syncer.shutDown() }
            try await body()
            syncer.shutDown()
            try await group.waitForAll()
        }
    }

    @Test func aRunIsToldFromBeginningToEnd() async throws {
        let store = MemoryStore()
        let (a, b) = (try Instance("a", store, once: true), try Instance("b", store))
        try a.application.put("from-a", .init(1, "a"))
        try a.application.put("shared", .init(1, "a"))
        try b.application.put("shared", .init(2, "b"))
        try await a.syncer().run()
        try await store.store("main__x.state", Spool(Array("{}".utf8)))
        let events = Events()
        try await run(syncer(b, store, events)) { try await eventually { events.contains("settled true") } }
        #expect(
            events.hasInOrder([
                "opened", "clockSkew a false false", "listed 1 [\"x\"]", "downloadStarted a",
                "downloaded a true", "mergesWaiting 1", "mergesWaiting 0", "mergeStarted a", "merged a 1 1 1 true",
                "storing true", "stored 2", "settled true", "ended",
            ]), "\(events.all)")
        #expect(events.contains("started"))
        #expect(events.all.last == "ended")
    }

    @Test func theAgeOfThePinnedTransactionIsTold() async throws {
        let store = HookedStore(MemoryStore())
        let b = try Instance("b", store)
        var settings = b.settings
        settings.machine.deltas = .init()
        let mayStore = Mutex(false)
        // Nothing else is read before the first snapshot is stored.
        store.onCall { operation, _ in
            while operation == "store", !mayStore.withLock(\.self) { try await Task.sleep(for: .milliseconds(5)) }
        }
        try b.application.put("key", .init(1, "b"))
        let events = Events()
        try await run(syncer(b, store, events, settings: settings)) {
            try await eventually { events.contains("storing true") }
            #expect(!events.all.contains { $0.hasPrefix("pinned") })
            try b.application.put("key", .init(2, "b"))
            try await eventually { events.contains("pinned 1") }
            try b.application.put("key", .init(3, "b"))
            try await eventually { events.contains("pinned 2") }
            mayStore.withLock { $0 = true }
            try await eventually { events.contains("pinned 0") }
        }
        #expect(events.hasInOrder(["pinned 1", "pinned 2", "stored 1", "pinned 0"]))
        // Only changes are told.
        #expect(events.all.count { $0 == "pinned 1" } == 1)
    }

    @Test func failuresAreTold() async throws {
        let base = MemoryStore()
        let (a, b) = (try Instance("a", base, once: true), try Instance("b", base))
        try a.application.put("from-a", .init(1, "a"))
        try await a.syncer().run()
        let store = HookedStore(base)
        let failing = Mutex(Set(["list"]))
        store.onCall { operation, _ in
            if failing.withLock({ $0.contains(operation) }) { throw BlobStoreError(.other, "no \(operation)") }
        }
        let events = Events()
        try await run(syncer(b, store, events)) {
            for (operation, event) in [("list", "listFailed"), ("load", "downloadFailed a"), ("store", "sendFailed")] {
                failing.withLock { $0 = [operation] }
                try b.application.put("local", .init(UInt64(operation.count), operation))
                try await eventually { events.contains("\(event) no \(operation)") }
            }
            failing.withLock { $0 = [] }
            // A merge alone makes nobody send.
            try await eventually { events.contains("merged a 1 0 1 true") }
            try b.application.put("more", .init(6, "b"))
            try await eventually { events.contains("stored 3") }
        }
        #expect(events.hasInOrder(["listFailed no list", "downloadFailed a no load", "merged a 1 0 1 true"]))
    }

    @Test func refusalsNamesakesAndWrongClocksAreTold() async throws {
        let store = MemoryStore()
        let b = try Instance("b", store)
        try b.application.put("key", .init(1, "b"))
        let bad = SnapshotName(database: "main", instance: "bad", timestamp: systemWallClock() + 3_600_000_000_000)
        try await store.store(bad.description, Spool(Array("not gzip".utf8)))
        let events = Events()
        try await run(syncer(b, store, events)) {
            try await eventually { events.contains("stored 1") && events.contains("refused bad 0") }
            #expect(events.contains("clockSkew bad true true"))
            let twin = SnapshotName(database: "main", instance: "b", timestamp: systemWallClock())
            try await store.store(twin.description, Spool(Array("x".utf8)))
            try await eventually { events.contains("namesake true") }
            try await store.delete(twin.description)
            try await eventually { events.contains("namesake false") }
        }
        #expect(events.all.count { $0.hasPrefix("namesake") } == 2)
    }

    /// They change every few seconds: who listed then would never come to rest.
    @Test func stateObjectsWakeNobody() async throws {
        let directory = try TemporaryDirectory()
        let store = try FileSystemStore(rootPath: directory.path)
        let b = try Instance("b", store)
        var settings = b.settings
        // Nothing but news in the storage makes it list again.
        settings.machine.storagePollInterval = .seconds(3600)
        let events = Events()
        try await run(syncer(b, store, events, settings: settings)) {
            try await eventually { events.contains("started") }
            for number in 0..<20 {
                try await store.store("main__n\(number % 3).state", Spool(Array("{}".utf8)))
            }
            // What comes in order behind them has been noticed, so they have been, too.
            let name = SnapshotName(database: "main", instance: "a", timestamp: 1)
            try await store.store(name.description, Spool(Array("x".utf8)))
            try await eventually { events.contains("refused a 0") }
        }
        #expect(events.all.count { $0.hasPrefix("listed") } == 2, "\(events.all)")
    }
}

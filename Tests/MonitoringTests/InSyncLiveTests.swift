import BlobStorage
import Observability
import Replication
import Snapshots
import Support
import Synchronization
import TestSupport
import Testing

@testable import Monitoring

/// Whether a change is everywhere, with the state objects of a storage.
@Suite(.timeLimit(.minutes(5))) struct InSyncLiveTests {
    /// A storage that counts its listings, and fails or delays them while it is told to.
    private final class CountedStore: BlobStore {
        let base = MemoryStore()
        let state = Mutex((listings: 0, fails: false))
        let gate = Gate()

        var listings: Int { state.withLock(\.listings) }

        func list(prefix: String) async throws -> [Blob] {
            let fails = state.withLock { state in
                state.listings += 1
                return state.fails
            }
            await gate.pass()
            if fails { throw BlobStoreError(.other, "the disk is on fire") }
            return try await base.list(prefix: prefix)
        }
        func load(_ name: String, atMost limit: Int) async throws -> Spool { try await base.load(name, atMost: limit) }
        @discardableResult
        func store(_ name: String, _ body: Spool) async throws -> String? { try await base.store(name, body) }
        func delete(_ name: String) async throws { try await base.delete(name) }
        func changes(prefix: String) -> AsyncStream<StorageChange>? { nil }
    }

    /// Lets nobody pass while it is closed.
    private final class Gate: Sendable {
        let isClosed = Mutex(false)
        func pass() async {
            while isClosed.withLock(\.self) { try? await Task.sleep(for: .milliseconds(5)) }
        }
    }

    private let clock = TestClock()
    private let store = CountedStore()
    private let names = ["main", "shard"]

    /// A monitor of an instance that has sent its changes of both databases, at 20 s.
    private func monitor(hasUpdateMarker: Bool = false) -> Monitor {
        var settings = MonitorSettings.test(names)
        settings.pollInterval = .seconds(10)
        settings.hasUpdateMarker = hasUpdateMarker
        let monitor = Monitor(settings, logger: LogLines().logger, clock: { [clock] in clock.now })
        for database in monitor.databases { database.attach(store) }
        syncerLists(monitor, [])
        for name in names {
            monitor.observe(.started, of: name)
            monitor.observe(
                .stored(.test(snapshot("own", 20, database: name), through: 1, isDelta: false)), of: name)
        }
        return monitor
    }

    private func syncerLists(_ monitor: Monitor, _ states: [String]) {
        for name in names {
            let objects = states.map { Blob(name: "\(name)__\($0).state", size: 10) }
            monitor.observe(.listStarted, of: name)
            monitor.observe(.listed(Catalog(objects, database: name, now: .max)), of: name)
        }
    }

    private func publish(_ instance: String, merged position: Int, in databases: [String] = ["main", "shard"])
        async throws
    {
        for name in databases {
            let state = InstanceState(
                instance: instance, hostname: "", software: "", time: WallTime.test(1000), sent: nil,
                applied: ["own": snapshot("own", position, database: name).description], covered: nil, health: "OK")
            try await StateObjects(store, database: name).store(state)
        }
    }

    private func ask(_ monitor: Monitor, except: Set<String> = []) async -> StatusReport.InSync {
        var answer = StatusReport.InSync()
        answer.zone = "example.org."
        return await monitor.complete(
            answer, Dictionary(uniqueKeysWithValues: names.map { ($0, Need(local: 1)) }), except: except)
    }

    @Test(arguments: [false, true]) func aHostThatHasJoinedIsAsked(hasUpdateMarker: Bool) async throws {
        let monitor = monitor(hasUpdateMarker: hasUpdateMarker)
        try await publish("b", merged: 5)
        clock.advance(.seconds(11))
        let answer = await ask(monitor)
        #expect(!answer.inSync && Set(answer.waitingFor.map(\.instance)) == ["b"])
        #expect(answer.waitingFor.allSatisfy { $0.has != nil })
        if hasUpdateMarker {
            // By the marker nothing has changed.
            clock.advance(.seconds(1))
            syncerLists(monitor, [])
            #expect(await !ask(monitor).inSync)
        }
        try await publish("b", merged: 20)
        try await eventually { await ask(monitor).mergedBy == ["b"] }
    }

    @Test func aListingIsMadeForAYesAndOnlyOnceAnInterval() async throws {
        let monitor = monitor()
        try await publish("b", merged: 5)
        syncerLists(monitor, ["b"])
        clock.advance(.seconds(11))
        // The answer is no anyway.
        for _ in 0..<3 { #expect(await ask(monitor).state == .waiting) }
        #expect(store.listings == 0)
        try await publish("b", merged: 20)
        try await eventually { await ask(monitor).inSync }
        #expect(store.listings == 2)
        for _ in 0..<5 { #expect(await ask(monitor).inSync) }
        clock.advance(.seconds(9))
        #expect(await ask(monitor).inSync)
        #expect(store.listings == 2)
        clock.advance(.seconds(2))
        #expect(await ask(monitor).inSync)
        #expect(store.listings == 4)
        // That of a syncer is as good.
        clock.advance(.seconds(11))
        syncerLists(monitor, ["b"])
        #expect(await ask(monitor).inSync)
        #expect(store.listings == 4)
    }

    /// It stores its first snapshot, which the syncer lists at once, and then its first state.
    @Test func whoIsUnknownIsLookedFor() async throws {
        let monitor = monitor()
        clock.advance(.seconds(11))
        for name in names {
            monitor.observe(.listStarted, of: name)
            let blob = Blob(name: snapshot("b", 5, database: name).description, size: 10)
            monitor.observe(.listed(Catalog([blob], database: name, now: .max)), of: name)
        }
        try await publish("b", merged: 5)
        try await eventually { await ask(monitor).waitingFor.map(\.instance) == ["b", "b"] }
        #expect(store.listings == 2)
    }

    @Test func concurrentQuestionsShareAListing() async throws {
        let monitor = monitor()
        clock.advance(.seconds(11))
        store.gate.isClosed.withLock { $0 = true }
        let answers = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 { group.addTask { await ask(monitor).inSync } }
            group.addTask {
                while store.listings < 2 { try? await Task.sleep(for: .milliseconds(5)) }
                try? await Task.sleep(for: .milliseconds(100))
                store.gate.isClosed.withLock { $0 = false }
                return true
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers == [Bool](repeating: true, count: 9))
        #expect(store.listings == 2)
    }

    @Test func aListingThatFailsIsANo() async throws {
        let monitor = monitor()
        clock.advance(.seconds(11))
        store.state.withLock { $0.fails = true }
        for _ in 0..<3 {
            let answer = await ask(monitor)
            #expect(answer.state == .unknown)
            #expect(answer.problem == "database main: the storage cannot be listed: the disk is on fire")
        }
        #expect(store.listings == 2)
        store.state.withLock { $0.fails = false }
        clock.advance(.seconds(11))
        #expect(await ask(monitor).inSync)
    }

    @Test func whoIsLeftOutIsNamed() async throws {
        let monitor = monitor()
        try await publish("b", merged: 5)
        try await publish("c", merged: 20)
        clock.advance(.seconds(11))
        try await eventually { await ask(monitor, except: ["b", "x"]).inSync }
        let answer = await ask(monitor, except: ["b", "x"])
        #expect(answer.leftOut == ["b"] && answer.mergedBy == ["c"] && answer.waitingFor == [])
    }

    @Test func aBrokenStateObjectIsWaitedFor() async throws {
        let monitor = monitor()
        try await publish("b", merged: 20, in: ["main"])
        for (body, reason) in [
            (Array("{".utf8), "its state object is not valid"),
            ([UInt8](repeating: 0x20, count: StateObjects.largest + 1), "its state object is larger than 1 MiB"),
            (Array(#"{"version":2}"#.utf8), "its state object is not valid"),
        ] {
            try await store.store("shard__b.state", Spool(body))
            clock.advance(.seconds(11))
            try await eventually {
                // The syncer sees its size.
                for name in names {
                    let blobs = try await store.base.list(prefix: "\(name)__")
                    monitor.observe(.listed(Catalog(blobs, database: name, now: .max)), of: name)
                }
                return await ask(monitor).waitingFor.map(\.reason) == [reason]
            }
            let answer = await ask(monitor)
            #expect(!answer.inSync && answer.unknown == [] && answer.mergedBy == [])
            #expect(answer.waitingFor.map(\.database) == ["shard"])
        }
        // No state of the shard at all, but one of main.
        try await store.delete("shard__b.state")
        syncerLists(monitor, [])
        clock.advance(.seconds(11))
        #expect(await ask(monitor).waitingFor.map(\.database) == ["shard"])
        try await publish("b", merged: 20)
        try await eventually {
            syncerLists(monitor, ["b"])
            return await ask(monitor).inSync
        }
    }
}

import BlobStorage
import Observability
import Replication
import Snapshots
import Support
import Synchronization
import TestSupport
import Testing

@testable import Monitoring

/// When the state object is written, under simulated time.
@Suite struct PublishScheduleTests {
    @Test func changesAreWrittenAtOnceButNotTooOften() {
        var schedule = PublishSchedule(at: .seconds(10))
        #expect(schedule.due == .seconds(310))
        schedule.changed()
        #expect(schedule.due == .zero)
        schedule.began(at: .seconds(11))
        #expect(schedule.due == nil)
        schedule.changed()
        schedule.ended()
        #expect(schedule.due == .seconds(12))
        schedule.began(at: .seconds(12))
        schedule.ended()
        #expect(schedule.due == .seconds(312))
    }

    @Test func aFailureWaitsForTheNextWrite() {
        var schedule = PublishSchedule(at: .zero)
        schedule.changed()
        schedule.began(at: .seconds(1))
        schedule.ended()
        #expect(schedule.due == .seconds(301))
        schedule.changed()
        #expect(schedule.due == .seconds(2))
        schedule.began(at: .seconds(2))
        schedule.ended()
        #expect(schedule.due == .seconds(302))
    }
}

/// Writing and reading state objects in real storages.
@Suite(.timeLimit(.minutes(5))) struct StateObjectLiveTests {
    private func published(_ store: any BlobStore, database: String = "main") async throws -> InstanceState? {
        try await StateObjects(store, database: database).load(StateObjectName(database: database, instance: "own"))
    }

    /// One that the storage refuses to give out, as a forged one, says nothing; other errors are errors.
    @Test func aRefusedStateCountsAsMissing() async throws {
        #expect(try await published(FailingStore(error: BlobStoreError(.refused, "it is forged"))) == nil)
        await #expect(throws: BlobStoreError.self) {
            try await published(FailingStore(error: BlobStoreError(.timeout, "no answer")))
        }
    }

    /// Somebody has put back an old object: neither what it says nor its time in the storage is believed.
    @Test func anOldAuthenticStateIsIgnoredAndItsTimeIsTheOneInIt() async throws {
        func state(_ second: UInt64) -> InstanceState {
            InstanceState(
                instance: "other", hostname: "h", software: "s",
                time: WallTime(nanosecondsSinceEpoch: second * 1_000_000_000).rfc3339(digits: 3), sent: nil,
                applied: [:], covered: nil, health: "OK")
        }
        let minute: UInt64 = 60 * 1_000_000_000
        for areAuthentic in [true, false] {
            let store = MemoryStore()
            let states = OtherStates(
                database: "main", own: "own", logger: LogLines().logger, interval: .zero, areAuthentic: areAuthentic)
            states.attach(store)
            states.listed(["other": Blob(name: "main__other.state", size: 100)])
            for second: UInt64 in [600, 60, 610, 120] {
                try await StateObjects(store, database: "main").store(state(second))
                await states.refresh(["other"])
                try await Task.sleep(for: .milliseconds(250))
            }
            let known = try #require(states.latest.known["other"])
            #expect(known.time == state(areAuthentic ? 610 : 120).time)
            #expect(known.isAuthentic == areAuthentic)
            #expect(try JSON.decode(InstanceState.self, from: known.bytes()).isAuthentic == false)
            #expect(known.isSilent(stateTime: 60 * minute, at: 61 * minute) == areAuthentic)
            #expect(!known.isSilent(stateTime: 5 * minute, at: 10 * minute))
        }
    }

    /// The key ID is published when a full snapshot is sealed with it, not before.
    @Test func theKeyIDIsThatOfTheLastFullSnapshot() throws {
        let now = Moment(uptime: .zero, wall: WallTime(nanosecondsSinceEpoch: 1))
        var record = DatabaseRecord(name: "main", own: "own", receiveOnly: false, keyID: "0123abcd", at: now)
        let state = {
            InstanceState(
                record, positions: .init(applied: [:], covered: nil), hostname: "h", software: "s",
                at: WallTime(nanosecondsSinceEpoch: 1), health: "OK")
        }
        #expect(state().sealedWith == nil)
        record.handle(.stored(.init(snapshot("own", 1))), at: now)
        #expect(state().sealedWith == "0123abcd" && state().knownKeyID == "0123abcd")
        #expect(try JSON.decode(InstanceState.self, from: state().bytes()).sealedWith == "0123abcd")
        var odd = state()
        for text in ["", "0123abc", "0123abcd0", "0123abcg", "<script>", "abcdef\u{0301}12"] {
            odd.sealedWith = text
            #expect(odd.knownKeyID == nil)
        }
    }

    @Test(arguments: ["memory", "fs"])
    func mergesAndSendsArePublished(kind: String) async throws {
        let directory = try TemporaryDirectory()
        let store: any BlobStore =
            kind == "fs" ? try FileSystemStore(rootPath: directory.file("bucket")) : MemoryStore()
        let monitor = Monitor(.test(["main", "shard"]), logger: LogLines().logger)
        try await monitor.run(with: store) {
            monitor.observe(listing([snapshot("a", 1), snapshot("b", 1)]), of: "main")
            monitor.observe(.merged(.init(snapshot("a", 1))), of: "main")
            monitor.observe(.progressed(.init(merged: [snapshot("a", 1)])), of: "main")
            try await eventually { try await published(store) != nil }
            monitor.observe(
                .progressed(.init(merged: [], sent: snapshot("own", 2), covering: [snapshot("a", 1)])), of: "main")
            monitor.observe(.stored(.init(snapshot("own", 2))), of: "main")
            // A second later.
            try await eventually { try await published(store)?.sent != nil }
            monitor.observe(.merged(.init(snapshot("b", 1))), of: "main")
            monitor.observe(
                .progressed(
                    .init(merged: [snapshot("b", 1)], sent: snapshot("own", 2), covering: [snapshot("a", 1)])),
                of: "main")
        }
        // The end does not wait for the second.
        let state = try #require(try await published(store))
        #expect(state.version == 1 && state.instance == "own" && state.hostname == "host")
        #expect(state.software == "lightningstream 1.2.3" && state.health == "Stopped" && state.interval == 300)
        #expect(state.sent == snapshot("own", 2).description)
        #expect(state.applied == ["a": snapshot("a", 1).description, "b": snapshot("b", 1).description])
        #expect(state.covered == ["a": snapshot("a", 1).description])
        #expect(try await store.list(prefix: "").map(\.name) == ["main__own.state"])
    }

    @Test(arguments: [(true, true), (false, false)])
    func whoReceivesOrIsToldNotToPublishesNothing(receiveOnly: Bool, publishes: Bool) async throws {
        let store = MemoryStore()
        let monitor = Monitor(.test(receiveOnly: receiveOnly, publishesState: publishes), logger: LogLines().logger)
        if !publishes { try await store.store("main__own.state", Spool(Array("{}".utf8))) }
        try await monitor.run(with: store) {
            monitor.observe(listing([snapshot("a", 1)]), of: "main")
            monitor.observe(.merged(.init(snapshot("a", 1))), of: "main")
        }
        // An old one would look like that of a daemon that has fallen silent.
        #expect(try await store.list(prefix: "").isEmpty)
    }

    @Test func aSingleRunPromisesNothing() async throws {
        let store = MemoryStore()
        let monitor = Monitor(.test(onlyOnce: true), logger: LogLines().logger)
        try await monitor.run(with: store) { monitor.observe(listing([]), of: "main") }
        #expect(try await published(store) == nil)
        try await monitor.run(with: store) { monitor.observe(.started, of: "main") }
        let state = try #require(try await published(store))
        #expect(state.health == "OK" && state.interval == 0)
        #expect(!state.isSilent(stateTime: 0, at: .max))
    }

    /// Such as a second daemon on one LMDB, which ends at once.
    @Test func whoHasListedNothingHasNoLastWord() async throws {
        let store = MemoryStore()
        let monitor = Monitor(.test(), logger: LogLines().logger)
        try await monitor.run(with: store) {}
        #expect(try await store.list(prefix: "").isEmpty)
    }

    @Test func aChangeOfTheHealthIsPublished() async throws {
        let store = MemoryStore()
        let monitor = Monitor(.test(), logger: LogLines().logger)
        try await monitor.run(with: store) {
            monitor.observe(listing([snapshot("a", 1)]), of: "main")
            monitor.observe(.started, of: "main")
            try await eventually { try await published(store)?.health == "OK" }
            monitor.observe(.namesake(snapshot("own", 1)), of: "main")
            try await eventually { try await published(store)?.health == "Unavailable" }
            monitor.observe(.namesake(nil), of: "main")
            try await eventually { try await published(store)?.health == "OK" }
        }
        #expect(try await published(store)?.health == "Stopped")
    }

    @Test func aFailedWriteIsLoggedAndMadeUpFor() async throws {
        let (store, log) = (FaultyStore(), LogLines())
        store.fails = true
        let monitor = Monitor(.test(), logger: log.logger)
        try await monitor.run(with: store) {
            monitor.observe(listing([snapshot("a", 1)]), of: "main")
            monitor.observe(.merged(.init(snapshot("a", 1))), of: "main")
            monitor.observe(.progressed(.init(merged: [snapshot("a", 1)])), of: "main")
            try await eventually { log.count("cannot write the state object") == 1 }
            store.fails = false
        }
        #expect(store.stored == ["main__own.state", "main__own.state"])
        #expect(try await published(store) != nil)
    }

    @Test func theSizeIsBounded() throws {
        let clock = TestClock()
        var record = DatabaseRecord(name: "main", own: "own", receiveOnly: false, at: clock.now)
        let names = (0..<3000).map { snapshot("i\($0)", $0) }
        record.handle(listing(names), at: clock.now)
        for name in names { record.handle(.merged(.init(name)), at: clock.now) }
        record.handle(.progressed(.init(merged: names)), at: clock.now)
        let state = InstanceState(
            record, positions: .init(applied: record.applied, covered: record.covered), hostname: "", software: "",
            at: clock.now.wall, health: "OK")
        #expect(state.applied.count == InstanceState.mostInstances)
        #expect(state.applied["i2999"] != nil && state.applied["i0"] == nil)
        #expect(try state.bytes().count < 200_000)
        var huge = state
        huge.applied = ["x": String(repeating: "y", count: StateObjects.largest)]
        #expect(try JSON.decode(InstanceState.self, from: huge.bytes()).applied.isEmpty)
    }

    @Test func hostileStateObjectsAreIgnoredWithOneLine() async throws {
        let (store, log) = (FaultyStore(), LogLines())
        let good = InstanceState(
            instance: "good", hostname: "", software: "", time: "", sent: nil, applied: [:], covered: nil, health: "OK")
        let objects: [(String, [UInt8])] = [
            ("main__good.state", try JSON.encode(good)), ("main__bad.state", Array("{".utf8)),
            ("main__types.state", Array(#"{"version":"x","applied":[1]}"#.utf8)), ("main__empty.state", []),
            ("main__deep.state", Array(String(repeating: "[", count: 500_000).utf8)),
            ("main__huge.state", [UInt8](repeating: 0x20, count: StateObjects.largest + 1)),
            ("main__own.state", Array("{".utf8)), ("main__x_y.state", Array("{".utf8)),
        ]
        for (name, body) in objects { try await store.store(name, Spool(body)) }
        let states = OtherStates(database: "main", own: "own", logger: log.logger, interval: .zero)
        #expect(await states.value().isEmpty)
        states.attach(store)
        states.listed(Catalog(try await store.list(prefix: "main__"), database: "main", now: 0).states)
        try await eventually { await states.value().count == 1 }
        #expect(await states.value() == ["good": good])
        try await eventually {
            _ = await states.value()
            return store.loaded.count { $0 == "main__bad.state" } > 2
        }
        #expect(log.count("is missing or invalid") == 4)
        let reasons = states.latest.senseless
        #expect(reasons.keys.sorted() == ["bad", "deep", "empty", "huge", "types"])
        #expect(reasons["bad"] == "its state object is not valid")
        #expect(reasons["huge"] == "its state object is larger than 1 MiB")
        #expect(states.objects == Set(reasons.keys).union(["good"]))
        #expect(!store.loaded.contains("main__huge.state") && !store.loaded.contains("main__own.state"))
        states.listed([:])
        try await eventually { await states.value().isEmpty }
    }

    /// `status --wait` must not go on without an instance whose object is being overwritten.
    @Test func aStateObjectThatIsGoneWhenItIsReadSaysNothing() async throws {
        let store = MemoryStore()
        try await store.store("main__ns2.state", Spool(Array("{}".utf8)))
        let listed = Catalog(try await store.list(prefix: "main__"), database: "main", now: 0).states
        try await store.delete("main__ns2.state")
        let found = try await StateObjects(store, database: "main").loadAll(in: listed, except: "ns1")
        #expect(found.states.isEmpty)
        #expect(found.senseless == ["ns2": "its state object was not there when it was read"])
        let own = try await StateObjects(store, database: "main").loadAll(in: listed, except: "ns2")
        #expect(own.senseless.isEmpty)
    }

    @Test func manyStateObjectsAreReadInTurn() async throws {
        let store = FaultyStore()
        for number in 0..<250 { try await store.store("main__i\(number).state", Spool(Array("{}".utf8))) }
        let states = OtherStates(database: "main", own: "own", logger: LogLines().logger, interval: .zero)
        states.attach(store)
        states.listed(Catalog(try await store.list(prefix: "main__"), database: "main", now: 0).states)
        _ = await states.value()
        #expect(store.loaded.count <= OtherStates.most)
        try await eventually {
            _ = await states.value()
            return Set(store.loaded).count == 250
        }
    }
}

/// A storage whose objects can't be loaded.
private struct FailingStore: BlobStore {
    let error: BlobStoreError

    func list(prefix: String) async throws -> [Blob] { [] }
    func load(_ name: String, atMost limit: Int) async throws -> Spool { throw error }
    func store(_ name: String, _ body: Spool) async throws -> String? { nil }
    func delete(_ name: String) async throws {}
    func changes(prefix: String) -> AsyncStream<StorageChange>? { nil }
}

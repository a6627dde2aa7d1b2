import BlobStorage
import LMDB
import Logging
import Simulator
import Snapshots
import Synchronization
import TestSupport
import Testing

@testable import Replication

/// What those are told who look into merges and sends.
@Suite(.timeLimit(.minutes(5))) struct ChangeInspectorLiveTests {
    /// Writes down what it is told, and refuses what it is asked to refuse.
    private final class Notes: ChangeInspector {
        let lines = Mutex<[String]>([])
        let refusedKey: String?
        let refusesAll: Bool
        let looks: Bool

        let heldKey: String?
        init(refusing key: String? = nil, holding held: String? = nil, refusesAll: Bool = false, looks: Bool = true) {
            (refusedKey, heldKey, self.refusesAll, self.looks) = (key, held, refusesAll, looks)
        }

        func note(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock(\.self) }

        func inspectMerge(of snapshot: SnapshotName, into database: String) -> (any MergeInspection)? {
            looks && snapshot.instance != "b" ? Look(self) : nil
        }
        func inspectSend(of database: String) -> (any SendInspection)? { looks ? Look(self) : nil }
    }

    private final class Look: MergeInspection, SendInspection {
        private let notes: Notes
        private nonisolated(unsafe) var held: HeldEntries?
        private nonisolated(unsafe) var sent: [String] = []
        init(_ notes: Notes) { self.notes = notes }
        func heldBack() -> HeldEntries? { held }
        var isSelfContained: Bool { true }

        private func text(_ version: MergeRule.Version?) -> String {
            guard let version else { return "nothing" }
            return version.isDeleted ? "Deleted" : String(decoding: version.value, as: UTF8.self)
        }

        func begins(_ transaction: borrowing ReadTransaction) throws { notes.note("begins") }

        func change(
            of key: UnsafeRawBufferPointer, in dbi: String, from old: MergeRule.Version?, to new: MergeRule.Version
        ) throws(RefusedSnapshot) -> ChangeVerdict {
            let key = String(decoding: key, as: UTF8.self)
            notes.note("\(dbi) \(key): \(text(old)) to \(text(new))")
            if key == notes.refusedKey { throw RefusedSnapshot("not \(key)") }
            guard key == notes.heldKey else { return .merge }
            held = HeldEntries(count: 1, first: key)
            return .hold
        }

        func check(_ transaction: borrowing ReadTransaction) throws {
            notes.note("check")
            if notes.refusesAll { throw RefusedSnapshot("none of this") }
        }

        func refused(_ refusal: RefusedSnapshot) -> RefusedSnapshot {
            RefusedSnapshot("\(refusal), by a rule", facts: ["rule": "test"])
        }

        func lost(_ key: UnsafeRawBufferPointer, in dbi: String) {
            notes.note("lost \(String(decoding: key, as: UTF8.self))")
        }
        func ended(_ report: MergeReport?) { notes.note("ended \(report.map { "\($0.written)" } ?? "without")") }
        func change(of key: UnsafeRawBufferPointer, in dbi: String, to new: MergeRule.Version) {
            notes.note("sent \(String(decoding: key, as: UTF8.self)): \(text(new))")
        }
        func change(
            of key: UnsafeRawBufferPointer, in dbi: String, from old: MergeRule.Version?, to new: MergeRule.Version?
        ) {
            let line = "\(String(decoding: key, as: UTF8.self)): \(text(old)) to \(text(new))"
            sent.append(line)
            notes.note("sent \(line)")
        }
        func ended(_ report: SendReport?) {
            notes.note("stored \(report != nil)\(report == nil && sent.isEmpty ? ", nothing found" : "")")
            for line in sent where report != nil { notes.note("told \(line)") }
        }
    }

    private final class LastProgress: SyncObserver {
        private let last = Mutex(SyncProgress())
        var value: SyncProgress { last.withLock(\.self) }

        func observe(_ event: SyncEvent, of database: String) {
            if case .progressed(let progress) = event { last.withLock { $0 = progress } }
        }
    }

    private func syncer(
        _ instance: Instance, _ store: any BlobStore, _ notes: Notes, _ observer: any SyncObserver = NoObserver()
    ) -> DatabaseSyncer {
        DatabaseSyncer(
            settings: instance.settings, store: store, logger: Logger(label: "test") { [log = instance.log] _ in log },
            environment: instance.application, observer: observer, inspector: notes)
    }

    private func entry(_ key: String, _ value: String?, at timestamp: UInt64) -> (TestKey, TestVersion) {
        (
            TestKey(database: "records", key: Array(key.utf8)),
            TestVersion(timestamp: timestamp, isDeleted: value == nil, value: Array((value ?? "").utf8))
        )
    }

    /// B has merged what A has; then A changes, adds and deletes one entry each.
    private func merged(_ notes: Notes) async throws -> Instance {
        let store = MemoryStore()
        let (a, b) = (try Instance("a", store, once: true), try Instance("b", store, once: true))
        try a.application.applicationWrite([
            entry("changed", "1", at: 10), entry("gone", "2", at: 10), entry("same", "3", at: 10),
        ])
        try await a.syncer().run()
        try await syncer(b, store, Notes(looks: false)).run()
        try a.application.applicationWrite([
            entry("changed", "4", at: 20), entry("gone", nil, at: 20), entry("new", "5", at: 20),
        ])
        try await a.syncer().run()
        try await syncer(b, store, notes).run()
        return b
    }

    @Test func aMergeTellsOfEachEntryThatChangesAndOfNoOther() async throws {
        let notes = Notes()
        _ = try await merged(notes)
        #expect(
            notes.all.prefix(6) == [
                "begins", "records changed: 1 to 4", "records gone: 2 to Deleted", "records new: nothing to 5",
                "check", "ended 3",
            ])
        #expect(!notes.all.contains { $0.contains("same") })
    }

    @Test func aSnapshotCanBeRefusedForAnEntryAndForAll() async throws {
        for notes in [Notes(refusing: "gone"), Notes(refusesAll: true)] {
            let b = try await merged(notes)
            #expect(notes.all.contains("ended without") && !notes.all.contains { $0.hasPrefix("ended 3") })
            #expect(b.log.contains(notes.refusesAll ? "none of this" : "not gone"))
            #expect(try b.application.contents().count { !$0.value.isDeleted } == 3)
        }
    }

    @Test func anEntryCanBeHeldBackAndTheRestIsMerged() async throws {
        let notes = Notes(holding: "changed")
        let b = try await merged(notes)
        #expect(notes.all.contains("ended 2"))
        let contents = try b.application.contents()
        #expect(contents[entry("changed", nil, at: 0).0]?.value == Array("1".utf8))
        #expect(contents[entry("new", nil, at: 0).0]?.value == Array("5".utf8))
    }

    /// Neither the application's DBI nor its shadow gets it, so that the next capture takes nothing for a change.
    @Test func withShadowsAnEntryCanBeHeldBackAsWell() async throws {
        let (store, schema) = (MemoryStore(), LMDB.Environment.shadows)
        let a = try Instance("a", store, once: true, schema: schema)
        let b = try Instance("b", store, once: true, schema: schema)
        try a.application.appPut("changed", "1")
        try a.application.appPut("same", "2")
        try await a.syncer().run()
        try await syncer(b, store, Notes(looks: false)).run()
        try a.application.appPut("changed", "3")
        try a.application.appPut("new", "4")
        try await a.syncer().run()
        let shadow = try b.application.shadow("changed")
        for _ in 0..<2 {
            try await syncer(b, store, Notes(holding: "changed")).run()
            #expect(try b.application.main("records") == ["changed": "1", "new": "4", "same": "2"])
            #expect(try b.application.shadow("changed") == shadow)
        }
        // With another rule the same snapshot brings it.
        try await syncer(b, store, Notes()).run()
        #expect(try b.application.main("records") == ["changed": "3", "new": "4", "same": "2"])
        try await a.syncer().run()
        #expect(try a.application.main("records") == ["changed": "3", "new": "4", "same": "2"])
    }

    /// What is not here as a whole is not covered by what is sent.
    @Test func aSnapshotWithSomethingHeldBackIsNoPartOfWhatIsSent() async throws {
        for (held, isCovered) in [("new", false), ("none", true)] {
            let store = MemoryStore()
            let (a, b) = (try Instance("a", store, once: true), try Instance("b", store, once: true))
            try a.application.applicationWrite([entry("old", "1", at: 10), entry("new", "5", at: 20)])
            try await a.syncer().run()
            let progress = LastProgress()
            try await syncer(b, store, Notes(holding: held), progress).run()
            #expect(progress.value.merged.keys.contains("a") == isCovered)
            #expect(progress.value.covered?.keys.contains("a") == isCovered)
        }
    }

    /// The application may write between the comparison and the merge.
    @Test func whatTheApplicationHasOvertakenIsLost() throws {
        let directory = try ScratchDirectory()
        let environment = try LMDB.Environment.scratch(directory)
        try environment.applicationWrite([entry("overtaken", "1", at: 10)])
        let notes = Notes()
        let look = Look(notes)
        let snapshot = RawSnapshot().database(
            "records", [.init("new", "3", at: 20), .init("overtaken", "2", at: 20)])
        let (plan, _, _) = try MergePlanner.plan(
            snapshot.spool, for: environment, rules: .init(inspection: look))
        try environment.applicationWrite([entry("overtaken", "4", at: 30)])
        let outcome = try Merge.apply(plan, to: environment, paddingBlock: false, inspection: look)
        #expect((outcome.written, outcome.lost) == (1, 1))
        #expect(
            notes.all == [
                "begins", "records new: nothing to 3", "records overtaken: 1 to 2", "check", "lost overtaken",
            ])
    }

    @Test func aSendTellsOfWhatTheApplicationHasWritten() async throws {
        let store = MemoryStore()
        let (a, b) = (try Instance("a", store), try Instance("b", store))
        let notes = Notes()
        try a.application.applicationWrite([entry("before", "1", at: 10)])
        let syncers = [syncer(a, store, notes), syncer(b, store, Notes(looks: false))]
        try await withThrowingTaskGroup(of: Void.self) { group in
            for syncer in syncers { group.addTask { try await syncer.run() } }
            defer { for syncer in syncers { syncer.shutDown() } }
            try await eventually { try b.keys == ["before"] }
            try b.application.applicationWrite([entry("theirs", "2", at: 20)])
            try await eventually { try a.keys == ["before", "theirs"] }
            try a.application.applicationWrite([entry("ours", "3", at: 30), entry("before", nil, at: 30)])
            try await eventually { notes.all.contains("sent ours: 3") }
            for syncer in syncers { syncer.shutDown() }
            try await group.waitForAll()
        }
        // Neither what was there at the start nor what came from others.
        #expect(Set(notes.all.filter { $0.hasPrefix("sent") }) == ["sent ours: 3", "sent before: Deleted"])
        #expect(notes.all.contains("stored true"))
    }

    /// Each comparison of pages tells of what it has found itself; what is stored later is told of when it is stored.
    @Test func whatCannotBeStoredIsToldOfOnce() async throws {
        struct NotNow: Error {}
        let store = HookedStore(MemoryStore())
        let a = try Instance("a", store, deltas: .init(fullInterval: .seconds(600)))
        let notes = Notes()
        for (key, value) in [("changed", "1"), ("gone", "1")] {
            try a.application.applicationWrite([entry(key, value, at: 10)])
        }
        let syncer = syncer(a, store, notes)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await syncer.run() }
            defer { syncer.shutDown() }
            try await eventually { notes.all.contains("stored true") }
            store.onCall { operation, name in if operation == "store", name.hasSuffix(".delta") { throw NotNow() } }
            try a.application.applicationWrite([entry("changed", "2", at: 20), entry("gone", nil, at: 20)])
            try await eventually { notes.all.contains("sent changed: 1 to 2") }
            try a.application.applicationWrite([entry("changed", "3", at: 30), entry("new", "1", at: 30)])
            try await eventually { notes.all.contains("sent changed: 2 to 3") }
            #expect(notes.all.count { $0 == "stored true" } == 1)
            // More often than inspections are kept.
            try await eventually { notes.all.count { $0 == "stored false, nothing found" } > 64 }
            store.onCall { _, _ in }
            try await eventually { notes.all.contains("told changed: 2 to 3") }
            // Nor by a later one.
            try a.application.applicationWrite([entry("last", "1", at: 40)])
            try await eventually { notes.all.contains("told last: nothing to 1") }
            syncer.shutDown()
            try await group.waitForAll()
        }
        let lines = [
            "changed: 1 to 2", "gone: 1 to Deleted", "changed: 2 to 3", "new: nothing to 1", "last: nothing to 1",
        ]
        #expect(notes.all.filter { $0.hasPrefix("sent") } == lines.map { "sent \($0)" })
        #expect(notes.all.filter { $0.hasPrefix("told") } == lines.map { "told \($0)" })
        #expect(!notes.all.contains("stored false"))
    }
}

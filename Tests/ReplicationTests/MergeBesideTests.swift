import BlobStorage
import Dispatch
import LMDB
import Logging
import Snapshots
import Support
import Synchronization
import TestSupport
import Testing

@testable import Replication

/// What a syncer does while a merge of its waits for the write lock.
@Suite(.timeLimit(.minutes(5))) struct MergeBesideTests {
    /// The write lock, which somebody else has.
    final class Lock: Sendable {
        private let (taken, released) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))

        init(of environment: LMDB.Environment) async throws {
            // The merge waits for its turn to write in this process, as it would for another process.
            Thread { [taken, released] in
                _ = try? environment.write { _ in
                    taken.signal()
                    released.wait()
                    return WriteOutcome.abort(())
                }
            }
            await withCheckedContinuation { continuation in
                DispatchQueue.global().async { [taken] in
                    taken.wait()
                    continuation.resume()
                }
            }
        }

        func release() { released.signal() }
    }

    private struct Thread {
        @discardableResult
        init(_ body: @escaping @Sendable () -> Void) { DispatchQueue(label: "application").async(execute: body) }
    }

    private final class Reports: SyncObserver {
        private let merges = Mutex<[MergeReport]>([])
        private let sends = Mutex<[SendReport]>([])
        private let begun = Mutex<Set<String>>([])
        private let deltas = Mutex<Set<SnapshotName>>([])
        private let newest = Mutex(SyncProgress())

        func observe(_ event: SyncEvent, of database: String) {
            switch event {
            case .mergeStarted(let name, _):
                begun.withLock { _ = $0.insert(name.instance) }
                if name.isDelta { deltas.withLock { _ = $0.insert(name) } }
            case .merged(let report): merges.withLock { $0.append(report) }
            case .stored(let report): sends.withLock { $0.append(report) }
            case .progressed(let new): newest.withLock { $0 = new }
            default: break
            }
        }

        func hasBegun(_ instance: String) -> Bool { begun.withLock { $0.contains(instance) } }
        func merge(of instance: String) -> MergeReport? { merges.withLock { $0.last { $0.name.instance == instance } } }
        var stored: [SendReport] { sends.withLock(\.self) }
        var begunDeltas: Int { deltas.withLock(\.count) }
        var count: Int { merges.withLock(\.count) }
        var progress: SyncProgress { newest.withLock(\.self) }
    }

    /// Writes down what it is told of merges.
    private final class Notes: ChangeInspector, MergeInspection {
        private let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock(\.self) }

        func inspectMerge(of snapshot: SnapshotName, into database: String) -> (any MergeInspection)? {
            snapshot.instance == "c" ? self : nil
        }
        func inspectSend(of database: String) -> (any SendInspection)? { nil }

        func begins(_ transaction: borrowing ReadTransaction) throws { lines.withLock { $0.append("begins") } }
        func change(
            of key: UnsafeRawBufferPointer, in dbi: String, from old: MergeRule.Version?, to new: MergeRule.Version
        ) throws(RefusedSnapshot) -> ChangeVerdict {
            let (old, new) = (
                old.map { String(decoding: $0.value, as: UTF8.self) }, String(decoding: new.value, as: UTF8.self)
            )
            lines.withLock { $0.append("\(old ?? "nothing") to \(new)") }
            return .merge
        }
        func check(_ transaction: borrowing ReadTransaction) throws {}
        var isSelfContained: Bool { true }
        func refused(_ refusal: RefusedSnapshot) -> RefusedSnapshot { refusal }
        func heldBack() -> HeldEntries? { nil }
        func lost(_ key: UnsafeRawBufferPointer, in dbi: String) { lines.withLock { $0.append("lost") } }
        func ended(_ report: MergeReport?) { lines.withLock { $0.append("ended \(report?.written ?? -1)") } }
    }

    private let memory = MemoryStore()

    private func store(_ instance: String, _ entries: [RawSnapshot.Entry]) async throws {
        let name = SnapshotName(database: "main", instance: instance, timestamp: systemWallClock())
        try await memory.store(name.description, RawSnapshot().database("records", entries).spool)
    }

    /// Runs a syncer with one entry, and `body` once its start-up is complete.
    private func run(
        _ instance: Instance, _ store: any BlobStore, _ reports: Reports, _ notes: Notes? = nil,
        usesDeltas: Bool = false,
        while body: () async throws -> Void
    ) async throws {
        try instance.application.put("shared", .init(1, "x"))
        var settings = instance.settings
        if usesDeltas { settings.machine.deltas = .init() }
        let syncer = DatabaseSyncer(
            settings: settings, store: store, logger: Logger(label: "test") { [log = instance.log] _ in log },
            environment: instance.application, observer: reports, inspector: notes)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await syncer.run() }
            defer { syncer.shutDown() }
            try await eventually { instance.log.contains("start-up is complete") }
            try await body()
            syncer.shutDown()
            try await group.waitForAll()
        }
    }

    @Test func theNextSnapshotIsComparedAndALocalChangeIsSent() async throws {
        let (hooked, reports) = (HookedStore(memory), Reports())
        let instance = try Instance("n", hooked)
        try await run(instance, hooked, reports) {
            let fails = Mutex(true)
            hooked.onCall { operation, _ in
                if operation == "store", fails.withLock(\.self) { throw BlobStoreError(.other, "not yet") }
            }
            // It can't be sent before the lock is taken.
            try instance.application.put("local", .init(2, "x"))
            try await eventually { instance.log.contains("not yet") }
            let lock = try await Lock(of: instance.application)
            defer { lock.release() }
            try await store("a", [.init("from-a", "a", at: 5)])
            try await eventually { reports.hasBegun("a") }
            try await store("b", [.init("shared", "x", at: 1)])
            try await eventually { reports.merge(of: "b") != nil }
            #expect(reports.merge(of: "b")?.kept == 1)
            fails.withLock { $0 = false }
            try await eventually { reports.stored.last?.entries == 2 }
            // It holds what b had, and not what waits.
            try await eventually { reports.progress.sent == reports.stored.last?.name }
            #expect(reports.progress.covered?.keys.sorted() == ["b"])
            #expect(reports.merge(of: "a") == nil)
            #expect(try instance.keys == ["local", "shared"])
            lock.release()
            try await eventually { reports.merge(of: "a") != nil }
            #expect(try instance.keys == ["from-a", "local", "shared"])
        }
        // The merge has not led to a send.
        #expect(reports.stored.last?.entries == 2)
    }

    /// Two snapshots may be right by themselves, and not together.
    @Test func whoLooksIntoChangesSeesWhatWasMergedBesideTheComparison() async throws {
        let (reports, notes) = (Reports(), Notes())
        let instance = try Instance("n", memory)
        try await run(instance, memory, reports, notes) {
            let lock = try await Lock(of: instance.application)
            defer { lock.release() }
            try await store("a", [.init("key", "a", at: 5)])
            try await eventually { reports.hasBegun("a") }
            try await store("c", [.init("key", "c", at: 6)])
            try await eventually { notes.all.count == 2 }
            #expect(notes.all == ["begins", "nothing to c"])
            lock.release()
            try await eventually { reports.merge(of: "c") != nil }
        }
        #expect(notes.all == ["begins", "nothing to c", "begins", "a to c", "ended 1"])
        #expect(try instance.application.version("key") == .init(6, "c"))
    }

    /// Sixteen deltas of eight instances come while somebody else has the write lock.
    @Test(arguments: [false, true]) func deltasThatWaitAreMergedInFewTransactions(isInspected: Bool) async throws {
        let (reports, notes) = (Reports(), Notes())
        let instance = try Instance("n", memory)
        let names = (0..<8).map { $0 == 0 ? "c" : "i\($0)" }
        let begin = systemWallClock()
        for name in names {
            let full = SnapshotName(database: "main", instance: name, timestamp: begin)
            try await memory.store(full.description, RawSnapshot().database("records", [.init(name, "x", at: 5)]).spool)
        }
        try await run(instance, memory, reports, isInspected ? notes : nil, usesDeltas: true) {
            try await eventually { reports.count == 8 }
            try await eventually { !reports.stored.isEmpty }
            let lock = try await Lock(of: instance.application)
            defer { lock.release() }
            let before = instance.application.info.lastTransactionID
            for (index, name) in names.enumerated() {
                let (first, second) = (delta(name, begin), delta(name, begin + 100))
                let time = UInt64(index)
                try await memory.store(
                    second.description, deltaBody(second, to: begin + 200, [("shared", .init(100 + time, name))]))
                try await memory.store(
                    first.description,
                    deltaBody(first, to: begin + 100, [("shared", .init(50 + time, name)), (name, .init(6, "y"))]))
            }
            try await eventually { names.allSatisfy(reports.hasBegun) }
            // Nothing is written before the lock is free.
            try await eventually { reports.begunDeltas == 16 }
            #expect(reports.count == 8)
            lock.release()
            try await eventually { reports.count == 24 }
            #expect(instance.application.info.lastTransactionID <= before + 2)
            #expect(try instance.application.version("shared") == .init(107, "i7"))
            for name in names {
                #expect(try instance.application.version(name) == .init(6, "y"))
                #expect(reports.progress.merged[name]?.timestamp == begin + 200)
            }
            let recorded = try RecordedPositions.read(instance.application)
            #expect(names.allSatisfy { recorded.merged[$0] == begin + 200 })
        }
        #expect(instance.log.count("merged a snapshot") == 24)
    }

    /// It has nothing to merge, so that no merge records what it has seen.
    @Test(arguments: [false, true]) func theEndRecordsPositionsUnlessSomebodyHasTheLock(isLocked: Bool) async throws {
        let reports = Reports()
        let instance = try Instance("n", memory)
        try await store("a", [.init("shared", "x", at: 1)])
        var locks: [Lock] = []
        try await run(instance, memory, reports, usesDeltas: true) {
            try await eventually { reports.merge(of: "a") != nil && reports.progress.sent != nil }
            #expect(try RecordedPositions.read(instance.application) == RecordedPositions())
            if isLocked { locks.append(try await Lock(of: instance.application)) }
        }
        let recorded = try RecordedPositions.read(instance.application)
        #expect(recorded.merged.keys.sorted() == (isLocked ? [] : ["a", "n"]))
        for lock in locks { lock.release() }
    }
}

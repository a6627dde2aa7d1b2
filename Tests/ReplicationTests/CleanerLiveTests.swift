import BlobStorage
import Glibc
import Logging
import Simulator
import Snapshots
import Support
import Synchronization
import TestSupport
import Testing

@testable import Replication

/// Gathers what cleaners tell.
private final class Told: Sendable {
    private let texts = Mutex<[String]>([])

    func note(_ text: String) { texts.withLock { $0.append(text) } }

    func take() -> [String] {
        texts.withLock { texts in
            defer { texts = [] }
            return texts
        }
    }
}

/// Runs of a cleaner on a storage.
private struct CleanerRuns {
    var loop: CleaningLoop
    var store: any BlobStore
    var unmarked: any BlobStore
    var ledger: SyncProgress
    var told: Told
    var log: LogLines

    /// Cleans once.
    mutating func clean(at now: Duration) async throws {
        var events: [SyncCore.Event] = [.tick]
        while !events.isEmpty {
            for effect in loop.handle(events.removeFirst(), ledger, at: now) {
                if let event = await perform(effect) { events.append(event) }
            }
        }
    }

    private func perform(_ effect: SyncCore.Effect) async -> SyncCore.Event? {
        switch effect {
        case .listForCleaner:
            do {
                let time: UInt64 = 30 * 86_400 * second
                return .listedForCleaner(
                    .init(
                        blobs: try await store.list(prefix: SnapshotName.prefix(database: "main")), began: time,
                        ended: time, clockOffset: nil))
            } catch { return .cleanerListingFailed("\(error)") }
        case .remove(let removal):
            do {
                try await removal.perform(in: store, unmarked: unmarked)
                return .removed(removal)
            } catch { return .removalFailed(removal, "\(error)") }
        case .removeLeftovers:
            let count = try? await store.removeLeftovers(olderThan: CleaningLoop.leftoverAge)
            return .removedLeftovers(count ?? 0)
        case .log(let level, let text, let metadata):
            Logger(label: "test") { [log] _ in log }.log(level: level, "\(text)", metadata: metadata)
        case .observe(let event):
            let text: String? =
                switch event {
                case .cleanerListed: "listed"
                case .cleanerListFailed(let error): "list failed: \(error)"
                case .cleanerDeleted(let name, let reason): "deleted \(name.instance): \(reason.rawValue)"
                case .cleanerDeleteFailed(let name, let error): "delete of \(name.instance) failed: \(error)"
                default: nil
                }
            if let text { told.note(text) }
        default: break
        }
        return nil
    }
}

/// The cleaner at work, on storages and LMDBs that are real.
@Suite(.timeLimit(.minutes(5))) struct CleanerLiveTests {
    private let log = LogLines()
    private let told = Told()

    private func settings(
        _ instance: String, interval: Duration = .milliseconds(20), mustKeep: Duration = .zero
    ) -> CleanerMachine.Settings {
        CleanerMachine.Settings(
            database: "main", interval: interval, mustKeepInterval: mustKeep,
            rule: CleaningRule(instance: instance, removeOldInstancesInterval: .seconds(7 * 86_400)))
    }

    private func cleaner(
        _ store: any BlobStore, unmarked: (any BlobStore)? = nil, ledger: SyncProgress = SyncProgress()
    ) -> CleanerRuns {
        CleanerRuns(
            loop: CleaningLoop(settings: settings("own"), random: { 0 }, at: .seconds(-1)), store: store,
            unmarked: unmarked ?? store, ledger: ledger, told: told, log: log)
    }

    private func names(_ store: any BlobStore) async throws -> [String] {
        try await store.list(prefix: "").map(\.name)
    }

    @Test func whatItRemovesItTells() async throws {
        let store = MemoryStore()
        let (a1, a2) = (snapshot("a", seconds: 29 * 86_400), snapshot("a", seconds: 30 * 86_400))
        let (gone, own) = (snapshot("gone", seconds: 1), snapshot("own", seconds: 30 * 86_400))
        for name in [a1, a2, gone, own].map(\.description) + ["main__gone.state", "main__a.state", "other"] {
            try await store.store(name, Spool([]))
        }
        var ledger = SyncProgress()
        ledger.merged(gone, in: .init(instance: gone.instance, isFarAhead: false))
        ledger.stored(own, covering: ledger.merged)
        ledger.merged(a2, in: .init(instance: a2.instance, isFarAhead: false))
        var cleaner = cleaner(store, ledger: ledger)
        try await cleaner.clean(at: .zero)
        // What precedes a newest one that has only just been seen stays.
        #expect(told.take() == ["listed", "deleted gone: stale instance"])
        try await cleaner.clean(at: .seconds(1))
        #expect(told.take() == ["listed", "deleted a: newer snapshot"])
        #expect(
            try await names(store) == ["main__a.state", a2.description, own.description, "other"].sorted())
        #expect(log.contains("info removed an old snapshot"))
        #expect(log.contains(gone.description) && log.contains("stale instance"))
        try await cleaner.clean(at: .seconds(2))
        #expect(told.take() == ["listed"])
    }

    @Test func whatInterruptedWritersLeftBehindGoesWhenItIsOld() async throws {
        let directory = try TemporaryDirectory()
        let store = try FileSystemStore(rootPath: directory.path)
        for (name, age) in [(".ns2.1f.tmp", 3700), (".ns2.2f.tmp", 3000)] {
            try directory.write(name, "x")
            let then = timespec(tv_sec: time(nil) - age, tv_nsec: 0)
            #expect(utimensat(AT_FDCWD, directory.file(name), [then, then], 0) == 0)
        }
        var cleaner = cleaner(store)
        try await cleaner.clean(at: .zero)
        #expect(try directory.names == [".ns2.2f.tmp"])
        #expect(log.contains("removed temporary files of interrupted writers"))
    }

    @Test func whatFailsIsTriedAgain() async throws {
        let base = MemoryStore()
        let store = HookedStore(base)
        let all = ["a", "b"].flatMap { [snapshot($0, seconds: 29 * 86_400), snapshot($0, seconds: 30 * 86_400)] }
        var ledger = SyncProgress()
        for name in all {
            try await base.store(name.description, Spool([]))
            ledger.merged(name, in: .init(instance: name.instance, isFarAhead: false))
        }
        var cleaner = cleaner(store, ledger: ledger)
        store.onCall { operation, _ in
            if operation == "list" { throw BlobStoreError(.timeout, "no answer") }
        }
        try await cleaner.clean(at: .zero)
        #expect(told.take() == ["list failed: no answer"])
        store.onCall { operation, name in
            if operation == "delete", name == all[0].description { throw BlobStoreError(.accessDenied, "not allowed") }
        }
        try await cleaner.clean(at: .seconds(1))
        try await cleaner.clean(at: .seconds(2))
        #expect(told.take() == ["listed", "listed", "delete of a failed: not allowed", "deleted b: newer snapshot"])
        #expect(log.contains("warning cannot remove an old snapshot; will retry with the next run"))
        store.onCall { _, _ in }
        try await cleaner.clean(at: .seconds(3))
        #expect(told.take() == ["listed", "deleted a: newer snapshot"])
        #expect(try await names(base) == [all[1].description, all[3].description])
    }

    /// The state goes first and past the update marker; while it can't be removed, the snapshot stays.
    @Test func theStateIsRemovedWithoutAMark() async throws {
        let (base, ledger, last) = try await storageWithOneThatIsGone()
        let (store, unmarked) = (HookedStore(base), HookedStore(base))
        let deleted = Mutex<[String]>([])
        store.onCall { operation, name in if operation == "delete" { deleted.withLock { $0.append(name) } } }
        unmarked.onCall { _, _ in throw BlobStoreError(.timeout, "no answer") }
        var cleaner = cleaner(store, unmarked: unmarked, ledger: ledger)
        try await cleaner.clean(at: .zero)
        #expect(deleted.withLock(\.self) == [])
        unmarked.onCall { operation, name in deleted.withLock { $0.append("unmarked \(name)") } }
        try await cleaner.clean(at: .seconds(1))
        #expect(deleted.withLock(\.self) == ["unmarked main__gone.state", last.description])
    }

    private func storageWithOneThatIsGone() async throws -> (MemoryStore, SyncProgress, SnapshotName) {
        let store = MemoryStore()
        let (last, own) = (snapshot("gone", seconds: 1), snapshot("own", seconds: 30 * 86_400))
        for name in [last.description, own.description, "main__gone.state"] {
            try await store.store(name, Spool([]))
        }
        var ledger = SyncProgress()
        ledger.merged(last, in: .init(instance: last.instance, isFarAhead: false))
        ledger.stored(own, covering: ledger.merged)
        return (store, ledger, last)
    }

    // MARK: In a syncer

    @Test func everythingOldGoesAndNothingIsLost() async throws {
        let directory = try ScratchDirectory()
        let store = try FileSystemStore(rootPath: directory.path + "/bucket")
        // Its snapshots are a month old.
        let gone = try Instance("gone", store, once: true, clock: { systemWallClock() - 30 * 86_400 * second })
        try gone.application.put("from-gone", .init(1, "gone"))
        try await gone.syncer().run()
        #expect(try await names(store).count == 1)
        try await store.store("main__gone.state", Spool([]))
        try await store.store("main__gone.txt", Spool([]))

        let (a, b) = (
            try Instance("a", store, cleaner: settings("a")), try Instance("b", store, cleaner: settings("b"))
        )
        try await withSyncers([a, b]) {
            for round in 0..<10 {
                try a.application.put("key\(round)", .init(UInt64(round + 1), "a"))
                try b.application.put("yek\(round)", .init(UInt64(round + 1), "b"))
                try await Task.sleep(for: .milliseconds(20))
            }
            try await eventually { try a.keys.count == 21 && b.keys.count == 21 }
            try await eventually {
                let left = try await names(store)
                let instances = left.compactMap { SnapshotName($0)?.instance }
                return instances == ["a", "b"] && left.count == 3
            }
        }
        #expect(try await names(store).contains("main__gone.txt"))
        // Somebody who begins with nothing still gets everything.
        let new = try Instance("new", store, once: true)
        try await new.syncer().run()
        #expect(try new.keys == a.keys)
        #expect(try new.keys.contains("from-gone"))
    }

    /// Neither one that writes nothing, nor one that is here only for a moment.
    @Test(arguments: [false, true])
    func receiversAndThoseThatRunOnceRemoveNothing(_ once: Bool) async throws {
        let base = MemoryStore()
        let store = HookedStore(base)
        let deletes = Mutex(0)
        store.onCall { operation, _ in
            if operation == "delete" { deletes.withLock { $0 += 1 } }
            // Long enough for a cleaner to have its turn.
            if once, operation == "store" { try await Task.sleep(for: .milliseconds(200)) }
        }
        let source = try Instance("source", base, once: true)
        for round in 0..<2 {
            try source.application.put("key\(round)", .init(1, "x"))
            try await source.syncer().run()
        }
        let instance = try Instance(
            "a", store, once: once, receiveOnly: !once, cleaner: settings("a", interval: .milliseconds(5)))
        try instance.application.put("own", .init(1, "x"))
        if once {
            try await instance.syncer().run()
        } else {
            try await withSyncers([instance]) {
                try await eventually { instance.log.contains("start-up is complete") }
                try await Task.sleep(for: .milliseconds(200))
            }
        }
        #expect(deletes.withLock(\.self) == 0)
        #expect(try await base.list(prefix: "").count == (once ? 3 : 2))
    }
}

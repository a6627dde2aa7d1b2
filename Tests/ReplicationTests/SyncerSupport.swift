import BlobStorage
import Glibc
import LMDB
import Logging
import Simulator
import Snapshots
import Support
import Synchronization
import TestSupport

@testable import Replication

/// An LMDB with its application, and what is needed to sync it.
final class Instance: Sendable {
    let name: String
    let directory: ScratchDirectory
    /// The file as the application has it open. The syncer uses the same opening, as a process can only have one.
    let application: LMDB.Environment
    let log = LogLines()
    let settings: SyncSettings
    private let store: any BlobStore
    private let clock: WallClock

    init(
        _ name: String, _ store: any BlobStore, database: String = "main", once: Bool = false,
        receiveOnly: Bool = false, retries: Int? = nil, retryInterval: Duration = .milliseconds(30),
        sweeper: SweeperMachine.Settings? = nil, cleaner: CleanerMachine.Settings? = nil,
        clock: @escaping WallClock = systemWallClock, schema: Schema = .native, deltas: OwnChain.Settings? = nil
    ) throws {
        self.name = name
        self.store = store
        self.clock = clock
        directory = try ScratchDirectory()
        application = try .scratch(directory)
        settings = SyncSettings(
            identity: SenderIdentity(database: database, instance: name, hostname: "test"),
            environment: EnvironmentOptions(path: directory.path, mapSize: 16 << 20),
            machine: .init(
                instance: name, receiveOnly: receiveOnly, onlyOnce: once, storagePollInterval: .milliseconds(40),
                receiver: .init(concurrentDownloads: 2, retryInterval: retryInterval),
                sender: .init(
                    minimumInterval: .milliseconds(30), forceInterval: .zero, retryInterval: retryInterval,
                    retryLimit: retries),
                sweeper: sweeper, deltas: deltas),
            lmdbPollInterval: .milliseconds(30), cleaner: cleaner, schema: schema)
    }

    func syncer() -> DatabaseSyncer {
        DatabaseSyncer(
            settings: settings, store: store, logger: Logger(label: "test") { [log] _ in log },
            clock: SyncClock(wall: clock),
            environment: application)
    }

    /// The keys of the DBI `records`, or of all that there are.
    var keys: [String] {
        get throws { try application.contents().keys.map { String(decoding: $0.key, as: UTF8.self) }.sorted() }
    }
}

/// Syncs all instances while `body` runs.
func withSyncers(_ instances: [Instance], _ body: () async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        let syncers = instances.map { $0.syncer() }
        for syncer in syncers { group.addTask { try await syncer.run() } }
        // Whatever happens, nobody may be left running.
        defer { for syncer in syncers { syncer.shutDown() } }
        try await body()
        for syncer in syncers { syncer.shutDown() }
        try await group.waitForAll()
    }
}

/// How many snapshots of an instance are stored.
func snapshots(of instance: Instance, in store: some BlobStore) async throws -> Int {
    try await store.list(prefix: "").count { SnapshotName($0.name)?.instance == instance.name }
}

/// A storage with something in the way of its calls.
final class HookedStore: BlobStore {
    typealias Hook = @Sendable (_ operation: String, _ name: String) async throws -> Void

    private struct Hooks {
        var before: Hook = { _, _ in }
        var afterStore: @Sendable () async throws -> Void = {}
        var loaded: @Sendable (Spool) -> Spool = { $0 }
    }

    private let base: MemoryStore
    private let hooks = Mutex(Hooks())

    init(_ base: MemoryStore) { self.base = base }

    /// Calls `hook` before each operation.
    func onCall(_ hook: @escaping Hook) { hooks.withLock { $0.before = hook } }
    func afterStore(_ hook: @escaping @Sendable () async throws -> Void) { hooks.withLock { $0.afterStore = hook } }
    func replaceLoaded(_ hook: @escaping @Sendable (Spool) -> Spool) { hooks.withLock { $0.loaded = hook } }

    func list(prefix: String) async throws -> [Blob] {
        try await hooks.withLock { $0 }.before("list", prefix)
        return try await base.list(prefix: prefix)
    }

    func load(_ name: String, atMost limit: Int) async throws -> Spool {
        let hooks = hooks.withLock { $0 }
        try await hooks.before("load", name)
        return hooks.loaded(try await base.load(name, atMost: limit))
    }

    @discardableResult
    func store(_ name: String, _ body: Spool) async throws -> String? {
        let hooks = hooks.withLock { $0 }
        try await hooks.before("store", name)
        let version = try await base.store(name, body)
        try await hooks.afterStore()
        return version
    }

    func delete(_ name: String) async throws {
        try await hooks.withLock { $0 }.before("delete", name)
        try await base.delete(name)
    }

    func changes(prefix: String) -> AsyncStream<StorageChange>? { base.changes(prefix: prefix) }
}

func overwrite(_ path: String, with bytes: [UInt8]) throws {
    let descriptor = open(path, O_WRONLY)
    guard descriptor >= 0 else { throw SystemError("open", path) }
    defer { close(descriptor) }
    guard pwrite(descriptor, bytes, bytes.count, 0) == bytes.count else { throw SystemError("write to", path) }
}

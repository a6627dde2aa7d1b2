import BlobStorage
import LMDB
import Logging
import Snapshots
import Support
import Synchronization

/// Keeps one database in sync with the storage: opens its LMDB, and runs its ``SyncEngine`` in the world.
package actor DatabaseSyncer {
    /// How long an upload under way may go on after ``shutDown()``.
    package static let shutdownGrace = Duration.seconds(10)
    private let settings: SyncSettings
    private let store: any BlobStore
    private let unmarked: any BlobStore
    private let logger: Logger
    private let clock: SyncClock
    private let observer: any SyncObserver
    private let inspector: (any ChangeInspector)?
    private let threads: BlockingPool
    private let events: AsyncStream<SyncCore.Event>
    private let post: AsyncStream<SyncCore.Event>.Continuation
    private let handled = Atomic(0)
    /// The LMDB, where this process has it open already.
    private let opened: Environment?
    private let willSync: @Sendable () throws -> Void

    /// - Parameters:
    ///   - unmarked: the storage, where changes notify nobody; the same one where there is no such thing.
    ///   - environment: the LMDB, where this process has it open already: it can be opened only once.
    ///   - inspector: inspects what changes.
    ///   - willSync: is called once the LMDB is open, and may keep it from being synced by throwing.
    package init(
        settings: SyncSettings, store: any BlobStore, unmarked: (any BlobStore)? = nil, logger: Logger,
        clock: SyncClock = SyncClock(), environment: Environment? = nil, observer: any SyncObserver = NoObserver(),
        inspector: (any ChangeInspector)? = nil, willSync: @escaping @Sendable () throws -> Void = {}
    ) {
        self.settings = settings
        self.store = store
        self.unmarked = unmarked ?? store
        self.clock = clock
        self.observer = observer
        self.inspector = inspector
        self.willSync = willSync
        opened = environment
        var logger = logger
        logger[metadataKey: "db"] = "\(settings.identity.database)"
        self.logger = logger
        threads = BlockingPool(label: "lmdb-\(settings.identity.database)", width: 4)
        (events, post) = AsyncStream.makeStream()
    }

    /// Asks ``run()`` to begin nothing new and to return once what is under way has ended.
    package nonisolated func shutDown() { post.yield(.shutDown) }

    /// How many events the loop has handled; grows soon after a ``probe()`` when it is not stuck.
    package nonisolated var turns: Int { handled.load(ordering: .relaxed) }

    /// Has the loop turn once more, whatever else it waits for.
    package nonisolated func probe() { post.yield(.tick) }

    /// Syncs until everything is done (with `onlyOnce`), until ``shutDown()``, or until it can't go on.
    ///
    /// Runs once.
    ///
    /// - Throws: what keeps it from going on: the LMDB can't be opened or synced, or sending failed too often.
    package func run() async throws {
        let options = settings.environment
        let environment = if let opened { opened } else { try await threads.run { _ in try Environment(options) } }
        try willSync()
        let info = environment.info
        logger.info(
            "opened the LMDB",
            metadata: [
                "path": "\(options.dataFile)", "txnID": .stringConvertible(info.lastTransactionID),
                "map_size": .stringConvertible(info.mapSize), "used": .stringConvertible(info.usedBytes),
            ])
        observer.observe(.opened(environment), of: settings.identity.database)
        defer { observer.observe(.ended, of: settings.identity.database) }
        let database = SyncedDatabase(
            settings: settings, environment: environment, clock: clock, inspector: inspector,
            stagingDirectory: store.stagingDirectory)
        let record = try await threads.run { _ in try database.recordAtStart() }
        let core = SyncCore(
            settings: settings, transaction: environment.info.lastTransactionID, record: record)
        let housekeeping = Housekeeping(
            database, interval: settings.lmdbPollInterval, observes: observes, clock: clock, post: post)
        let effects = LiveEffects(
            database, store: store, unmarked: unmarked, clock: clock, observer: observer, logger: logger,
            threads: threads, housekeeping: housekeeping, post: post)
        var engine = SyncEngine(core: core, effects: effects)
        let pulse = housekeeping.start()
        await loop(&engine, database)
        pulse.stop()
        if let failure = effects.failure { throw failure }
        if let unsent = engine.core.unsent(environment.info.lastTransactionID, at: clock.uptime()) {
            effects.perform(unsent)
        }
    }

    private func loop(_ engine: inout SyncEngine<LiveEffects>, _ database: SyncedDatabase) async {
        await withDiscardingTaskGroup { group in
            watch(database, &group)
            post.yield(.tick)
            for await event in events {
                switch event {
                case .shutDown: group.addTask { [post] in await Self.endStream(post) }
                case .tick: engine.effects.endTimer()
                default: break
                }
                engine.handle(event)
                for task in engine.effects.takeTasks() { group.addTask(operation: task) }
                if engine.core.hasEnded { break }
                handled.wrappingAdd(1, ordering: .relaxed)
            }
            engine.effects.endTimer()
            group.cancelAll()
        }
    }

    // An upload that does not end in time is cut off with everything else.
    private static func endStream(_ post: AsyncStream<SyncCore.Event>.Continuation) async {
        do {
            try await Task.sleep(for: shutdownGrace)
            post.finish()
        } catch {}
    }

    // MARK: Noticing changes

    private func watch(_ database: SyncedDatabase, _ group: inout DiscardingTaskGroup) {
        let name = settings.identity.database
        if let changes = store.changes(prefix: SnapshotName.prefix(database: name)) {
            let own = settings.machine.receiveOnly ? nil : settings.machine.instance
            group.addTask { [post] in
                for await object in changes where Self.isNews(object, of: name, own: own) {
                    post.yield(.storageChanged)
                }
            }
        }
        if observes, let changes = fileChanges(settings.environment.dataFile) {
            group.addTask { [post] in
                do {
                    for await _ in changes {
                        // A busy writer is followed at this pace, not commit by commit.
                        try await Task.sleep(for: .milliseconds(2))
                        post.yield(database.observation)
                    }
                } catch {}
            }
        }
    }

    /// A receiver has nothing to send, but shadows must follow the application everywhere.
    private var observes: Bool { !settings.machine.receiveOnly || settings.schema.hasShadows }

    /// Whether an object that appeared may be a snapshot of somebody else; an empty name may be anything.
    private static func isNews(_ object: String, of database: String, own: String?) -> Bool {
        guard !object.isEmpty else { return true }
        guard case .full(let name) = ObjectName(object, database: database) else { return false }
        return own == nil || name.instance != own
    }
}

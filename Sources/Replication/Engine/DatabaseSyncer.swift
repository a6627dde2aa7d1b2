import BlobStorage
import LMDB
import Logging
import Snapshots
import Support
import Synchronization

/// Keeps one database in sync with the storage: opens its LMDB, and runs its ``SyncEngine`` live.
package actor DatabaseSyncer {
    /// How long an upload in progress may continue after ``shutDown()``.
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
    /// The LMDB if this process has opened it already.
    private let opened: Environment?
    private let willSync: @Sendable () throws -> Void

    /// - Parameters:
    ///   - unmarked: the storage without change notifications; `store` if nil.
    ///   - environment: the LMDB if this process has opened it already: it can be opened only once.
    ///   - inspector: inspects changes.
    ///   - willSync: called once the LMDB is open; throws to prevent syncing.
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

    /// Asks ``run()`` to begin nothing new and to return once all work in progress has ended.
    package nonisolated func shutDown() { post.yield(.shutDown) }

    /// The number of events that the loop has handled. It grows soon after a ``probe()`` unless the loop is stuck.
    package nonisolated var turns: Int { handled.load(ordering: .relaxed) }

    /// Hints that an object may have appeared in the storage.
    package nonisolated func hint(_ hint: Hint) { post.yield(.hint(hint)) }

    /// Makes the loop handle one more event, even if nothing else happens.
    package nonisolated func probe() { post.yield(.tick) }

    /// Syncs until everything is done (with `onlyOnce`), until ``shutDown()``, or until a fatal error.
    ///
    /// May be called once.
    ///
    /// - Throws: the fatal error: the LMDB cannot be opened or synced, or too many sends have failed.
    package func run() async throws {
        let thread = try LoopThread()
        try await withTaskExecutorPreference(thread) { try await run(on: thread) }
    }

    private func run(on thread: LoopThread) async throws {
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
        let (record, positions) = try await threads.run { _ in
            (try database.recordAtStart(), try database.positionsAtStart())
        }
        let core = SyncCore(
            settings: settings, transaction: environment.info.lastTransactionID, record: record, positions: positions)
        let housekeeping = Housekeeping(
            database, interval: settings.lmdbPollInterval, observes: observes, clock: clock,
            observer: observer, thread: thread, post: post)
        let effects = LiveEffects(
            database, store: store, unmarked: unmarked, clock: clock, observer: observer, logger: logger,
            threads: threads, housekeeping: housekeeping, post: post)
        var engine = SyncEngine(core: core, effects: effects)
        await loop(&engine, database)
        housekeeping.stop()
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
                if case .shutDown = event { group.addTask { [post] in await Self.endStream(post) } }
                engine.handle(event)
                for task in engine.effects.takeTasks() { group.addTask(operation: task) }
                if engine.core.hasEnded { break }
                handled.wrappingAdd(1, ordering: .relaxed)
            }
            group.cancelAll()
        }
    }

    // Cancels an upload that does not end in time, and everything else.
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
            group.addTask { [post] in
                for await change in changes {
                    switch change {
                    case .hint(let hint): post.yield(.hint(hint))
                    case .feed(let isUp): post.yield(.feed(isUp: isUp))
                    }
                }
            }
        }
        if observes, let changes = fileChanges(settings.environment.dataFile) {
            group.addTask { [post] in
                do {
                    for await _ in changes {
                        // Limits the rate of checks while the application writes continuously.
                        try await Task.sleep(for: .milliseconds(2))
                        post.yield(database.observation)
                    }
                } catch {}
            }
        }
    }

    /// A receiver has nothing to send, but shadows must follow the application's changes in any case.
    private var observes: Bool { !settings.machine.receiveOnly || settings.schema.hasShadows }
}

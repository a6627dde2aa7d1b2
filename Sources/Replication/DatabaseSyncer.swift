import BlobStorage
import Bytes
import LMDB
import Logging
import Snapshots
import Synchronization

/// Keeps one database in sync with the storage: performs what ``SyncMachine`` decides.
package actor DatabaseSyncer {
    /// What is synced, and how.
    package struct Settings: Sendable {
        /// Who sends: database, instance and host.
        package var identity: SenderIdentity
        /// Where the versions of entries are kept.
        package var schema: Schema { didSet { machine.hasShadows = schema.hasShadows } }
        /// How the LMDB is opened.
        package var environment: EnvironmentOptions
        /// What the loop goes by.
        package var machine: SyncMachine.Settings
        /// How often the LMDB is asked for its newest transaction, where no change was signalled.
        package var lmdbPollInterval: Duration
        /// Which Deleted entries of others are not added.
        package var deletedCutoff: DeletedCutoff
        /// The flags that missing databases are created with instead of those of the snapshot.
        package var creationFlags: [String: DatabaseFlags]
        /// Whether headers get an extension block (`header_extra_padding_block`).
        package var paddingBlock: Bool
        /// How far in the future a snapshot may be before the sender's clock is called wrong.
        package var clockSkewTolerance: Duration
        /// How old snapshots are removed; nil when they are not.
        package var cleaner: CleanerMachine.Settings?

        /// See the properties of the same names.
        package init(
            identity: SenderIdentity, environment: EnvironmentOptions, machine: SyncMachine.Settings,
            lmdbPollInterval: Duration, deletedCutoff: DeletedCutoff = DeletedCutoff(retention: nil),
            creationFlags: [String: DatabaseFlags] = [:], paddingBlock: Bool = false,
            clockSkewTolerance: Duration = .seconds(5), cleaner: CleanerMachine.Settings? = nil,
            schema: Schema = .native
        ) {
            self.schema = schema
            self.identity = identity
            self.environment = environment
            self.machine = machine
            self.lmdbPollInterval = lmdbPollInterval
            self.deletedCutoff = deletedCutoff
            self.creationFlags = creationFlags
            self.paddingBlock = paddingBlock
            self.clockSkewTolerance = clockSkewTolerance
            self.cleaner = cleaner
            self.machine.hasShadows = schema.hasShadows
        }
    }

    /// How long an upload under way may go on after ``shutDown()``.
    package static let shutdownGrace = Duration.seconds(10)
    /// How often reader slots of dead processes are freed.
    package static let readerCheckInterval = Duration.seconds(60)

    let settings: Settings
    let store: any BlobStore
    private let unmarked: any BlobStore
    let logger: Logger
    let wallClock: WallClock
    private let observer: any SyncObserver
    let inspector: (any ChangeInspector)?
    /// LMDB calls block. One may write, one read everything, and the others only look something up.
    let lmdb: BlockingPool
    private let events: AsyncStream<SyncMachine.Event>
    let post: AsyncStream<SyncMachine.Event>.Continuation
    private let start = ContinuousClock.now
    private let handled = Atomic(0)

    /// Downloaded snapshots that wait to be merged.
    var downloaded: [SnapshotName: Download] = [:]
    /// Those that the map could not hold.
    var unfit = UnfitSnapshots()
    /// What has been said of all that last.
    var notices: SyncNotices
    /// Why something failed last.
    var errors = SyncErrors()
    /// What listings have told.
    var listings: ListingWatch
    /// The snapshots in the last listing that could not be found once.
    var vanished: Set<SnapshotName> = []
    /// What ``SyncEvent/progressed(_:)`` has told last.
    private(set) var progress = SyncProgress()
    /// The run of the sweeper that is under way.
    var sweeping: (run: Sweep, begin: ContinuousClock.Instant)?
    /// Snapshots that have been compared and wait to be applied.
    var planned: [SnapshotName: MergeInHand] = [:]
    /// The last merge that has written something.
    var lastMerge: UInt64 = 0
    /// Our own transactions since the last send: all others are the application's.
    let own = OwnTransactions()
    /// What is known of the shadows, where there are any.
    var capture: Capture?
    /// Whether Deleted entries that are too old are left out of merges.
    var mayLeaveOutDeletions = false
    var isStarted = false
    var fatal: (any Error)?
    private var timer: (time: Duration, task: Task<Void, Never>)?

    /// The LMDB, where somebody else in this process has opened it.
    private let opened: Environment?
    private let willSync: @Sendable () throws -> Void

    /// - Parameters:
    ///   - unmarked: the storage, where changes wake up nobody; the same one where there is no such thing.
    ///   - environment: the LMDB, where this process has it open already: it can be opened only once.
    ///   - inspector: looks into what changes.
    ///   - willSync: is called once the LMDB is open, and may keep it from being synced by throwing.
    package init(
        settings: Settings, store: any BlobStore, unmarked: (any BlobStore)? = nil, logger: Logger,
        wallClock: @escaping WallClock = systemWallClock,
        environment: Environment? = nil, observer: any SyncObserver = NoObserver(),
        inspector: (any ChangeInspector)? = nil, willSync: @escaping @Sendable () throws -> Void = {}
    ) {
        self.willSync = willSync
        self.inspector = inspector
        self.settings = settings
        notices = SyncNotices(database: settings.identity.database, instance: settings.machine.instance)
        opened = environment
        if settings.schema.hasShadows { capture = Capture(schema: settings.schema) }
        listings = ListingWatch(instance: settings.machine.instance, tolerance: settings.clockSkewTolerance)
        self.observer = observer
        self.store = store
        self.unmarked = unmarked ?? store
        var logger = logger
        logger[metadataKey: "db"] = "\(settings.identity.database)"
        self.logger = logger
        self.wallClock = wallClock
        lmdb = BlockingPool(label: "lmdb-\(settings.identity.database)", width: 4)
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
        let environment = if let opened { opened } else { try await lmdb.run { _ in try Environment(options) } }
        try willSync()
        let info = environment.info
        logger.info(
            "opened the LMDB",
            metadata: [
                "path": "\(options.dataFile)", "txnID": .stringConvertible(info.lastTransactionID),
                "map_size": .stringConvertible(info.mapSize),
                "used": .stringConvertible(info.usedBytes),
            ])
        observe(.opened(environment))
        defer { observe(.ended) }
        let record = try await findRecord(environment)
        var machine = SyncMachine(
            settings: settings.machine, transaction: environment.info.lastTransactionID, record: record)
        await withDiscardingTaskGroup { group in
            watch(environment, &group)
            post.yield(.tick)
            loop: for await event in events {
                switch event {
                case .shutDown: group.addTask { [post] in await Self.endStream(post) }
                // Ticks may come a little early, so each needs a look at when the next one is due.
                case .tick: endTimer()
                default: break
                }
                let actions = machine.handle(event, at: now)
                // Before anything else: the last of them may be the end.
                noteProgress(machine.progress)
                mayLeaveOutDeletions = machine.fence?.mayLeaveOutDeletions ?? false
                listings.namesakes.quietTime = machine.cover.quietTime
                for action in actions {
                    guard perform(action, environment, machine, &group) else { break loop }
                }
                for notice in notices.look(at: machine, now: now, errors: errors) { tell(notice) }
                if fatal != nil { break }
                scheduleTick(machine.nextTick)
                handled.wrappingAdd(1, ordering: .relaxed)
            }
            endTimer()
            group.cancelAll()
        }
        for merge in planned.values { merge.inspection?.ended(nil) }
        if let fatal { throw fatal }
        noteUnsent(machine.sender, environment)
    }

    /// The end must not be silent about changes that are only here.
    private func noteUnsent(_ sender: Sender, _ environment: Environment) {
        guard !settings.machine.receiveOnly else { return }
        var sender = sender
        sender.observed(environment.info.lastTransactionID, at: now)
        guard sender.hasUnsent else { return }
        let reason = notices.fenceText ?? (errors.send.isEmpty ? "the end came first" : errors.send)
        logger.warning(
            "local changes have not been sent; they are sent at the next start",
            metadata: [
                "reason": "\(reason)", "txnID": .stringConvertible(environment.info.lastTransactionID),
            ])
    }

    var now: Duration { .now - start }

    func observe(_ event: SyncEvent) { observer.observe(event, of: settings.identity.database) }

    func tell(_ notice: SyncNotice) {
        switch notice {
        case .log(let level, let text, let metadata): logger.log(level: level, "\(text)", metadata: metadata)
        case .event(let event): observe(event)
        }
    }

    private func noteProgress(_ new: SyncProgress) {
        guard new != progress else { return }
        progress = new
        observe(.progressed(new))
    }

    // An upload that does not end in time is cut off with everything else.
    private static func endStream(_ post: AsyncStream<SyncMachine.Event>.Continuation) async {
        do {
            try await Task.sleep(for: shutdownGrace)
            post.finish()
        } catch {}
    }

    /// There is one timer at most: what waits for hours must not pile up.
    private func scheduleTick(_ time: Duration?) {
        guard let time else { return }
        if let timer, timer.time <= time, timer.time > now { return }
        endTimer()
        let deadline = start + time
        let task = Task { [post] in
            do {
                try await Task.sleep(until: deadline, clock: .continuous)
                post.yield(.tick)
            } catch {}
        }
        timer = (time, task)
    }

    private func endTimer() {
        timer?.task.cancel()
        timer = nil
    }

    // MARK: Noticing changes

    private func watch(_ environment: Environment, _ group: inout DiscardingTaskGroup) {
        if let cleaner = settings.cleaner, !settings.machine.receiveOnly, !settings.machine.onlyOnce {
            group.addTask { [self] in await clean(cleaner) }
        }
        let database = settings.identity.database
        let prefix = SnapshotName.prefix(database: database)
        if let changes = store.changes(prefix: prefix) {
            let own = settings.machine.receiveOnly ? nil : settings.machine.instance
            group.addTask { [post] in
                for await name in changes where Self.isNews(name, of: database, own: own) {
                    post.yield(.storageChanged)
                }
            }
        }
        // A receiver has nothing to send, but shadows must follow the application everywhere.
        guard !settings.machine.receiveOnly || settings.schema.hasShadows else {
            group.addTask { [weak self] in await self?.keepHouse(environment, observing: false) }
            return
        }
        if let changes = fileChanges(environment.options.dataFile) {
            group.addTask { [post, own] in
                do {
                    for await _ in changes {
                        // A busy writer is followed at this pace, not commit by commit.
                        try await Task.sleep(for: .milliseconds(2))
                        post.yield(Self.observation(environment, own))
                    }
                } catch {}
            }
        }
        group.addTask { [weak self] in await self?.keepHouse(environment, observing: true) }
    }

    private static func observation(_ environment: Environment, _ own: OwnTransactions) -> SyncMachine.Event {
        let transaction = environment.info.lastTransactionID
        return .observed(transaction: transaction, isOurs: own.contains(transaction))
    }

    private func clean(_ settings: CleanerMachine.Settings) async {
        let cleaner = Cleaner(
            settings: settings, store: store, unmarked: unmarked, progress: { await self.progress },
            wallClock: wallClock,
            observe: { [observer, database = self.settings.identity.database] in observer.observe($0, of: database) },
            logger: logger)
        await cleaner.run()
    }

    /// Whether an object that appeared may be a snapshot of somebody else; an empty name may be anything.
    private static func isNews(_ object: String, of database: String, own: String?) -> Bool {
        guard !object.isEmpty else { return true }
        guard case .full(let name) = ObjectName(object, database: database) else { return false }
        return own == nil || name.instance != own
    }

    /// Polls the LMDB, and now and then looks after its reader table and its file.
    private func keepHouse(_ environment: Environment, observing: Bool) async {
        var lastReaderCheck = now
        var newest: UInt64 = 0
        do {
            while true {
                try await Task.sleep(for: settings.lmdbPollInterval)
                let transaction = environment.info.lastTransactionID
                if observing { post.yield(Self.observation(environment, own)) }
                // Transaction IDs only fall where a backup was copied over the open file. Going on would hide the
                // changes that follow, until their IDs have grown beyond the old ones.
                guard environment.isInPlace && transaction >= newest else {
                    return fail(
                        LocalContentError(
                            "the LMDB \(environment.options.dataFile) was removed or replaced while it was open; "
                                + "start again to go on with the new one"))
                }
                newest = transaction
                if now - lastReaderCheck >= Self.readerCheckInterval {
                    lastReaderCheck = now
                    let freed = environment.clearStaleReaders()
                    if freed > 0 {
                        logger.info(
                            "freed reader slots of dead processes", metadata: ["slots": .stringConvertible(freed)])
                    }
                }
            }
        } catch {}
    }

    // MARK: Doing

    /// - Returns: false when the loop is over.
    private func perform(
        _ action: SyncMachine.Action, _ environment: Environment, _ machine: borrowing SyncMachine,
        _ group: inout DiscardingTaskGroup
    ) -> Bool {
        switch action {
        case .list: group.addTask { await self.list(environment) }
        case .download(let name):
            observe(.downloadStarted(name, waited: notices.waited(for: name, at: now)))
            group.addTask { await self.download(name, environment) }
        case .compare(let name): group.addTask { await self.compare(name, environment) }
        case .apply(let name): group.addTask { await self.apply(name, environment) }
        case .send: group.addTask { await self.send(environment) }
        case .capture: group.addTask { await self.captureChanges(environment) }
        case .sweep(let deletionTime): group.addTask { await self.sweep(environment, deletionTime: deletionTime) }
        case .record(let record): group.addTask { await self.write(record, environment) }
        case .started:
            isStarted = true
            logger.info("start-up is complete")
            observe(.started)
        case .giveUp:
            fatal = SendingGaveUp(tries: (settings.machine.sender.retryLimit ?? 0) + 1, last: errors.send)
            observe(.sendingGivenUp(errors.send))
            return false
        case .giveUpLoading:
            fatal = LoadingGaveUp(last: errors.load)
            return false
        case .endFenced:
            fatal = DatabaseIsStale(description: notices.fenceText ?? "")
            return false
        case .finish:
            return false
        }
        return true
    }

    /// Ends ``run()`` with an error.
    func fail(_ error: any Error) {
        if fatal == nil { fatal = error }
        post.yield(.tick)
    }
}

/// A snapshot that is here and waits to be merged.
struct Download {
    var spool: Spool
    /// How long it took.
    var time: Duration
    /// When it ended.
    var end: ContinuousClock.Instant
}

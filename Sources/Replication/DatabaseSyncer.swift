import BlobStorage
import Bytes
import LMDB
import Logging
import Snapshots
import Synchronization

/// Keeps one database in sync with the storage: performs what ``SyncMachine`` decides.
package actor DatabaseSyncer {
    package struct Settings: Sendable {
        /// Who sends: database, instance and host.
        package var identity: SenderIdentity
        package var environment: EnvironmentOptions
        package var machine: SyncMachine.Settings
        /// How often the LMDB is asked for its newest transaction, where no change was signalled.
        package var lmdbPollInterval: Duration
        package var deletedCutoff: DeletedCutoff
        /// The flags that missing databases are created with instead of those of the snapshot.
        package var creationFlags: [String: DatabaseFlags]
        /// Whether headers get an extension block (`header_extra_padding_block`).
        package var paddingBlock: Bool

        package init(
            identity: SenderIdentity, environment: EnvironmentOptions, machine: SyncMachine.Settings,
            lmdbPollInterval: Duration, deletedCutoff: DeletedCutoff = DeletedCutoff(retention: nil),
            creationFlags: [String: DatabaseFlags] = [:], paddingBlock: Bool = false
        ) {
            self.identity = identity
            self.environment = environment
            self.machine = machine
            self.lmdbPollInterval = lmdbPollInterval
            self.deletedCutoff = deletedCutoff
            self.creationFlags = creationFlags
            self.paddingBlock = paddingBlock
        }
    }

    /// How long an upload under way may go on after ``shutDown()``.
    package static let shutdownGrace = Duration.seconds(10)
    /// How often reader slots of dead processes are freed.
    package static let readerCheckInterval = Duration.seconds(60)

    private let settings: Settings
    private let store: any BlobStore
    private let logger: Logger
    private let wallClock: WallClock
    /// LMDB calls block, and take turns.
    private let lmdb: BlockingPool
    private let events: AsyncStream<SyncMachine.Event>
    private let post: AsyncStream<SyncMachine.Event>.Continuation
    private let start = ContinuousClock.now

    /// Downloaded snapshots that wait to be merged.
    private var downloaded: [SnapshotName: Spool] = [:]
    /// The newest timestamp of a snapshot under the own name: a later one must sort behind it.
    private var newestOwnTimestamp: UInt64 = 0
    private var isStarted = false
    private var fatal: (any Error)?
    private var timer: (time: Duration, task: Task<Void, Never>)?

    package init(
        settings: Settings, store: any BlobStore, logger: Logger, wallClock: @escaping WallClock = systemWallClock
    ) {
        self.settings = settings
        self.store = store
        var logger = logger
        logger[metadataKey: "db"] = "\(settings.identity.database)"
        self.logger = logger
        self.wallClock = wallClock
        lmdb = BlockingPool(label: "lmdb-\(settings.identity.database)", width: 1)
        (events, post) = AsyncStream.makeStream()
    }

    /// Asks ``run()`` to begin nothing new and to return once what is under way has ended.
    package nonisolated func shutDown() { post.yield(.shutDown) }

    /// Syncs until everything is done (with `onlyOnce`), until ``shutDown()``, or until it can't go on.
    ///
    /// Runs once.
    ///
    /// - Throws: what keeps it from going on: the LMDB can't be opened or synced, or sending failed too often.
    package func run() async throws {
        let options = settings.environment
        let environment = try await lmdb.run { _ in try Environment(options) }
        let info = environment.info
        logger.info(
            "opened the LMDB",
            metadata: [
                "path": "\(options.dataFile)", "txnID": "\(info.lastTransactionID)", "map_size": "\(info.mapSize)",
                "used": "\(info.usedBytes)",
            ])
        var machine = SyncMachine(settings: settings.machine, transaction: info.lastTransactionID)
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
                for action in machine.handle(event, at: now) {
                    guard perform(action, environment, machine, &group) else { break loop }
                }
                if fatal != nil { break }
                scheduleTick(machine.nextTick)
            }
            endTimer()
            group.cancelAll()
        }
        if let fatal { throw fatal }
    }

    private var now: Duration { .now - start }

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
        let prefix = SnapshotName.prefix(database: settings.identity.database)
        if let changes = store.changes(prefix: prefix) {
            let own = settings.machine.instance
            group.addTask { [post] in
                for await name in changes where SnapshotName(name)?.instance != own { post.yield(.storageChanged) }
            }
        }
        guard !settings.machine.receiveOnly else {
            group.addTask { [weak self] in await self?.keepHouse(environment, observing: false) }
            return
        }
        if let changes = fileChanges(environment.options.dataFile) {
            group.addTask { [post] in
                do {
                    for await _ in changes {
                        // A busy writer is followed at this pace, not commit by commit.
                        try await Task.sleep(for: .milliseconds(2))
                        post.yield(.observed(transaction: environment.info.lastTransactionID))
                    }
                } catch {}
            }
        }
        group.addTask { [weak self] in await self?.keepHouse(environment, observing: true) }
    }

    /// Polls the LMDB, and now and then looks after its reader table and its file.
    private func keepHouse(_ environment: Environment, observing: Bool) async {
        var lastReaderCheck = now
        var newest: UInt64 = 0
        do {
            while true {
                try await Task.sleep(for: settings.lmdbPollInterval)
                let transaction = environment.info.lastTransactionID
                if observing { post.yield(.observed(transaction: transaction)) }
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
                        logger.info("freed reader slots of dead processes", metadata: ["slots": "\(freed)"])
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
        case .list: group.addTask { await self.list() }
        case .download(let name): group.addTask { await self.download(name) }
        case .merge(let name): group.addTask { await self.merge(name, environment) }
        case .send: group.addTask { await self.send(environment) }
        case .started:
            isStarted = true
            logger.info("start-up is complete")
        case .giveUp:
            // The last send's error has been logged; this one ends the process.
            fatal = SendingGaveUp(
                database: settings.identity.database, tries: (settings.machine.sender.retryLimit ?? 0) + 1)
            return false
        case .finish:
            return false
        }
        return true
    }

    private func fail(_ error: any Error) {
        if fatal == nil { fatal = error }
        post.yield(.tick)
    }

    private func list() async {
        let database = settings.identity.database
        do {
            let blobs = try await store.list(prefix: SnapshotName.prefix(database: database))
            var names: [SnapshotName] = []
            for blob in blobs {
                guard let name = SnapshotName(blob.name) else {
                    logger.debug("not a snapshot, ignored", metadata: ["name": "\(blob.name)"])
                    continue
                }
                guard name.database == database && name.isFullSnapshot else { continue }
                names.append(name)
                if name.instance == settings.machine.instance {
                    newestOwnTimestamp = max(newestOwnTimestamp, name.timestamp)
                }
            }
            post.yield(.listed(names))
        } catch {
            guard !Task.isCancelled else { return }
            logger.warning("cannot list the snapshots", metadata: ["error": "\(error)"])
            post.yield(.listingFailed)
        }
    }

    private func download(_ name: SnapshotName) async {
        let begin = ContinuousClock.now
        do {
            let spool = try await store.load(name.description)
            downloaded[name] = spool
            logger.debug(
                "downloaded a snapshot",
                metadata: [
                    "snapshot_instance": "\(name.instance)", "snapshot_name": "\(name)",
                    "snapshot_size": "\(spool.count)", "time_total": "\(logText(ContinuousClock.now - begin))",
                ])
            post.yield(.downloaded(name))
        } catch let error as BlobStoreError where error.kind == .notFound {
            logger.debug("snapshot is gone", metadata: ["snapshot_name": "\(name)"])
            post.yield(.vanished(name))
        } catch {
            guard !Task.isCancelled else { return }
            logger.error(
                "cannot download a snapshot; it is tried again",
                metadata: ["snapshot_name": "\(name)", "error": "\(error)"])
            post.yield(.downloadFailed(name))
        }
    }

    private func merge(_ name: SnapshotName, _ environment: Environment) async {
        guard let spool = downloaded.removeValue(forKey: name) else {
            post.yield(.mergeFailed(name))
            return
        }
        let begin = ContinuousClock.now
        let rules = MergePlanner.Rules(
            deletedCutoff: settings.deletedCutoff.timestamp(at: wallClock()), creationFlags: settings.creationFlags)
        let paddingBlock = settings.paddingBlock
        do {
            let (result, skipped, planned) = try await lmdb.run { _ in
                let (plan, _, skipped) = try MergePlanner.plan(spool, for: environment, rules: rules)
                let planned = ContinuousClock.now
                return (
                    try MergeResult(Merge.apply(plan, to: environment, paddingBlock: paddingBlock), plan), skipped,
                    planned
                )
            }
            for database in skipped.sorted() {
                logger.warning(
                    "the snapshot holds a private DBI, which is ignored",
                    metadata: ["snapshot_name": "\(name)", "dbi": "\(database)"])
            }
            logger.log(
                level: result.transaction == nil ? .debug : .info, "merged a snapshot",
                metadata: [
                    "snapshot_instance": "\(name.instance)", "snapshot_name": "\(name)",
                    "snapshot_size": "\(spool.count)", "merged": "\(result.written)", "kept": "\(result.kept)",
                    "txnID": "\(result.transaction ?? environment.info.lastTransactionID)",
                    "time_compare": "\(logText(planned - begin))", "time_write_lock": "\(logText(result.lockTime))",
                    "time_total": "\(logText(ContinuousClock.now - begin))",
                ])
            post.yield(.merged(name, transaction: result.transaction))
        } catch let error where Self.isRefusal(error) {
            logger.error(
                "the snapshot is refused; the previous one of that instance is used instead",
                metadata: ["snapshot_name": "\(name)", "error": "\(error)"])
            post.yield(.refused(name))
        } catch {
            guard !Task.isCancelled else { return }
            report(error, "cannot merge a snapshot; it is tried again", ["snapshot_name": "\(name)"])
            post.yield(.mergeFailed(name))
        }
    }

    private func send(_ environment: Environment) async {
        let begin = ContinuousClock.now
        let (identity, clock, floor) = (settings.identity, wallClock, newestOwnTimestamp)
        let staging = store.stagingDirectory
        do {
            let (found, transaction) = try await lmdb.run { signal in
                // A clock that stepped back must not make this snapshot look older than the one before.
                try FullScan.run(environment, identity: identity, stagingDirectory: staging, signal: signal) {
                    max(clock(), floor &+ 1)
                }
            }
            guard let snapshot = found else {
                post.yield(.foundNothing(transaction: transaction))
                return
            }
            newestOwnTimestamp = max(newestOwnTimestamp, snapshot.name.timestamp)
            post.yield(.read(transaction: transaction))
            let read = ContinuousClock.now
            try await store.store(snapshot.name.description, snapshot.body)
            logger.info(
                "stored a snapshot",
                metadata: [
                    "snapshot_instance": "\(identity.instance)", "snapshot_name": "\(snapshot.name)",
                    "snapshot_size": "\(snapshot.body.count)", "entries": "\(snapshot.entries)",
                    "txnID": "\(transaction)", "time_dump": "\(logText(read - begin))",
                    "time_store": "\(logText(ContinuousClock.now - read))",
                    "time_total": "\(logText(ContinuousClock.now - begin))",
                ])
            post.yield(.stored)
        } catch {
            guard !Task.isCancelled else { return }
            report(error, "cannot send a snapshot; it is tried again", [:])
            post.yield(.sendFailed)
        }
    }

    /// Whether the same snapshot would come to the same end, however often it is tried.
    private static func isRefusal(_ error: any Error) -> Bool {
        if let error = error as? SnapshotError { return error.kind != .unreadable }
        return error is RefusedSnapshot
    }

    /// Logs an error that is tried again; contents that don't fit the configuration end the process at start-up.
    private func report(_ error: any Error, _ what: Logger.Message, _ metadata: Logger.Metadata) {
        if error is LocalContentError && !isStarted { return fail(error) }
        logger.error(what, metadata: metadata.merging(["error": "\(error)"]) { old, _ in old })
    }
}

/// What the log says of a merge.
private struct MergeResult: Sendable {
    var transaction: UInt64?
    var written: Int
    var kept: Int
    var lockTime: Duration

    init(_ outcome: Merge.Outcome, _ plan: MergePlan) {
        transaction = outcome.transaction
        written = outcome.written
        kept = plan.kept + outcome.lost
        lockTime = outcome.lockTime
    }
}

/// So many sends of a database have failed that the process ends.
package struct SendingGaveUp: Error, CustomStringConvertible {
    package var database: String
    package var tries: Int

    package var description: String {
        "database \(database): \(tries) tries to send a snapshot in a row have failed (storage_retry_count); the log has "
            + "the reason of each"
    }
}

import BlobStorage
import Bytes
import LMDB
import Logging
import Snapshots

/// What the actions of ``SyncMachine`` do: each does its work on threads that may block, logs how it went, and
/// posts that as an event.
extension DatabaseSyncer {
    /// Lists the snapshots of the database.
    func list() async {
        let database = settings.identity.database
        do {
            let blobs = try await store.list(prefix: SnapshotName.prefix(database: database))
            var names: [SnapshotName] = []
            var others: Set<String> = []
            defer { ignored = others }
            for blob in blobs {
                guard let name = SnapshotName(blob.name) else {
                    others.insert(blob.name)
                    if !ignored.contains(blob.name) {
                        logger.debug("not a snapshot, ignored", metadata: ["name": "\(blob.name)"])
                    }
                    continue
                }
                guard name.database == database && name.isFullSnapshot else { continue }
                names.append(name)
                if name.instance == settings.machine.instance {
                    newestOwnTimestamp = max(newestOwnTimestamp, name.timestamp)
                }
            }
            if let stranger = namesakes.listed(names.filter { $0.instance == settings.machine.instance }) {
                logger.error(
                    "another instance uses the same name, and neither sees the other's changes: give each its own",
                    metadata: ["snapshot_name": "\(stranger)"])
            }
            post.yield(.listed(names))
        } catch {
            guard !Task.isCancelled else { return }
            logger.warning("cannot list the snapshots", metadata: ["error": "\(error)"])
            post.yield(.listingFailed)
        }
    }

    /// Downloads a snapshot into a spool.
    func download(_ name: SnapshotName) async {
        let begin = ContinuousClock.now
        do {
            let spool = try await store.load(name.description)
            downloaded[name] = spool
            logger.debug(
                "downloaded a snapshot",
                metadata: [
                    "snapshot_instance": "\(name.instance)", "snapshot_name": "\(name)",
                    "snapshot_size": .stringConvertible(spool.count),
                    "time_total": "\(logText(ContinuousClock.now - begin))",
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

    /// Merges a downloaded snapshot.
    func merge(_ name: SnapshotName, _ environment: Environment) async {
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
                    "snapshot_size": .stringConvertible(spool.count), "merged": .stringConvertible(result.written),
                    "kept": .stringConvertible(result.kept),
                    "txnID": .stringConvertible(result.transaction ?? environment.info.lastTransactionID),
                    "time_compare": "\(logText(planned - begin))", "time_write_lock": "\(logText(result.lockTime))",
                    "time_total": "\(logText(ContinuousClock.now - begin))",
                ])
            post.yield(.merged(name, transaction: result.transaction))
        } catch let error where Self.isRefusal(error) {
            logger.error(
                "the snapshot is refused and not tried again; an older one of that instance is used if there is one, and its next",
                metadata: ["snapshot_name": "\(name)", "error": "\(error)"])
            post.yield(.refused(name))
        } catch {
            guard !Task.isCancelled else { return }
            report(error, "cannot merge a snapshot; it is tried again", ["snapshot_name": "\(name)"])
            post.yield(.mergeFailed(name))
        }
    }

    /// Reads the LMDB and stores what was read.
    func send(_ environment: Environment) async {
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
            namesakes.willStore(snapshot.name)
            post.yield(.read(transaction: transaction))
            let read = ContinuousClock.now
            try await store.store(snapshot.name.description, snapshot.body)
            logger.info(
                "stored a snapshot",
                metadata: [
                    "snapshot_instance": "\(identity.instance)", "snapshot_name": "\(snapshot.name)",
                    "snapshot_size": .stringConvertible(snapshot.body.count),
                    "entries": .stringConvertible(snapshot.entries),
                    "txnID": .stringConvertible(transaction), "time_dump": "\(logText(read - begin))",
                    "time_store": "\(logText(ContinuousClock.now - read))",
                    "time_total": "\(logText(ContinuousClock.now - begin))",
                ])
            post.yield(.stored)
        } catch {
            guard !Task.isCancelled else {
                logger.warning("the end came before a snapshot was stored; local changes are sent at the next start")
                return
            }
            lastSendError = "\(error)"
            report(error, "cannot send a snapshot; it is tried again", [:])
            post.yield(error is LocalContentError ? .unsendable : .sendFailed)
        }
    }

    /// Whether the same snapshot would come to the same end, however often it is tried.
    private static func isRefusal(_ error: any Error) -> Bool {
        if let error = error as? SnapshotError {
            // The map may grow, and a file of our own may be readable the next time.
            return error.kind != .unreadable && error.kind != .tooLarge
        }

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

import BlobStorage
import Bytes
import LMDB
import Logging
import Snapshots

/// What the actions of ``SyncMachine`` do: each does its work on threads that may block, logs how it went, and
/// posts that as an event.
extension DatabaseSyncer {
    /// Lists the snapshots of the database.
    func list(_ environment: Environment) async {
        let database = settings.identity.database
        observe(.listStarted)
        let begin = wallClock()
        await lookForRecord(environment)
        do {
            let blobs = try await store.list(prefix: SnapshotName.prefix(database: database))
            let time = store.storageTime(begin)
            let catalog = Catalog(
                blobs, database: database, now: max(time, begin), time: store.storageTime(wallClock()))
            let names = catalog.names
            unfit.listed(names)
            let news = listings.listed(
                catalog, clockOffset: store.clockOffset, isFenced: notices.fenceText != nil, at: now)
            for notice in news { tell(notice) }
            vanished.formIntersection(names)
            observe(.listed(catalog))
            // How far the storage's clock is ahead is known from its answer at the latest.
            post.yield(
                .listed(
                    names, began: store.storageTime(begin),
                    ceiling: StaleFence.time(begin, after: settings.clockSkewTolerance),
                    stranger: listings.namesakes.newest))
        } catch {
            guard !Task.isCancelled else { return }
            logger.warning("cannot list the snapshots", metadata: ["error": "\(error)"])
            errors.load = "\(error)"
            observe(.listFailed("\(error)"))
            post.yield(.listingFailed)
        }
    }

    /// Downloads a snapshot into a spool.
    func download(_ name: SnapshotName, _ environment: Environment) async {
        // What was told of it still holds.
        if await isUnfit(name, environment) {
            post.yield(.downloadFailed(name))
            return
        }
        let begin = ContinuousClock.now
        do {
            let spool = try await store.load(name.description, atMost: listings.sizes[name] ?? Blob.largestUnlisted)
            let end = ContinuousClock.now
            downloaded[name] = Download(spool: spool, time: end - begin, end: end)
            observe(.downloaded(name, bytes: spool.count, time: end - begin))
            observe(.mergesWaiting(downloaded.count))
            logger.debug(
                "downloaded a snapshot",
                metadata: [
                    "snapshot_instance": "\(name.instance)", "snapshot_name": "\(name)",
                    "snapshot_size": .stringConvertible(spool.count),
                    "time_total": "\(logText(end - begin))",
                ])
            post.yield(.downloaded(name))
        } catch let error as BlobStoreError where error.kind == .notFound && vanished.insert(name).inserted {
            logger.debug("snapshot is gone", metadata: ["snapshot_name": "\(name)"])
            observe(.downloadVanished(name, time: .now - begin))
            post.yield(.vanished(name))
        } catch {
            guard !Task.isCancelled else { return }
            logger.error(
                "cannot download a snapshot; it is tried again",
                metadata: ["snapshot_name": "\(name)", "error": "\(error)"])
            errors.load = "\(error)"
            errors.byInstance[name.instance] = "\(error)"
            observe(.downloadFailed(name, "\(error)", time: .now - begin))
            post.yield(.downloadFailed(name))
        }
    }

    /// Whether the map could not hold a snapshot, and nothing has changed that may help.
    private func isUnfit(_ name: SnapshotName, _ environment: Environment) async -> Bool {
        guard unfit.knows(name) else { return false }
        do {
            if try await lmdb.run({ _ in try environment.growsMap() }) { return false }
        } catch {
            guard !Task.isCancelled else { return true }
            logger.debug("cannot look whether the map has grown", metadata: ["error": "\(error)"])
        }
        return unfit.holds(name, mapSize: environment.info.mapSize, at: now)
    }

    /// Reads the LMDB and stores what was read.
    func send(_ environment: Environment) async {
        let begin = ContinuousClock.now
        let (identity, clock, floor) = (settings.identity, wallClock, listings.newestOwn)
        let (staging, own) = (store.stagingDirectory, own)
        // What is merged from now on need not be in this snapshot.
        let strangers = listings.namesakes.merged
        let schema = settings.schema
        let inspection = inspector?.inspectSend(of: identity.database)
        var done: SendReport?
        defer { inspection?.ended(done) }
        do {
            let captured = try await capture(environment)
            let (found, scanned) = try await lmdb.run { signal in
                // A clock that stepped back must not make this snapshot look older than the one before.
                try FullScan.run(
                    environment, identity: identity, schema: schema, changes: { own.changes }, inspection: inspection,
                    stagingDirectory: staging, signal: signal
                ) {
                    max(clock(), floor.nextTimestamp)
                }
            }
            // What was written after the capture is not in the snapshot.
            let transaction = captured ?? scanned
            guard let snapshot = found else {
                post.yield(.foundNothing(transaction: transaction))
                return
            }
            listings.willStore(snapshot.name)
            post.yield(.read(transaction: transaction))
            let read = ContinuousClock.now
            observe(.storing(snapshot.name, bytes: snapshot.body.count))
            try await store.store(snapshot.name.description, snapshot.body)
            let end = ContinuousClock.now
            let report = SendReport(
                name: snapshot.name, size: snapshot.body.count, entries: snapshot.entries, transaction: transaction,
                dumpTime: read - begin, storeTime: end - read, totalTime: end - begin)
            logger.info(
                "stored a snapshot",
                metadata: [
                    "snapshot_instance": "\(identity.instance)", "snapshot_name": "\(snapshot.name)",
                    "snapshot_size": .stringConvertible(report.size), "entries": .stringConvertible(report.entries),
                    "txnID": .stringConvertible(transaction), "time_dump": "\(logText(report.dumpTime))",
                    "time_store": "\(logText(report.storeTime))", "time_total": "\(logText(report.totalTime))",
                ])
            listings.namesakes.stored(covering: strangers)
            own.sent(through: transaction)
            done = report
            errors.send = ""
            observe(.stored(report))
            post.yield(.stored(snapshot.name))
        } catch {
            guard !Task.isCancelled else {
                errors.send = "the upload under way took too long"
                return
            }
            errors.send = "\(error)"
            report(error, "cannot send a snapshot; it is tried again", [:])
            observe(.sendFailed(errors.send))
            post.yield(error is LocalContentError ? .unsendable : .sendFailed)
        }
    }

    /// Logs an error that is tried again; contents that don't fit the configuration end the process at start-up.
    func report(_ error: any Error, _ what: Logger.Message, _ metadata: Logger.Metadata) {
        if error is LocalContentError && !isStarted { return fail(error) }
        logger.error(what, metadata: metadata.merging(["error": "\(error)"]) { old, _ in old })
    }
}

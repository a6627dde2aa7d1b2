import LMDB
import Logging
import Snapshots

/// What ``StaleFence`` needs of the LMDB, and what is said of it.
extension DatabaseSyncer {
    /// What the database remembers.
    func findRecord(_ environment: Environment) async throws -> SyncRecord {
        let isUsed = settings.machine.sweeper != nil
        return try await lmdb.run { _ in
            if isUsed { return try SyncRecord.read(environment) }
            // With the sweeper off nothing is kept up to date, so that it would be wrong later on.
            try SyncRecord.forget(environment)
            return SyncRecord()
        }
    }

    /// Writes down when the database was last in sync.
    func write(_ record: SyncRecord, _ environment: Environment) async {
        do {
            let transaction = try await lmdb.run { [own] _ in
                try own.noting { try record.write(to: environment, willCommit: $0) }
            }
            capture?.noteOwn(transaction)
            post.yield(.recorded(record, transaction: transaction))
        } catch {
            guard !Task.isCancelled else { return }
            logger.error(
                "cannot write down when this database was last in sync; it is tried again",
                metadata: ["error": "\(error)"])
            lastLoadError = "cannot write down when this database was last in sync: \(error)"
            post.yield(.recordFailed)
        }
    }

    /// While nothing may be sent, looks whether somebody has rebuilt the database.
    func lookForRecord(_ environment: Environment) async {
        guard fenceText != nil else { return }
        do {
            post.yield(.foundRecord(try await lmdb.run { _ in try SyncRecord.read(environment) }))
        } catch {
            guard !Task.isCancelled else { return }
            logger.error(
                "cannot read when this database was last in sync; it is tried again", metadata: ["error": "\(error)"])
        }
    }

    /// Tells what keeps changes from being sent, and when nothing does any more.
    func noteObstacle(_ machine: borrowing SyncMachine) {
        let obstacle = machine.sendObstacle(at: now)
        guard obstacle?.key != sendObstacle?.key else { return }
        let before = sendObstacle
        sendObstacle = obstacle
        guard let obstacle else {
            // Where it is shut off instead, that is told; and what is sent at last, too.
            if fenceText == nil, before != .sendFails { logger.info("changes are not held back any more") }
            return observe(.sendBlocked(nil))
        }
        let text = obstacle.text(
            own: settings.machine.instance, patience: machine.fence?.limits.patience, errors: loadErrors,
            sendError: lastSendError)
        // Each try that fails is in the log already.
        if obstacle != .sendFails { logger.warning("\(text)") }
        observe(.sendBlocked(text))
    }

    /// Tells when the database is not in sync any more, long before sending is shut off.
    func noteLag(_ new: SyncLag?) {
        guard new?.failing != lag?.failing else { return }
        lag = new
        guard let new else {
            // Where it is shut off instead, that is told.
            if fenceText == nil { logger.info("what could not be loaded does not matter any more") }
            return observe(.notInSync(nil))
        }
        let text = new.text(errors: loadErrors)
        logger.warning("\(text)")
        observe(.notInSync(text))
    }

    /// Tells when sending is shut off, and when it is allowed again.
    func noteFence(_ fence: StaleFence?) {
        guard let fence else { return }
        for instance in fence.outdatedInstances.subtracting(outdated).sorted() {
            logger.warning(
                "the snapshots of an instance are too old to be loaded, as they may hold what was deleted since; remove them if it does not come back",
                metadata: ["snapshot_instance": "\(instance)"])
        }
        outdated = fence.outdatedInstances
        guard let reason = fence.reason else {
            guard fenceText != nil else { return }
            fenceText = nil
            logger.info("sending is allowed again")
            observe(.fenced(nil))
            return
        }
        guard fenceText == nil else { return }
        let text = reason.text(database: settings.identity.database)
        fenceText = text
        logger.error("\(text)")
        observe(.fenced(text))
    }
}

/// A database that must be rebuilt before anything of it is sent.
package struct DatabaseIsStale: Error, CustomStringConvertible {
    /// One line: since when, why, and what to do.
    package var description: String
}

extension StaleFence.Reason {
    /// One line: since when, why, and what to do.
    func text(database: String) -> String {
        let cure = "nothing is sent until it has been rebuilt: lightningstream resync --only-db \(database)"
        switch self {
        case .absent(let since, let other):
            return "not in sync since \(SnapshotTimestamp.text(since)), while instance \(other.instance) was up to "
                + "\(SnapshotTimestamp.text(other.timestamp)): entries that were deleted meanwhile may still be here; "
                + cure
        case .recordAhead(let now, let record):
            return "last in sync at \(SnapshotTimestamp.text(record)) by what is recorded, but it is "
                + "\(SnapshotTimestamp.text(now)) now: one of the two clocks was wrong, so entries that were deleted "
                + "elsewhere may still be here; set the clock right, or \(cure)"
        }
    }
}

import LMDB
import Logging
import Snapshots

/// What ``StaleFence`` needs of the LMDB.
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
            errors.load = "cannot write down when this database was last in sync: \(error)"
            post.yield(.recordFailed)
        }
    }

    /// While nothing may be sent, looks whether somebody has rebuilt the database.
    func lookForRecord(_ environment: Environment) async {
        guard notices.fenceText != nil else { return }
        do {
            post.yield(.foundRecord(try await lmdb.run { _ in try SyncRecord.read(environment) }))
        } catch {
            guard !Task.isCancelled else { return }
            logger.error(
                "cannot read when this database was last in sync; it is tried again", metadata: ["error": "\(error)"])
        }
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

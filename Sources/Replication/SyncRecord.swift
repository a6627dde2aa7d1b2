import LMDB
import Snapshots

/// What a database remembers of its syncing, in the private DBI `_sync_state`: two times.
///
/// The value of each entry is an LS header alone, whose timestamp is that time. Docs/deletions.md describes it.
package struct SyncRecord: Sendable, Equatable {
    /// When the database was last in sync, in nanoseconds since the UNIX epoch; nil when that is not known.
    package var lastSync: UInt64?
    /// Before which time nothing is swept, in nanoseconds since the UNIX epoch; nil when that does not matter.
    package var sweepAfter: UInt64?

    /// See the properties of the same names.
    package init(lastSync: UInt64? = nil, sweepAfter: UInt64? = nil) {
        self.lastSync = lastSync
        self.sweepAfter = sweepAfter
    }

    /// The private DBI.
    package static let database = "_sync_state"
    private static let lastSyncKey = Array("last_sync".utf8)
    private static let sweepAfterKey = Array("sweep_after".utf8)

    /// Reads the record; an empty one when there is none.
    ///
    /// - Throws: ``LocalContentError`` when an entry has no valid header.
    package static func read(_ environment: Environment) throws -> SyncRecord {
        try environment.read { transaction in
            guard let database = try transaction.database(database) else { return SyncRecord() }
            return SyncRecord(
                lastSync: try time(lastSyncKey, database, transaction),
                sweepAfter: try time(sweepAfterKey, database, transaction))
        }
    }

    private static func time(
        _ key: [UInt8], _ database: Database, _ transaction: borrowing ReadTransaction
    ) throws -> UInt64? {
        try key.withUnsafeBytes { key in
            guard let value = try transaction.get(database, key) else { return nil }
            return try Schema.version(value, database.name, key).timestamp
        }
    }

    /// Writes the record in a transaction of its own.
    ///
    /// - Parameter willCommit: is told the transaction before it is committed.
    /// - Returns: the transaction.
    package func write(
        to environment: Environment, willCommit: (UInt64) -> Void = { _ in }
    ) throws -> UInt64 {
        try environment.write { transaction in
            let database = try transaction.database(Self.database, creating: [])
            for (key, time) in [(Self.lastSyncKey, lastSync), (Self.sweepAfterKey, sweepAfter)] {
                guard let time else {
                    try key.withUnsafeBytes { _ = try transaction.delete(database, $0) }
                    continue
                }
                var value = [UInt8](repeating: 0, count: EntryHeader.size)
                let header = EntryHeader(timestamp: time, transactionID: transaction.id)
                value.withUnsafeMutableBytes { header.write(to: $0) }
                try key.withUnsafeBytes { key in try value.withUnsafeBytes { try transaction.put(database, key, $0) } }
            }
            willCommit(transaction.id)
            return .commit(transaction.id)
        }
    }

    /// Forgets the record, where there is one.
    package static func forget(_ environment: Environment) throws {
        guard try read(environment) != SyncRecord() else { return }
        try environment.write { transaction in
            guard let database = try transaction.database(database) else { return .abort(()) }
            for key in [lastSyncKey, sweepAfterKey] {
                try key.withUnsafeBytes { _ = try transaction.delete(database, $0) }
            }
            return .commit(())
        }
    }
}

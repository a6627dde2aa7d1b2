import LMDB
import Snapshots

/// The persistent record of a database's syncing, in the private DBI `_sync_state`: two times.
///
/// The value of each entry is an LS header alone, whose timestamp is the time. docs/deletions.md describes it.
package struct SyncRecord: Sendable, Equatable {
    /// When the database was last in sync, in nanoseconds since the UNIX epoch; nil if unknown.
    package var lastSync: UInt64?
    /// When sweeping may begin, in nanoseconds since the UNIX epoch; nil if it is not delayed.
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

    /// Reads the record; empty if there is none.
    ///
    /// - Throws: ``LocalContentError`` if an entry has no valid header.
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

    /// Writes the record in its own transaction.
    ///
    /// - Parameter willCommit: called with the transaction before it is committed.
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
                try Self.put(key, time, [], database, transaction)
            }
            willCommit(transaction.id)
            return .commit(transaction.id)
        }
    }

    /// Writes an entry of the private DBI: a header with this time, followed by `rest`.
    static func put(
        _ key: [UInt8], _ time: UInt64, _ rest: [UInt8], _ database: Database,
        _ transaction: borrowing WriteTransaction
    ) throws {
        var value = [UInt8](repeating: 0, count: EntryHeader.size) + rest
        let header = EntryHeader(timestamp: time, transactionID: transaction.id)
        value.withUnsafeMutableBytes { header.write(to: $0) }
        try key.withUnsafeBytes { key in try value.withUnsafeBytes { try transaction.put(database, key, $0) } }
    }

    /// Removes the record, if there is one.
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

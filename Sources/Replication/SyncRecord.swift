import LMDB
import Snapshots

/// When a database was last in sync, as its LMDB remembers it: the entry `last_sync` of the private DBI `_sync_state`.
///
/// The value is an LS header alone, whose timestamp is that time. Docs/deletions.md describes it.
package enum SyncRecord {
    /// The private DBI.
    package static let database = "_sync_state"
    private static let key = Array("last_sync".utf8)

    /// Reads the time, nil when there is none.
    ///
    /// - Throws: ``LocalContentError`` when the entry has no valid header.
    package static func read(_ environment: Environment) throws -> UInt64? {
        try environment.read { transaction in
            guard let database = try transaction.database(database) else { return nil }
            return try key.withUnsafeBytes { key in
                guard let value = try transaction.get(database, key) else { return nil }
                return try Schema.version(value, database.name, key).timestamp
            }
        }
    }

    /// Writes the time in a transaction of its own.
    ///
    /// - Parameter time: nanoseconds since the UNIX epoch.
    /// - Returns: the transaction.
    package static func write(_ time: UInt64, to environment: Environment) throws -> UInt64 {
        try environment.write { transaction in
            let database = try transaction.database(database, creating: [])
            var value = [UInt8](repeating: 0, count: EntryHeader.size)
            let header = EntryHeader(timestamp: time, transactionID: transaction.id)
            value.withUnsafeMutableBytes { header.write(to: $0) }
            try key.withUnsafeBytes { key in try value.withUnsafeBytes { try transaction.put(database, key, $0) } }
            return .commit(transaction.id)
        }
    }

    /// Forgets the time, where there is one.
    package static func forget(_ environment: Environment) throws {
        guard try read(environment) != nil else { return }
        try environment.write { transaction in
            guard let database = try transaction.database(database) else { return .abort(()) }
            try key.withUnsafeBytes { _ = try transaction.delete(database, $0) }
            return .commit(())
        }
    }
}

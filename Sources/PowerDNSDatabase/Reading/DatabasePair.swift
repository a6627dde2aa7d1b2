import LMDB
import PowerDNSFormat
import Snapshots

/// A PowerDNS database to be read: zones and keys in one LMDB, the records in another one.
package struct DatabasePair: Sendable {
    /// Zones, metadata and keys.
    package let main: Environment
    /// Records.
    package let shard: Environment

    /// - Parameters:
    ///   - main: an LMDB with the role ``PowerDNSRole/main``.
    ///   - shard: an LMDB with the role ``PowerDNSRole/shard``; nil if there are no records.
    package init(main: Environment, shard: Environment?) throws {
        self.main = main
        self.shard = try shard ?? Self.noRecords()
    }

    private static func noRecords() throws -> Environment {
        let environment = try Environment.temporary(mapSize: 1 << 20)
        try environment.write { transaction in
            _ = try transaction.database(PowerDNSTable.records.rawValue, creating: [])
            return .commit(())
        }
        return environment
    }

    /// Runs `body` in a read transaction of both.
    ///
    /// Each is consistent; PowerDNS writes them one after the other. The shard's transaction encloses the other one, as in
    /// ``DatabaseView``.
    package func read<R>(
        _ body: (_ main: borrowing ReadTransaction, _ shard: borrowing ReadTransaction) throws -> R
    ) throws -> R {
        try shard.read { shard in try main.read { main in try body(main, shard) } }
    }
}

extension PowerDNSRole {
    /// The role of an LMDB; nil if it is not one of PowerDNS with schema 5 or later.
    package static func detect(_ environment: Environment) throws -> PowerDNSRole? {
        try environment.read { try detect($0) }
    }

    /// The role of an LMDB; nil if it is not one of PowerDNS with schema 5 or later.
    package static func detect<T: Transaction & ~Copyable>(_ transaction: borrowing T) throws -> PowerDNSRole? {
        let version = try PdnsValue.schemaVersion(transaction)
        return PowerDNSRole(databases: try transaction.databases().map(\.name), schemaVersion: version)
    }

    /// The problem with the `schemaversion` of an LMDB for which ``detect(_:)-(Environment)`` finds no role; nil if it is
    /// not PowerDNS's.
    package static func schemaProblem(_ environment: Environment) throws -> String? {
        try environment.read { transaction in
            guard let settings = try transaction.database(PowerDNSTable.settings.rawValue) else { return nil }
            let needed = "and 5 or 6 is required"
            return try Array(PdnsValue.schemaVersionKey.utf8).withUnsafeBytes { key in
                guard let value = try transaction.get(settings, key) else {
                    return "it has no \(PdnsValue.schemaVersionKey), \(needed)"
                }
                let what: String
                do {
                    let entry = try EntryHeader.parse(value)
                    if entry.header.isDeleted {
                        what = "is deleted"
                    } else if case .schemaVersion(let version) = try PdnsValue(key: key, payload: entry.payload) {
                        what = "is \(version)"
                    } else {
                        return nil
                    }
                } catch { what = "cannot be read (\(error))" }
                return "its \(PdnsValue.schemaVersionKey) \(what), \(needed)"
            }
        }
    }
}

extension PdnsValue {
    /// The schema version of a main database; nil if it is not one.
    package static func schemaVersion<T: Transaction & ~Copyable>(_ transaction: borrowing T) throws -> UInt32? {
        guard let settings = try transaction.database(PowerDNSTable.settings.rawValue) else { return nil }
        return try Array(schemaVersionKey.utf8).withUnsafeBytes { key in
            guard let value = try transaction.get(settings, key), let entry = try? EntryHeader.parse(value),
                !entry.header.isDeleted,
                case .schemaVersion(let version) = try? PdnsValue(key: key, payload: entry.payload)
            else { return nil }
            return version
        }
    }
}

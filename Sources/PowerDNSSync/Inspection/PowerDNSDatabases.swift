import LMDB
import PowerDNSDatabase
import PowerDNSFormat
import Replication
import Snapshots
import Synchronization

/// Which of the synced databases are PowerDNS's, and where they are open.
package final class PowerDNSDatabases: SyncObserver {
    /// What a database is.
    enum Kind: Equatable, Sendable {
        /// It is not known yet: it is empty, or nobody has looked.
        case unknown
        /// PowerDNS's.
        case powerDNS(PowerDNSRole)
        /// Another application's.
        case foreign
    }

    private struct Entry {
        var kind = Kind.unknown
        var environment: Environment?
    }

    private let settings: InspectorSettings
    private let entries = Mutex<[String: Entry]>([:])

    /// - Parameter settings: name those that need not be found.
    package init(_ settings: InspectorSettings) { self.settings = settings }

    /// What a database is, as far as that is known.
    func kind(of database: String) -> Kind {
        if database == settings.main { return .powerDNS(.main) }
        if database == settings.shard { return .powerDNS(.shard) }
        return entries.withLock { $0[database]?.kind ?? .unknown }
    }

    /// It has been seen what a database is.
    func settle(_ database: String, as kind: Kind) { entries.withLock { $0[database, default: Entry()].kind = kind } }

    /// Where the database of a role is open; nil while it is not, and while it is not known which one it is.
    package func environment(_ role: PowerDNSRole) -> Environment? {
        let named = role == .main ? settings.main : settings.shard
        return entries.withLock { entries in
            if let named { return entries[named]?.environment }
            return entries.first { $0.value.kind == .powerDNS(role) && $0.value.environment != nil }?.value.environment
        }
    }

    /// The database of a role; nil while it is not known which one it is.
    package func name(_ role: PowerDNSRole) -> String? {
        if let named = role == .main ? settings.main : settings.shard { return named }
        return entries.withLock { entries in entries.first { $0.value.kind == .powerDNS(role) }?.key }
    }

    /// Where zones may be: the main database, or as long as it is not known which one it is, all that may be.
    func mayHaveZones() -> [Environment] {
        if let known = environment(.main) { return [known] }
        guard settings.main == nil else { return [] }
        return entries.withLock { $0.filter { $0.value.kind == .unknown }.compactMap { $0.value.environment } }
    }

    /// A database may have been opened.
    ///
    /// It stays open beyond the end of its syncer, until ``close()``: the changes of another one may still be told of.
    package func observe(_ event: SyncEvent, of database: String) {
        guard case .opened(let environment) = event else { return }
        entries.withLock { $0[database, default: Entry()].environment = environment }
    }

    /// Lets go of all that is open.
    func close() {
        entries.withLock { entries in
            for name in entries.keys { entries[name]?.environment = nil }
        }
    }

    /// Looks what a database is, unless that is known.
    func look(at database: String, _ transaction: borrowing ReadTransaction) throws -> Kind {
        let known = kind(of: database)
        guard known == .unknown else { return known }
        var found = try Self.look(transaction)
        // Another one was named.
        if found == .powerDNS(.main), settings.main != nil { found = .foreign }
        if found == .powerDNS(.shard), settings.shard != nil { found = .foreign }
        if found != .unknown { settle(database, as: found) }
        return found
    }

    private static func look(_ transaction: borrowing ReadTransaction) throws -> Kind {
        let names = try transaction.databases().map(\.name).filter { !PrivateDatabases.contains($0) }
        let version = try PdnsValue.schemaVersion(transaction)
        if let role = PowerDNSRole(databases: names, schemaVersion: version) { return .powerDNS(role) }
        // Tables of PowerDNS and an old schema, or none yet: it may still become one.
        return names.allSatisfy { PowerDNSTable(rawValue: $0) != nil } ? .unknown : .foreign
    }
}

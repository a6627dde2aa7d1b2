import LMDB
import PowerDNSDatabase
import PowerDNSFormat
import Replication
import Snapshots
import Synchronization

/// The synced databases of PowerDNS, and their open LMDBs.
package final class PowerDNSDatabases: SyncObserver {
    /// The kind of a database.
    enum Kind: Equatable, Sendable {
        /// Unknown: it is empty, or has not been inspected.
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

    /// - Parameter settings: may name the databases instead of detection.
    package init(_ settings: InspectorSettings) { self.settings = settings }

    /// The kind of a database, as far as known.
    func kind(of database: String) -> Kind {
        if database == settings.main { return .powerDNS(.main) }
        if database == settings.shard { return .powerDNS(.shard) }
        return entries.withLock { $0[database]?.kind ?? .unknown }
    }

    /// Sets the detected kind of a database.
    func settle(_ database: String, as kind: Kind) { entries.withLock { $0[database, default: Entry()].kind = kind } }

    /// The open LMDB of a role; nil if it is not open or not known.
    package func environment(_ role: PowerDNSRole) -> Environment? {
        let named = role == .main ? settings.main : settings.shard
        return entries.withLock { entries in
            if let named { return entries[named]?.environment }
            return entries.first { $0.value.kind == .powerDNS(role) && $0.value.environment != nil }?.value.environment
        }
    }

    /// The database of a role; nil if unknown.
    package func name(_ role: PowerDNSRole) -> String? {
        if let named = role == .main ? settings.main : settings.shard { return named }
        return entries.withLock { entries in entries.first { $0.value.kind == .powerDNS(role) }?.key }
    }

    /// Whether not more than one database has a role, or the configuration names it.
    package func isOnlyOne(_ role: PowerDNSRole) -> Bool {
        if (role == .main ? settings.main : settings.shard) != nil { return true }
        return entries.withLock { $0.values.count { $0.kind == .powerDNS(role) } } == 1
    }

    /// Whether the headers of a database's entries are the application's, and say nothing of merges.
    package func isShadowed(_ database: String) -> Bool { settings.shadowed.contains(database) }

    /// LMDBs that may contain zones: the main database, or, while it is unknown, all possible ones.
    func mayHaveZones() -> [Environment] {
        if let known = environment(.main) { return [known] }
        guard settings.main == nil else { return [] }
        return entries.withLock { $0.filter { $0.value.kind == .unknown }.compactMap { $0.value.environment } }
    }

    /// A database may have been opened.
    ///
    /// It stays open after the end of its syncer, until ``close()``: changes of another one may still be processed.
    package func observe(_ event: SyncEvent, of database: String) {
        guard case .opened(let environment) = event else { return }
        entries.withLock { $0[database, default: Entry()].environment = environment }
    }

    /// Releases all open LMDBs.
    func close() {
        entries.withLock { entries in
            for name in entries.keys { entries[name]?.environment = nil }
        }
    }

    /// Detects the kind of a database, unless it is known.
    func detectKind(of database: String, _ transaction: borrowing ReadTransaction) throws -> Kind {
        let known = kind(of: database)
        guard known == .unknown else { return known }
        var found = try Self.detectKind(transaction)
        // The configuration names a different one.
        if found == .powerDNS(.main), settings.main != nil { found = .foreign }
        if found == .powerDNS(.shard), settings.shard != nil { found = .foreign }
        if found != .unknown { settle(database, as: found) }
        return found
    }

    /// Whether the kind of an open database is not known.
    package var hasUnknown: Bool { !unknown.isEmpty }

    /// Detects which open databases are PowerDNS's, before the first merge or send of them; blocks. That others are not remains to be
    /// said by the inspection.
    package func detect() throws {
        for (name, environment) in unknown {
            let found = try environment.read { transaction in try Self.detectKind(transaction) }
            guard case .powerDNS(let role) = found, (role == .main ? settings.main : settings.shard) == nil else {
                continue
            }
            settle(name, as: found)
        }
    }

    private var unknown: [(name: String, environment: Environment)] {
        let open = entries.withLock { $0.compactMap { name, entry in entry.environment.map { (name, $0) } } }
        return open.filter { kind(of: $0.0) == .unknown }.map { (name: $0.0, environment: $0.1) }
    }

    private static func detectKind(_ transaction: borrowing ReadTransaction) throws -> Kind {
        let names = try transaction.databases().map(\.name).filter { !PrivateDatabases.contains($0) }
        let version = try PdnsValue.schemaVersion(transaction)
        if let role = PowerDNSRole(databases: names, schemaVersion: version) { return .powerDNS(role) }
        // Tables of PowerDNS with an old schema, or none yet: it may still become one.
        return names.allSatisfy { PowerDNSTable(rawValue: $0) != nil } ? .unknown : .foreign
    }
}

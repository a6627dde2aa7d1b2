import BlobStorage
import Foundation
import LMDB
import Observability
import PowerDNSFormat
import Replication
import Snapshots
import Support
import Synchronization
import TestSupport
import Testing

@testable import PowerDNSSync

/// A host with the two LMDBs of a PowerDNS, their syncers, and what looks into them.
final class SyncedSite: Sendable {
    let name: String
    let log = LogLines()
    let registry = MetricRegistry()
    let consumer = ZoneList()
    private let directory: TemporaryDirectory
    private let store: any BlobStore
    private let settings: InspectorSettings
    private let schema: Schema
    private let usesDeltas: Bool

    /// - Parameters:
    ///   - fixture: `4.9` or `5.1` for a copy of what that PowerDNS has written; nil for empty LMDBs.
    ///   - usesDeltas: whether sends compare pages, except the first one.
    init(
        _ name: String, _ store: any BlobStore, fixture: String? = nil, _ settings: InspectorSettings = .init(),
        schema: Schema = .native, usesDeltas: Bool = false
    ) throws {
        self.name = name
        self.store = store
        var settings = settings
        if schema.hasShadows { settings.shadowed = ["main", "shard"] }
        (self.settings, self.schema, self.usesDeltas) = (settings, schema, usesDeltas)
        directory = try TemporaryDirectory()
        guard let fixture else { return }
        for role in ["main", "shard"] {
            let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .appendingPathComponent("../SnapshotsTests/Fixtures/pdns-\(fixture).\(role).mdb")
            try FileManager.default.copyItem(at: source, to: URL(fileURLWithPath: directory.file(role)))
        }
    }

    private func options(_ role: String) -> EnvironmentOptions {
        EnvironmentOptions(path: directory.file(role), noSubdirectory: true, create: true, mapSize: 64 << 20)
    }

    /// Uses an LMDB while nothing is synced.
    func open<R>(_ role: PowerDNSRole, _ body: (Environment) throws -> R) throws -> R {
        try body(opened(role))
    }

    /// Uses an LMDB in the same way.
    func withOpen(_ role: PowerDNSRole, _ body: (Environment) async throws -> Void) async throws {
        try await body(opened(role))
    }

    /// Opens an LMDB. A syncer that has ended may hold the file for a moment more, on the thread of its last work.
    private func opened(_ role: PowerDNSRole) throws -> Environment {
        for _ in 0..<6000 {
            do {
                return try Environment(options(role.rawValue))
            } catch {
                guard error.code == .alreadyOpen else { throw error }
                usleep(1000)
            }
        }
        return try Environment(options(role.rawValue))
    }

    /// What it has, by DBI and key; deleted entries have no value.
    func contents(_ role: PowerDNSRole) throws -> [String: [[UInt8]: [UInt8]?]] {
        try open(role) { environment in
            try environment.read { transaction in
                var contents: [String: [[UInt8]: [UInt8]?]] = [:]
                for database in try transaction.databases() {
                    var cursor = try transaction.openCursor(database)
                    while try cursor.next() {
                        let entry = try EntryHeader.parse(cursor.value)
                        contents[database.name, default: [:]][Array(cursor.key)] = .some(
                            entry.header.isDeleted ? nil : Array(entry.payload))
                    }
                }
                return contents
            }
        }
    }

    /// Writes entries as PowerDNS does; a payload of nil deletes.
    func write(_ table: PowerDNSTable, _ entries: [([UInt8], [UInt8]?)], at time: UInt64 = 0) throws {
        try open(table.role) { try Self.write(table, entries, at: time, to: $0) }
    }

    static func write(
        _ table: PowerDNSTable, _ entries: [([UInt8], [UInt8]?)], at time: UInt64 = 0, to environment: Environment
    ) throws {
        try environment.write { transaction in
            let database = try transaction.database(table.rawValue, creating: [])
            for (key, payload) in entries {
                var value = [UInt8](repeating: 0, count: EntryHeader.size) + (payload ?? [])
                let header = EntryHeader(
                    timestamp: time == 0 ? systemWallClock() : time, transactionID: transaction.id,
                    flags: payload == nil ? EntryHeader.deletedFlag : 0)
                value.withUnsafeMutableBytes { header.write(to: $0) }
                try key.withUnsafeBytes { key in
                    try value.withUnsafeBytes { try transaction.put(database, key, $0) }
                }
            }
            return .commit(())
        }
    }

    /// Removes entries without marking them as deleted.
    static func remove(_ table: PowerDNSTable, _ keys: [[UInt8]], from environment: Environment) throws {
        try environment.write { transaction in
            guard let database = try transaction.database(table.rawValue) else { return .abort(()) }
            for key in keys { try key.withUnsafeBytes { _ = try transaction.delete(database, $0) } }
            return .commit(())
        }
    }

    /// Syncs both databases: until all is done, or until `body` is.
    func sync(
        _ roles: [PowerDNSRole] = [.main, .shard],
        while body: (@Sendable ([String: Environment]) async throws -> Void)? = nil
    ) async throws {
        let databases = PowerDNSDatabases(settings)
        let inspector = PowerDNSInspector(
            settings, databases: databases, registry: registry, logger: log.logger, consumers: [consumer])
        var environments: [String: Environment] = [:]
        for role in roles { environments[role.rawValue] = try opened(role) }
        let syncers = roles.map { role in
            DatabaseSyncer(
                settings: SyncSettings(
                    identity: SenderIdentity(database: role.rawValue, instance: name, hostname: "test"),
                    environment: options(role.rawValue),
                    machine: .init(
                        instance: name, receiveOnly: false, onlyOnce: body == nil,
                        storagePollInterval: .milliseconds(40),
                        receiver: .init(concurrentDownloads: 2, retryInterval: .milliseconds(30)),
                        sender: .init(
                            minimumInterval: .milliseconds(30), forceInterval: .zero,
                            retryInterval: .milliseconds(30), retryLimit: nil),
                        deltas: usesDeltas ? .init(fullInterval: .seconds(600)) : nil),
                    lmdbPollInterval: .milliseconds(30), schema: schema),
                store: store, logger: log.logger, environment: environments[role.rawValue], observer: databases,
                inspector: inspector)
        }
        let opened = environments
        try await inspector.run {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for syncer in syncers { group.addTask { try await syncer.run() } }
                if let body {
                    defer { for syncer in syncers { syncer.shutDown() } }
                    try await body(opened)
                }
                for syncer in syncers where body != nil { syncer.shutDown() }
                try await group.waitForAll()
            }
        }
    }
}

/// Remembers which zones it was told of.
final class ZoneList: ZoneConsumer {
    private let told = Mutex<[MergedZones]>([])
    func zonesChanged(_ zones: MergedZones) async { told.withLock { $0.append(zones) } }
    var all: [MergedZones] { told.withLock(\.self) }

    /// The names of the zones that a database's merges have changed, `*` for all, `#id` for unknown ones.
    func names(_ database: String) -> Set<String> {
        Set(
            all.filter { $0.database == database }.flatMap { merged -> [String] in
                guard case .some(let zones) = merged.zones else { return ["*"] }
                return zones.map { $0.name?.description ?? "#\($0.id ?? 0)" }
            })
    }
}

/// Keys and payloads as PowerDNS writes them.
enum Stored {
    static let exampleOrg: UInt32 = 0x46ae_c1ab

    static func key(_ zone: UInt32, _ owner: String, _ type: RecordType) throws -> [UInt8] {
        let name = owner.isEmpty ? DomainName.root : try DomainName(owner)
        return RecordKey.prefix(domainID: zone) + KeyName.bytes(name)
            + [0, UInt8(type.rawValue >> 8), UInt8(truncatingIfNeeded: type.rawValue)]
    }

    static func records(_ rdata: [UInt8]..., ttl: UInt32 = 300) -> [UInt8] {
        var payload: [UInt8] = []
        for rdata in rdata {
            payload += [UInt8(truncatingIfNeeded: rdata.count), UInt8(rdata.count >> 8)]
            payload += rdata
            for shift in 0..<4 { payload.append(UInt8(truncatingIfNeeded: ttl >> (shift * 8))) }
            payload += [1, 0, 1] as [UInt8]
        }
        return payload
    }

    static func soa(_ serial: UInt32) -> [UInt8] {
        var rdata: [UInt8] = [0, 0]
        for shift in [24, 16, 8, 0] { rdata.append(UInt8(truncatingIfNeeded: serial >> UInt32(shift))) }
        return records(rdata + [UInt8](repeating: 0, count: 16))
    }

    /// A zone without index entry.
    static func domain(_ zone: String, schema: UInt32 = 5) throws -> [UInt8] {
        let wire = try DomainName(zone).wire
        let zeroes = { [UInt8](repeating: 0, count: $0) }
        var payload: [UInt8] = [0, schema == 5 ? 1 : 2, 0, 0, 0]
        if schema > 5 { payload += [0, 1, 0, 0, 0] as [UInt8] }
        payload += zeroes(5) + [UInt8(wire.count)] + zeroes(7)
        payload += wire
        // The variant; last check, account, no primaries; ID, serial, kind; options, catalog, its variant.
        if schema > 5 { payload += zeroes(8) }
        payload += zeroes(8 + 8 + 5 + 8)
        payload += zeroes(4 + 4 + 4)
        payload += zeroes(8 + 8)
        if schema > 5 { payload += zeroes(8) }
        return payload
    }
}

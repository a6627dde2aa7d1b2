import BlobStorage
import LMDB
import PowerDNSSchema
import Replication
import Snapshots
import Telemetry
import TestSupport
import Testing

@testable import PowerDNS

/// Which snapshots are refused before they are merged, and which are not.
@Suite(.timeLimit(.minutes(5))) struct IncomingRuleTests {
    private func findings(_ site: SyncedSite) -> [String] {
        String(decoding: site.registry.text(), as: UTF8.self).split(separator: "\n")
            .filter { $0.hasPrefix("lightningstream_powerdns_snapshot_findings_total") }
            .map { String($0.dropFirst("lightningstream_powerdns_snapshot_findings_total".count)) }
    }

    /// A has what is to be merged into B.
    private func pair(
        _ settings: InspectorSettings = InspectorSettings()
    ) async throws -> (a: SyncedSite, b: SyncedSite) {
        let store = MemoryStore()
        let (a, b) = (
            try SyncedSite("a", store, fixture: "4.9"), try SyncedSite("b", store, fixture: "4.9", settings)
        )
        try await a.sync()
        try await b.sync()
        try await a.sync()
        return (a, b)
    }

    private func exchange(_ a: SyncedSite, _ b: SyncedSite, _ role: PowerDNSRole) async throws {
        try await a.sync([role])
        try await b.sync([role])
    }

    private static let schemaVersion = (Array("schemaversion".utf8), [0, 0, 0, 6] as [UInt8])

    @Test func aNewerSchemaIsRefused() async throws {
        let (a, b) = try await pair()
        try a.write(.settings, [(Self.schemaVersion.0, Self.schemaVersion.1)])
        let before = try b.contents(.main)
        try await exchange(a, b, .main)
        #expect(b.log.contains("it would raise schemaversion from 5 to 6; PowerDNS 4.8 and 4.9 do not start"))
        #expect(b.log.contains("powerdns.validation.schema: warn"))
        #expect(try b.contents(.main)["pdns"] == before["pdns"])
        #expect(findings(b) == ["{lmdb=\"main\",rule=\"schema\",severity=\"error\"} 1"])
    }

    @Test func aZoneInTheNewFormatIsRefusedWhereTheSchemaIsOld() async throws {
        let (a, b) = try await pair()
        try a.write(.domains, [([0, 0, 0, 77], try Stored.domain("fresh.example", schema: 6))])
        try await exchange(a, b, .main)
        #expect(b.log.contains("zone fresh.example. is in the format of schemaversion 6, and the one here is 5"))
        #expect(try b.contents(.main)["domains_v5"]?[[0, 0, 0, 77]] == nil)
    }

    @Test func aNewerSchemaMayBeLetIn() async throws {
        var settings = InspectorSettings()
        settings.schema = .warn
        let (a, b) = try await pair(settings)
        try a.write(.settings, [(Self.schemaVersion.0, Self.schemaVersion.1)])
        try await exchange(a, b, .main)
        #expect(try b.contents(.main)["pdns"]?[Self.schemaVersion.0] == .some(Self.schemaVersion.1))
        #expect(b.log.contains("warning the snapshot comes from a newer PowerDNS"))
        #expect(findings(b) == ["{lmdb=\"main\",rule=\"schema\",severity=\"warning\"} 1"])
    }

    @Test func anOlderSchemaIsNoHarm() async throws {
        let store = MemoryStore()
        let (a, b) = (try SyncedSite("a", store, fixture: "4.9"), try SyncedSite("b", store, fixture: "5.1"))
        // Newer than the one there, so that it is merged.
        try a.write(.settings, [(Self.schemaVersion.0, [0, 0, 0, 5])])
        try await exchange(a, b, .main)
        #expect(try b.contents(.main)["pdns"]?[Self.schemaVersion.0] == .some([0, 0, 0, 5]))
        #expect(findings(b).isEmpty)
        #expect(!b.log.contains("refused"))
    }

    private static let unreadable: [(PowerDNSTable, [UInt8], [UInt8]?)] = [
        // A record whose RDATA is cut off, a key without type, a deleted entry with a key of no shape, bytes left over.
        (.records, [0, 0, 0, 1, 0, 0, 0, 1], [9, 0, 1]), (.records, [0, 0, 0, 1, 7], [0, 0, 0, 0, 0, 0, 1, 0, 0]),
        (.records, [1, 2], nil), (.domains, [0, 0, 0, 9], [1, 2, 3]), (.domainsIndex, [0, 1, 0, 0, 0, 0, 1], [5]),
        (.metadata, [0, 0, 0, 9, 9], nil),
    ]

    @Test(arguments: unreadable)
    func whatPowerDNSCouldNotReadIsRefused(table: PowerDNSTable, key: [UInt8], payload: [UInt8]?) async throws {
        let (a, b) = try await pair()
        let before = try b.contents(table.role)
        try a.write(table, [(key, payload)])
        try await exchange(a, b, table.role)
        #expect(b.log.contains("DBI \(table.rawValue), key "))
        #expect(b.log.contains("so PowerDNS could not read it"))
        #expect(try b.contents(table.role) == before)
        #expect(findings(b) == ["{lmdb=\"\(table.role.rawValue)\",rule=\"structure\",severity=\"error\"} 1"])
    }

    @Test(arguments: [InspectorSettings.Action.warn, .off])
    func whatPowerDNSCouldNotReadMayBeLetIn(action: InspectorSettings.Action) async throws {
        var settings = InspectorSettings()
        settings.structure = action
        let (a, b) = try await pair(settings)
        try a.write(.domains, [([0, 0, 0, 9], [1, 2, 3])])
        try await exchange(a, b, .main)
        #expect(try b.contents(.main)["domains_v5"]?[[0, 0, 0, 9]] == .some([1, 2, 3]))
        #expect(b.log.contains("warning the snapshot has entries that PowerDNS can't read") == (action == .warn))
        #expect(findings(b).count == (action == .warn ? 1 : 0))
    }

    /// What is found before it is clear that the database becomes PowerDNS's counts as well.
    @Test func anEmptyLMDBTakesNothingUnreadableEither() async throws {
        let store = MemoryStore()
        let (a, b) = (try SyncedSite("a", store, fixture: "4.9"), try SyncedSite("b", store))
        try a.write(.domains, [([0, 0, 0, 9], [1, 2, 3])])
        try await exchange(a, b, .main)
        #expect(b.log.contains("DBI domains_v5, key \\x00\\x00\\x00\\x09: the entry "))
        #expect(try b.contents(.main)["domains_v5"] == nil)
    }

    @Test(arguments: [(40.0, true), (60.0, false), (0.0, false)])
    func deletingTooMuchOfAZoneIsRefused(limit: Double, isRefused: Bool) async throws {
        var settings = InspectorSettings()
        settings.maxDeletedRecords = limit
        let (a, b) = try await pair(settings)
        let prefix = RecordKey.prefix(domainID: Stored.exampleOrg)
        let rows = try #require(try a.contents(.shard)["records_v5"]).filter {
            guard $0.key.starts(with: prefix), $0.value != nil else { return false }
            let type = $0.key.suffix(2).last ?? 0
            return type != 0 && type != 50
        }
        let half = rows.keys.sorted { $0.lexicographicallyPrecedes($1) }.prefix(rows.count / 2)
        try a.write(.records, half.map { ($0, nil) })
        try await exchange(a, b, .shard)
        let left = try #require(try b.contents(.shard)["records_v5"]).filter {
            half.contains($0.key) && $0.value != nil
        }
        #expect(left.count == (isRefused ? half.count : 0))
        #expect(
            b.log.contains("it would delete \(half.count) of \(rows.count) RRsets of zone #\(Stored.exampleOrg)")
                == isRefused)
        #expect(findings(b).contains { $0.contains("max-deleted-records") } == isRefused)
    }

    /// The end of a zone is no accident of the records.
    @Test(arguments: [PowerDNSRole.main, .shard], [1.0, 50.0])
    func deletingTooManyZonesIsRefused(role: PowerDNSRole, limit: Double) async throws {
        var settings = InspectorSettings()
        (settings.maxDeletedRecords, settings.maxDeletedZones) = (10, limit)
        let (a, b) = try await pair(settings)
        let table: PowerDNSTable = role == .main ? .domains : .records
        let prefix = RecordKey.prefix(domainID: Stored.exampleOrg)
        let rows = try #require(try a.contents(role)[table.rawValue]).filter {
            $0.key.starts(with: prefix) && $0.value != nil
        }
        #expect(!rows.isEmpty)
        try a.write(table, rows.map { ($0.key, nil) })
        try await exchange(a, b, role)
        let left = try #require(try b.contents(role)[table.rawValue]).filter {
            $0.key.starts(with: prefix) && $0.value != nil
        }
        #expect(left.isEmpty == (limit == 50))
        #expect(b.log.contains("it would delete 1 of ") == (limit == 1))
    }
}

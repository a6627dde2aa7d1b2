import BlobStorage
import LMDB
import Observability
import PowerDNSDatabase
import PowerDNSFormat
import PowerDNSTestSupport
import Replication
import Snapshots
import TestSupport
import Testing

@testable import PowerDNSSync

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

    /// PowerDNS goes by the last four bytes.
    @Test(arguments: [([0, 0, 0, 6], 6), ([0, 0, 0, 5, 0x78], 1400), ([9, 0, 0, 0, 7], 7)] as [([UInt8], UInt32)])
    func aNewerSchemaIsRefused(value: [UInt8], version: UInt32) async throws {
        let (a, b) = try await pair()
        try a.write(.settings, [(Self.schemaVersion.0, value)])
        let before = try b.contents(.main)
        try await exchange(a, b, .main)
        #expect(b.log.contains("it would raise schemaversion from 5 to \(version); PowerDNS 4.8 and 4.9 do not start"))
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

    @Test func anEmptyLMDBRefusesASchemaThatIsNotKnown() async throws {
        let store = MemoryStore()
        let (a, b) = (try SyncedSite("a", store, fixture: "4.9"), try SyncedSite("b", store))
        try a.write(.settings, [(Self.schemaVersion.0, [0, 0, 0, 99])])
        try await exchange(a, b, .main)
        #expect(b.log.contains("it comes from a newer PowerDNS: its schemaversion is 99"))
        #expect(try b.contents(.main)["pdns"] == nil)
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
        // A record whose RDATA is cut off, a key without type, keys of no shape.
        (.records, [0, 0, 0, 1, 0, 0, 0, 1], [9, 0, 1]), (.records, [0, 0, 0, 1, 7], [0, 0, 0, 0, 0, 0, 1, 0, 0]),
        (.records, [1, 2], nil), (.domains, [0, 0, 0, 9], [1, 2, 3]), (.domainsIndex, [0, 1, 0, 0, 0], []),
        (.metadata, [0, 0, 0, 9, 9], nil),
        // An address of 3 bytes, an RRset without records, a name that reaches beyond its end.
        (.records, [0, 0, 0, 1, 0x77, 0, 0, 0, 1], PowerDNSWriter.payload([.init(rdata: [192, 0, 2])])),
        (.records, [0, 0, 0, 1, 0x77, 0, 0, 0, 1], []),
        (.records, [0, 0, 0, 1, 0x77, 0, 0, 0, 5], PowerDNSWriter.payload([.init(rdata: [9, 0x61])])),
        // What PowerDNS would not start with, or without.
        (.settings, Array("schemaversion".utf8), nil), (.settings, Array("schemaversion".utf8), [0, 5]),
        (.settings, Array("shards".utf8), [0, 0, 0, 64]),
    ]

    private static var rejecting: InspectorSettings {
        var settings = InspectorSettings()
        settings.structure = .reject
        return settings
    }

    @Test(arguments: unreadable)
    func whatPowerDNSCouldNotReadIsRefused(table: PowerDNSTable, key: [UInt8], payload: [UInt8]?) async throws {
        let (a, b) = try await pair(Self.rejecting)
        let before = try b.contents(table.role)
        try a.write(table, [(key, payload)])
        try await exchange(a, b, table.role)
        let isSetting = table == .settings && payload?.count != 2
        #expect(b.log.contains(isSetting ? "and PowerDNS would not start with" : "so PowerDNS could not read it"))
        #expect(isSetting || b.log.contains("DBI \(table.rawValue), key "))
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
        #expect(b.log.contains("warning the snapshot has entries that PowerDNS cannot use") == (action == .warn))
        #expect(findings(b).count == (action == .warn ? 1 : 0))
    }

    /// Names that are compressed refer to the name of the zone, which a shard does not have.
    @Test func aCompressedNameIsNoHarm() async throws {
        let (a, b) = try await pair()
        let key = try PowerDNSWriter.key("www", .cname, of: 7)
        try a.write(.records, [(key, PowerDNSWriter.payload([.init(rdata: [1, 0x61, 0xc0, 0x11])]))])
        try await exchange(a, b, .shard)
        #expect(try b.contents(.shard)["records_v5"]?[key] != nil)
        #expect(findings(b).isEmpty)
    }

    @Test func aRefusalNamesRuleZoneOwnerAndType() async throws {
        let (a, b) = try await pair(Self.rejecting)
        let key = try PowerDNSWriter.key("www", .a, of: Stored.exampleOrg)
        try a.write(.records, [(key, PowerDNSWriter.payload([.init(rdata: [192, 0, 2])]))])
        try await a.sync()
        try await b.sync()
        #expect(b.log.contains("rule structure: zone example.org.: www.example.org. A: DBI records_v5, key "))
        for (field, value) in [
            ("owner", "www.example.org."), ("rule", "structure"), ("snapshot_instance", "a"), ("type", "A"),
            ("zone", "example.org."),
        ] {
            #expect(b.log.contains("\"\(field)\": \(value)"))
        }
    }

    /// What is found before it is clear that the database becomes PowerDNS's counts as well.
    @Test func anEmptyLMDBTakesNothingUnreadableEither() async throws {
        let store = MemoryStore()
        let (a, b) = (try SyncedSite("a", store, fixture: "4.9"), try SyncedSite("b", store, Self.rejecting))
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
            b.log.contains(
                "zone #\(Stored.exampleOrg): it would delete \(half.count) of its \(rows.count) RRsets")
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

    /// A zone that gets a new record is not about to go.
    @Test func replacingAllOfAZoneIsDeletingTooMuchOfIt() async throws {
        var settings = InspectorSettings()
        settings.maxDeletedRecords = 50
        let (a, b) = try await pair(settings)
        let prefix = RecordKey.prefix(domainID: Stored.exampleOrg)
        let rows = try #require(try a.contents(.shard)["records_v5"]).filter {
            $0.key.starts(with: prefix) && $0.value != nil
        }
        let key = try PowerDNSWriter.key("new", .a, of: Stored.exampleOrg)
        try a.write(.records, rows.map { ($0.key, nil) } + [(key, PowerDNSWriter.payload([.address]))])
        try await exchange(a, b, .shard)
        #expect(findings(b).contains { $0.contains("max-deleted-records") })
        #expect(try b.contents(.shard)["records_v5"]?[key] == nil)
    }

    /// Without its entry in the index a zone is as good as deleted, and one that is renamed there is not.
    @Test(arguments: [false, true]) func indexEntriesCountAsZones(isRenamed: Bool) async throws {
        var settings = InspectorSettings()
        settings.maxDeletedZones = 1
        let (a, b) = try await pair(settings)
        let name = try ZoneName("example.org")
        var entries: [([UInt8], [UInt8]?)] = [(IndexKey(zone: name, id: Stored.exampleOrg).bytes, nil)]
        if isRenamed { entries.append((IndexKey(zone: try ZoneName("other.test"), id: Stored.exampleOrg).bytes, [])) }
        try a.write(.domainsIndex, entries)
        try await exchange(a, b, .main)
        #expect(b.log.contains("rule max-deleted-zones: zone example.org.: it would delete 1 of ") == !isRenamed)
    }
}

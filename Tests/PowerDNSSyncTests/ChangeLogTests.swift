import BlobStorage
import Foundation
import LMDB
import Observability
import PowerDNSFormat
import Replication
import Snapshots
import TestSupport
import Testing

@testable import PowerDNSSync

/// What is told of merges and sends, with LMDBs that PowerDNS has written.
@Suite(.timeLimit(.minutes(5))) struct ChangeLogTests {
    /// Two sites that have the same, and what has been told until then is forgotten.
    private func pair(_ settings: InspectorSettings) async throws -> (a: SyncedSite, b: SyncedSite) {
        let store = MemoryStore()
        let (a, b) = (
            try SyncedSite("a", store, fixture: "4.9"), try SyncedSite("b", store, fixture: "4.9", settings)
        )
        try await a.sync()
        try await b.sync()
        try await a.sync()
        return (a, b)
    }

    private func detailed() -> InspectorSettings {
        var settings = InspectorSettings()
        settings.detail = .records
        return settings
    }

    private func metrics(_ site: SyncedSite) -> String { String(decoding: site.registry.text(), as: UTF8.self) }

    @Test(arguments: ["4.9", "5.1"])
    func everythingThatAnEmptyHostGetsIsTold(fixture: String) async throws {
        let store = MemoryStore()
        let (a, b) = (try SyncedSite("a", store, fixture: fixture), try SyncedSite("b", store))
        try await a.sync()
        try await b.sync([.main])
        #expect(metrics(b).contains("changes_total{lmdb=\"main\",direction=\"merged\",kind=\"zone_created\"}"))
        // The zones are known by now.
        try await b.sync()
        #expect(b.log.count("info merged changes of zone") >= 8)
        #expect(b.log.contains("zone\": example.org."))
        #expect(b.log.contains("zones_created\": 1"))
        #expect(b.log.contains("tsig_keys"))
        #expect(b.consumer.names("main").contains("example.org."))
        #expect(b.consumer.names("shard").contains("example.org."))
        #expect(!b.log.contains("zone\": #"))
        #expect(try a.contents(.shard) == b.contents(.shard))
        // Nothing secret, whatever is told.
        #expect(!b.log.contains("PrivateKey") && !b.log.contains("c2VjcmV0"))
    }

    @Test func aMergeIsToldInDNSTerms() async throws {
        let (a, b) = try await pair(detailed())
        let zone = Stored.exampleOrg
        let same = try #require(try a.contents(.shard)["records_v5"]?[Stored.key(zone, "mail", .a)] ?? nil)
        try a.write(
            .records,
            [
                (Stored.key(zone, "", .soa), Stored.soa(2_026_000_001)),
                (Stored.key(zone, "www", .a), Stored.records([192, 0, 2, 80], [192, 0, 2, 99])),
                (Stored.key(zone, "new", .txt), Stored.records([4, 0x0a, 0x22, 0x78, 0x1b])),
                (Stored.key(zone, "mail", .a), same), (Stored.key(zone, "mail", .aaaa), nil),
                (Stored.key(zone, "ent", .emptyNonTerminal), Stored.records([], ttl: 0)),
                (Stored.key(zone, "never", .a), nil),
            ])
        try await a.sync()
        try await b.sync()
        let line = "\"rrsets_added\": 1, \"rrsets_changed\": 2, \"rrsets_removed\": 1, \"rrsets_rewritten\": 1"
        #expect(b.log.count("info merged changes of zone") == 1)
        for part in [
            "rrsets_added\": 1", "rrsets_changed\": 2", "rrsets_removed\": 1", "rrsets_rewritten\": 1",
            "serial_old\": 2024010102", "serial\": 2026000001", "snapshot_instance\": a", "zone\": example.org.",
        ] {
            #expect(b.log.contains(part), "\(part) of \(line)")
        }
        #expect(b.log.count("info - www.example.org. 300 IN A 192.0.2.81 ") == 1)
        #expect(b.log.count("info + www.example.org. 300 IN A 192.0.2.99 ") == 1)
        #expect(b.log.count("info - mail.example.org. 300 IN AAAA 2001:db8::25 ") == 1)
        #expect(b.log.count("info + new.example.org. 300 IN TXT \"\\010\\\"x\\027\" ") == 1)
        #expect(!b.log.contains("192.0.2.80") && !b.log.contains("192.0.2.25 ") && !b.log.contains("ent.example"))
        #expect(b.consumer.names("shard") == ["example.org."])
        let text = metrics(b)
        for (kind, count) in [("rrset_added", 1), ("rrset_changed", 2), ("rrset_removed", 1), ("bookkeeping", 1)] {
            #expect(
                text.contains(
                    "lightningstream_powerdns_changes_total{lmdb=\"shard\",direction=\"merged\",kind=\"\(kind)\"} \(count)\n"
                ))
        }
    }

    /// load-zone, edit-zone and transfers give every record of a zone a new timestamp.
    @Test func whatIsOnlyRewrittenIsNoChange() async throws {
        let (a, b) = try await pair(detailed())
        let rows = try #require(try a.contents(.shard)["records_v5"]).filter {
            $0.key.starts(with: RecordKey.prefix(domainID: Stored.exampleOrg)) && $0.value != nil
        }
        try a.write(.records, rows.map { ($0.key, $0.value) })
        try await a.sync()
        try await b.sync()
        #expect(b.log.count("info merged changes of zone") == 1)
        #expect(b.log.contains("rrsets_rewritten") && !b.log.contains("rrsets_changed"))
        #expect(!b.log.contains("info +") && !b.log.contains("info -"))
        #expect(b.consumer.all.isEmpty)
    }

    /// What secure-zone, set-nsec3 and rectify-zone of PowerDNS 5 write: flags of the same records, which may change answers.
    @Test func whatIsOnlyMarkedIsNoChangeEither() async throws {
        let (a, b) = try await pair(detailed())
        let rows = try #require(try a.contents(.shard)["records_v5"]).compactMap {
            key, payload -> ([UInt8], [UInt8]?)? in
            guard key.starts(with: RecordKey.prefix(domainID: Stored.exampleOrg)), var payload,
                let type = try? key.withUnsafeBytes({ try RecordKey($0).type }), type == .soa || type == .ns
            else { return nil }
            payload[payload.count - 3] ^= 1
            payload[payload.count - 1] ^= 1
            return (key, payload)
        }
        #expect(rows.count >= 2)
        try a.write(.records, rows)
        try await a.sync()
        try await b.sync()
        #expect(b.log.count("info merged changes of zone") == 1)
        #expect(b.log.contains("rrsets_rewritten\": \(rows.count)") && !b.log.contains("rrsets_changed"))
        #expect(!b.log.contains("serial") && !b.log.contains("info +") && !b.log.contains("info -"))
        // Caches are flushed, and the zone is checked.
        #expect(b.consumer.names("shard") == ["example.org."])
        #expect(metrics(b).contains("direction=\"merged\",kind=\"rrset_rewritten\"} \(rows.count)\n"))
    }

    @Test func aSendIsToldAsSoonAsItIsStored() async throws {
        let store = MemoryStore()
        let a = try SyncedSite("a", store, fixture: "4.9", detailed())
        try await a.sync { environments in
            let shard = try #require(environments["shard"])
            try await eventually { a.log.count("info start-up is complete") == 2 }
            #expect(!a.log.contains("sent changes"))
            for serial in [2_026_000_001, 2_026_000_002] as [UInt32] {
                try await Task.detached {
                    try SyncedSite.write(
                        .records,
                        [
                            (Stored.key(Stored.exampleOrg, "", .soa), Stored.soa(serial)),
                            (Stored.key(Stored.exampleOrg, "www", .a), Stored.records([192, 0, 2, 7])),
                            (Stored.key(Stored.exampleOrg, "mail", .a), nil),
                        ], to: shard)
                }.value
                try await eventually { a.log.contains("serial\": \(serial)") }
            }
        }
        #expect(a.log.contains("rrsets_written\": 2") && a.log.contains("rrsets_removed\": 1"))
        #expect(a.log.contains("serial_old\": 2026000001") && !a.log.contains("serial_old\": 2024010102"))
        #expect(a.log.contains("info + www.example.org. 300 IN A 192.0.2.7 "))
        #expect(a.log.contains("info - mail.example.org. A "))
        #expect(metrics(a).contains("direction=\"sent\",kind=\"rrset_written\"} 4\n"))
        #expect(a.consumer.all.isEmpty)
    }

    @Test func zonesThatComeAndGoAreTold() async throws {
        let (a, b) = try await pair(detailed())
        let entry = try IndexKey(zone: ZoneName("fresh.example"), id: 77).bytes
        try a.write(.domains, [([0, 0, 0, 77], try Stored.domain("fresh.example"))])
        try a.write(.domainsIndex, [(entry, [])])
        try a.write(.records, [(Stored.key(77, "", .soa), Stored.soa(1))])
        try await a.sync()
        try await b.sync()
        #expect(b.log.contains("zones_created\": 1"))
        #expect(b.log.contains("info + fresh.example. 300 IN SOA . . 1 0 0 0 0 "))
        try a.write(.domains, [([0, 0, 0, 77], nil)])
        try a.write(.domainsIndex, [(entry, nil)])
        try a.write(.records, [(Stored.key(77, "", .soa), nil)])
        try await a.sync()
        // The main database is merged before the records: the name is still known.
        try await b.sync()
        #expect(b.log.contains("zones_deleted\": 1"))
        #expect(b.log.contains("info - fresh.example. 300 IN SOA . . 1 0 0 0 0 ") || b.log.contains("zone\": #77"))
        #expect(b.consumer.names("main") == ["fresh.example."])
    }

    /// The records may be merged before anybody has looked what the other database is.
    @Test func namesAreFoundBeforeTheMainDatabaseIsKnown() async throws {
        let site = try SyncedSite("a", MemoryStore(), fixture: "4.9")
        let databases = PowerDNSDatabases(InspectorSettings())
        try await site.withOpen(.main) { environment in
            databases.observe(.opened(environment), of: "main")
            #expect(databases.environment(.main) == nil)
            var names = ZoneNames()
            let found = await names.find([Stored.exampleOrg, 4711], in: databases.mayHaveZones())
            let expected = try ZoneName("example.org")
            #expect(found == [Stored.exampleOrg: expected])
            databases.close()
            #expect(databases.mayHaveZones().isEmpty)
            // What is nowhere any more is remembered.
            #expect(await names.find([Stored.exampleOrg], in: []).count == 1)
        }
    }

    @Test func nothingIsLoggedWhenItIsOff() async throws {
        var off = InspectorSettings()
        off.detail = .off
        let (a, b) = try await pair(off)
        try a.write(.records, [(Stored.key(Stored.exampleOrg, "www", .a), Stored.records([1, 2, 3, 4]))])
        try await a.sync()
        try await b.sync()
        #expect(!b.log.contains("merged changes"))
        // Others want to know all the same.
        #expect(b.consumer.names("shard") == ["example.org."])
        #expect(metrics(b).contains("kind=\"rrset_changed\"} 1\n"))
    }

    @Test func aDatabaseOfAnotherApplicationIsLeftAlone() async throws {
        let store = MemoryStore()
        let (a, b) = (try SyncedSite("a", store), try SyncedSite("b", store, detailed()))
        // A DBI of a name that PowerDNS has, too, with contents that are not PowerDNS's.
        try a.open(.main) { environment in
            try environment.write { transaction in
                for name in ["orders", "views_v6"] {
                    let database = try transaction.database(name, creating: [])
                    var value = [UInt8](repeating: 0, count: EntryHeader.size) + [1]
                    value.replaceSubrange(0..<8, with: [0x18, 0, 0, 0, 0, 0, 0, 0])
                    try [UInt8]("k".utf8).withUnsafeBytes { key in
                        try value.withUnsafeBytes { try transaction.put(database, key, $0) }
                    }
                }
                return .commit(())
            }
        }
        try await a.sync([.main])
        try await b.sync([.main])
        #expect(try b.contents(.main) == a.contents(.main))
        #expect(!b.log.contains("changes of") && !b.log.contains("refused"))
        #expect(b.consumer.all.isEmpty)
        let databases = PowerDNSDatabases(InspectorSettings())
        let inspector = PowerDNSInspector(
            InspectorSettings(), databases: databases, registry: MetricRegistry(), logger: b.log.logger)
        let kind = try b.open(.main) { try $0.read { try databases.detectKind(of: "main", $0) } }
        #expect(kind == .foreign)
        #expect(inspector.inspectSend(of: "main") == nil)
    }

    @Test func theDocumentationHasTheMetrics() throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../docs/powerdns.md").standardizedFileURL
        let text = try String(contentsOf: page, encoding: .utf8)
        let registry = MetricRegistry()
        _ = PowerDNSMetrics(registry)
        #expect(!registry.descriptions.isEmpty)
        for metric in registry.descriptions {
            let labels = metric.labels.map { "`\($0)`" }.joined(separator: ", ")
            #expect(text.contains("| `\(metric.name)` | \(metric.type) | \(labels) | \(metric.help) |"))
        }
        for kind in ChangeKind.allCases { #expect(text.contains("`\(kind.label)`"), "\(kind)") }
    }
}

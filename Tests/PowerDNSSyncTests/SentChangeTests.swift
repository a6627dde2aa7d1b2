import BlobStorage
import LMDB
import PowerDNSFormat
import Replication
import Snapshots
import TestSupport
import Testing

@testable import PowerDNSSync

/// What is told of a send that has compared pages: the same as of its merge elsewhere.
@Suite(.timeLimit(.minutes(5))) struct SentChangeTests {
    private static let schemas: [Schema] = [.native, .shadow(dupSortHack: false)]
    private let zone = Stored.exampleOrg

    private func site(
        _ name: String, _ store: any BlobStore, _ schema: Schema = .native, usesDeltas: Bool = true
    ) throws -> SyncedSite {
        var settings = InspectorSettings()
        settings.detail = .records
        return try SyncedSite(name, store, fixture: "4.9", settings, schema: schema, usesDeltas: usesDeltas)
    }

    /// Runs a site until `body` ends, which begins when both databases are sent.
    private func running(
        _ site: SyncedSite, _ body: @escaping @Sendable (_ main: Environment, _ shard: Environment) async throws -> Void
    ) async throws {
        let started = site.log.count("info start-up is complete")
        try await site.sync { environments in
            let (main, shard) = (try #require(environments["main"]), try #require(environments["shard"]))
            try await eventually { site.log.count("info start-up is complete") == started + 2 }
            #expect(!site.log.contains("sent changes"))
            try await body(main, shard)
        }
    }

    /// The texts of lines, without their direction and what names the snapshot.
    private func texts(_ site: SyncedSite, _ direction: String) -> [String] {
        let own = ["snapshot_name", "snapshot_instance"]
        return
            (site.log.all(with: "info \(direction) changes") + site.log.all(with: "info + ")
            + site.log.all(with: "info - "))
            .map { line in
                let parts = line.split(separator: "[", maxSplits: 1)
                let fields = parts.last?.dropLast().split(separator: ", ").map(String.init).sorted() ?? []
                let message = parts.first?.replacing("info \(direction)", with: "info") ?? ""
                return message + fields.filter { field in !own.contains { field.contains($0) } }.joined(separator: " ")
            }.sorted()
    }

    private func sent(_ site: SyncedSite, _ kind: String) -> String? {
        let prefix = "lightningstream_powerdns_changes_total{lmdb=\"shard\",direction=\"sent\",kind=\"\(kind)\"} "
        return String(decoding: site.registry.text(), as: UTF8.self).split(separator: "\n")
            .first { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
    }

    @Test(arguments: schemas) func aSendIsToldAsItsMergeIs(schema: Schema) async throws {
        let store = MemoryStore()
        let (a, b) = (try site("a", store, schema), try site("b", store, schema))
        try await a.sync()
        try await b.sync()
        let same = try #require(try a.contents(.shard)["records_v5"]?[Stored.key(zone, "mail", .a)] ?? nil)
        let entries: [([UInt8], [UInt8]?)] = [
            (try Stored.key(zone, "", .soa), Stored.soa(2_026_000_001)),
            (try Stored.key(zone, "www", .a), Stored.records([192, 0, 2, 80], [192, 0, 2, 99])),
            (try Stored.key(zone, "new", .txt), Stored.records([4, 0x0a, 0x22, 0x78, 0x1b])),
            (try Stored.key(zone, "mail", .a), same), (try Stored.key(zone, "mail", .aaaa), nil),
            (try Stored.key(zone, "ent", .emptyNonTerminal), Stored.records([], ttl: 0)),
            (try Stored.key(zone, "never", .a), nil),
        ]
        try await running(a) { _, shard in
            try await Task.detached { try SyncedSite.write(.records, entries, to: shard) }.value
            try await eventually { a.log.contains("info - mail.example.org.") }
        }
        #expect(a.log.count("info sent changes of zone") == 1)
        for part in [
            "rrsets_added\": 1", "rrsets_changed\": 2", "rrsets_removed\": 1", "rrsets_rewritten\": 1",
            "serial_old\": 2024010102", "serial\": 2026000001", "zone\": example.org.",
        ] {
            #expect(a.log.all(with: "info sent changes of zone").allSatisfy { $0.contains(part) }, "\(part)")
        }
        #expect(a.log.count("info - www.example.org. 300 IN A 192.0.2.81 ") == 1)
        #expect(a.log.count("info + www.example.org. 300 IN A 192.0.2.99 ") == 1)
        #expect(a.log.count("info - mail.example.org. 300 IN AAAA 2001:db8::25 ") == 1)
        #expect(!a.log.contains("rrsets_written") && sent(a, "rrset_written") == nil)
        for (kind, count) in [
            ("rrset_added", "1"), ("rrset_changed", "2"), ("rrset_removed", "1"), ("rrset_rewritten", "1"),
            ("bookkeeping", "1"),
        ] {
            #expect(sent(a, kind) == count, "\(kind)")
        }
        #expect(a.consumer.all.isEmpty)
        try await b.sync()
        #expect(b.log.count("info merged changes of zone") == 1)
        #expect(texts(a, "sent") == texts(b, "merged"))
    }

    @Test func eachSendIsToldOnceAndFromTheLastOneOn() async throws {
        let a = try site("a", MemoryStore())
        try await running(a) { _, shard in
            for (round, ttl) in [60, 61, 62].enumerated() as EnumeratedSequence<[UInt32]> {
                let value = Stored.records([192, 0, 2, 7], ttl: ttl)
                let key = try Stored.key(Stored.exampleOrg, "fresh", .a)
                try await Task.detached { try SyncedSite.write(.records, [(key, value)], to: shard) }.value
                try await eventually { a.log.count("info sent changes of zone") == round + 1 }
                try await eventually { a.log.contains("info + fresh.example.org. \(ttl) IN A") }
            }
        }
        #expect(a.log.count("rrsets_added\": 1") == 1 && a.log.count("rrsets_changed\": 1") == 2)
        for ttl in [60, 61] {
            #expect(a.log.count("info + fresh.example.org. \(ttl) IN A 192.0.2.7 ") == 1)
            #expect(a.log.count("info - fresh.example.org. \(ttl) IN A 192.0.2.7 ") == 1)
        }
    }

    /// In shadow mode this is how an application deletes; in native mode others keep the entry.
    @Test(arguments: schemas) func whatIsRemovedWithoutAMarkIsTold(schema: Schema) async throws {
        let a = try site("a", MemoryStore(), schema)
        try await running(a) { _, shard in
            let key = try Stored.key(Stored.exampleOrg, "mail", .aaaa)
            try await Task.detached { try SyncedSite.remove(.records, [key], from: shard) }.value
            try await eventually { a.log.contains("info - mail.example.org. 300 IN AAAA 2001:db8::25 ") }
        }
        #expect(a.log.count("info sent changes of zone") == 1 && a.log.contains("rrsets_removed\": 1"))
    }

    @Test func zonesThatComeAndGoAreTold() async throws {
        let a = try site("a", MemoryStore())
        let entry = try IndexKey(zone: ZoneName("fresh.example"), id: 77).bytes
        let (domain, soa) = (try Stored.domain("fresh.example"), try Stored.key(77, "", .soa))
        try await running(a) { main, shard in
            for isThere in [true, false] {
                try await Task.detached {
                    try SyncedSite.write(.domains, [([0, 0, 0, 77], isThere ? domain : nil)], to: main)
                    try SyncedSite.write(.domainsIndex, [(entry, isThere ? [] : nil)], to: main)
                    try SyncedSite.write(.records, [(soa, isThere ? Stored.soa(1) : nil)], to: shard)
                }.value
                let sign = isThere ? "+" : "-"
                try await eventually { a.log.contains("zones_\(isThere ? "created" : "deleted")\": 1") }
                try await eventually { a.log.contains("info \(sign) fresh.example. 300 IN SOA . . 1 0 0 0 0 ") }
            }
        }
        #expect(a.log.count("zones_created\": 1") == 1 && a.log.count("zones_deleted\": 1") == 1)
        #expect(!a.log.contains("zones_written") && !a.log.contains("zones_changed"))
    }

    /// Where a comparison fails, everything is read, and what the comparison has reported is discarded.
    @Test func whatAFailedComparisonHasReportedIsDiscarded() throws {
        let site = try site("a", MemoryStore())
        let inspector = PowerDNSInspector(
            InspectorSettings(), databases: PowerDNSDatabases(InspectorSettings()), registry: site.registry,
            logger: site.log.logger)
        let inspection = PowerDNSSendInspection(inspector, of: "shard")
        let (key, value) = (try Stored.key(zone, "www", .a), Stored.records([192, 0, 2, 7]))
        try site.open(.shard) { environment in
            try environment.read { transaction in
                key.withUnsafeBytes { key in
                    value.withUnsafeBytes { value in
                        let version = MergeRule.Version(timestamp: 1, isDeleted: false, value: value)
                        #expect(throws: Never.self) { try inspection.begins(transaction) }
                        inspection.change(of: key, in: "records_v5", from: nil, to: version)
                        #expect(inspection.changes.totals.present.map(\.kind) == [.rrsetAdded])
                        #expect(throws: Never.self) { try inspection.begins(transaction) }
                        inspection.change(of: key, in: "records_v5", to: version)
                        #expect(inspection.changes.totals.present.map(\.kind) == [.rrsetWritten])
                    }
                }
            }
        }
    }

    /// Without deltas each send reads everything: what was there before is unknown, and is not claimed.
    @Test func aSendThatReadsEverythingSaysWhatWasWritten() async throws {
        let a = try site("a", MemoryStore(), usesDeltas: false)
        try await running(a) { _, shard in
            let entries: [([UInt8], [UInt8]?)] = [
                (try Stored.key(Stored.exampleOrg, "www", .a), Stored.records([192, 0, 2, 7])),
                (try Stored.key(Stored.exampleOrg, "mail", .aaaa), nil),
            ]
            try await Task.detached { try SyncedSite.write(.records, entries, to: shard) }.value
            try await eventually { a.log.contains("info - mail.example.org. AAAA ") }
        }
        #expect(a.log.contains("rrsets_written\": 1") && a.log.contains("rrsets_removed\": 1"))
        #expect(!a.log.contains("rrsets_changed") && !a.log.contains("192.0.2.81"))
    }
}

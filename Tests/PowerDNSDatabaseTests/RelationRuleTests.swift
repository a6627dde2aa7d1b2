import Foundation
import LMDB
import PowerDNSFormat
import PowerDNSTestSupport
import TestSupport
import Testing

@testable import PowerDNSDatabase

/// What belongs together, and what PowerDNS can't read.
@Suite struct RelationRuleTests {
    static let cases: [RuleCase] = [
        RuleCase("records of no zone, told once", finds: "records-without-zone", "records-without-zone") { writer, _ in
            try writer.put("www", .a, of: 3, [.address])
            try writer.put("mail", .a, of: 3, [.address])
            try writer.put("www", .a, of: 9, [.address])
        },
        RuleCase("Deleted records of no zone") { writer, _ in
            try writer.delete(.records, PowerDNSWriter.key("www", .a, of: 3))
        },
        RuleCase("metadata of no zone, told once", finds: "metadata-without-zone") { writer, _ in
            try writer.addMetadata("gone.test", "A", "1")
            try writer.addMetadata("gone.test", "B", "2")
        },
        RuleCase("keys of no zone", finds: "key-without-zone") { writer, _ in try writer.addKey("gone.test") },
        RuleCase(
            "comments and extras of no zone, told once", finds: "domain-extra-without-zone", "comments-without-zone",
            "comments-without-zone"
        ) { writer, id in
            let extra: [UInt8] = [0, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 12)
            try writer.put(.domainsExtra, Bytes.big(id), extra)
            try writer.put(.domainsExtra, Bytes.big(UInt32(3)), extra)
            try writer.delete(.domainsExtra, Bytes.big(UInt32(4)))
            for (zone, owner) in [(id, "www"), (3, "a"), (3, "b"), (9, "a")] as [(UInt32, String)] {
                let key = try PowerDNSWriter.key(owner, .a, of: zone)
                try writer.put(.comments, key + [UInt8](repeating: 7, count: 32), [0x1a, 1, 0x61])
            }
            try writer.delete(.comments, PowerDNSWriter.key("a", .a, of: 5) + [UInt8](repeating: 7, count: 32))
        },
        RuleCase("a zone without index", finds: "object-without-index") { writer, _ in
            try writer.addSoundZone("lost.test", id: 8)
            try writer.delete(.domainsIndex, IndexKey(zone: ZoneName("lost.test"), id: 8).bytes)
        },
        RuleCase("an index without zone", finds: "index-without-object") { writer, _ in
            try writer.addIndex(.domains, ZoneName("lost.test"), id: 8)
        },
        RuleCase("an index that leads to another zone", finds: "index-without-object") { writer, id in
            try writer.addIndex(.domains, ZoneName("lost.test"), id: id)
        },
        RuleCase("an index without metadata", finds: "index-without-object") { writer, _ in
            try writer.addIndex(.metadata, ZoneName("z.test"), id: 8)
        },
        RuleCase("two zones of one name", finds: "duplicate-zone") { writer, _ in
            try writer.addSoundZone("Z.test", id: 8)
        },
        RuleCase("three zones of one name are one finding", finds: "duplicate-zone") { writer, _ in
            try writer.addSoundZone("z.test", id: 8)
            try writer.addSoundZone("z.test", id: 9)
        },
        RuleCase("a zone that was deleted and made again") { writer, id in
            try writer.addSoundZone("z.test", id: 8)
            try writer.delete(.domains, Bytes.big(id))
            try writer.delete(.domainsIndex, IndexKey(zone: ZoneName("z.test"), id: id).bytes)
            for (owner, type) in [("", RecordType.soa), ("", .ns), ("ns1", .a)] {
                try writer.delete(.records, PowerDNSWriter.key(owner, type, of: id))
            }
        },
        RuleCase("a value without header", finds: "bad-header") { writer, _ in
            try writer.put(raw: [([0, 0, 0, 8], [1, 2, 3])], .tsigKeys)
        },
        RuleCase("a key of the wrong size", finds: "bad-key") { writer, _ in try writer.put(.domains, [1, 2], []) },
        RuleCase("a Deleted key of the wrong size", finds: "bad-key") { writer, _ in
            try writer.delete(.domains, [1, 2])
        },
        RuleCase("a value that can't be decoded", finds: "bad-value") { writer, _ in
            try writer.put(.domains, [0, 0, 0, 8], [9, 9, 9])
            // Nothing that follows from it.
            try writer.put("www", .a, of: 8, [.address])
        },
    ]

    @Test(arguments: cases, [5, 6] as [UInt32]) func findsWhatIsTornApart(_ rule: RuleCase, schema: UInt32) throws {
        let writer = try PowerDNSWriter(schema: schema)
        try writer.addSoundZone("z.test", id: 7)
        try rule.fill(writer, 7)
        #expect(try writer.findings() == rule.findings)
    }

    @Test func variantsAreZonesOfTheirOwn() throws {
        let writer = try PowerDNSWriter(schema: 6)
        try writer.addSoundZone("z.test", id: 7)
        try writer.addZone("z.test..inside", id: 8)
        try writer.put("", .soa, of: 8, [.soa])
        try writer.put("", .ns, of: 8, [.name("ns1.z.test"), .name("ns.other.test")])
        try writer.put("ns1", .a, of: 8, [.address])
        try writer.put(.views, Array("v".utf8) + [0] + KeyName.bytes(DomainName("z.test")), Array("inside".utf8))
        try writer.put(.networks, [4, 192, 0, 2, 0, 24], Array("v".utf8))
        #expect(try writer.findings() == [])
        try writer.put(.views, Array("v".utf8) + [0] + KeyName.bytes(DomainName("other.test")), [])
        try writer.put(.networks, [4, 192, 0, 3, 0, 24], Array("w".utf8))
        let found = try writer.found()
        #expect(found.map(\.short) == ["view-without-zone", "network-without-view"])
        #expect(found.first?.zone == "other.test.")
    }

    @Test func ofSeveralZonesTheOldestIndexEntryCounts() throws {
        let writer = try PowerDNSWriter()
        try writer.addSoundZone("z.test", id: 7)
        writer.timestamp -= 1
        try writer.addSoundZone("z.test", id: 9)
        try writer.addSoundZone("z.test", id: 8)
        let text = try #require(try writer.found().first?.text)
        #expect(text.hasPrefix("there are 3 zones of this name, with the IDs 7, 8, 9; PowerDNS uses 8, "))
        // One that is gone is used all the same.
        try writer.delete(.domains, Bytes.big(UInt32(8)))
        let texts = try writer.found().filter { $0.rule == .duplicateZone }.map(\.text)
        #expect(texts.count == 1 && texts[0].contains("PowerDNS uses 8, which does not exist, so it finds none"))
    }

    @Test(arguments: ["4.9", "5.1"]) func realDatabasesAreSound(version: String) throws {
        let directory = try TemporaryDirectory()
        let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "SnapshotsTests/Fixtures")
        func open(_ role: String) throws -> LMDB.Environment {
            let name = "pdns-\(version).\(role).mdb"
            try Data(contentsOf: fixtures.appending(path: name)).write(to: URL(filePath: directory.file(name)))
            return try LMDB.Environment(
                EnvironmentOptions(path: directory.file(name), noSubdirectory: true, readOnly: true))
        }
        var found: [String] = []
        let summary = try ZoneChecker.check(.everything, main: try open("main"), shard: try open("shard")) {
            found.append("\($0.severity) \($0.short)")
        }
        let isNew = version == "5.1"
        // Its variant example.org..inside names a server whose address only the zone itself has.
        let known =
            (isNew ? ["warning target-missing example.org. NS"] : []) + ["warning soa-missing secondary.test. SOA"]
        #expect(found == known)
        #expect(summary == ZoneChecker.Summary(zones: isNew ? 6 : 5, errors: 0, warnings: known.count))
    }

    @Test func hugeNamesAreCutOff() throws {
        let writer = try PowerDNSWriter(schema: 6)
        let key = Array("v".utf8) + [0] + KeyName.bytes(try DomainName("z.test"))
        try writer.put(.views, key, [UInt8](repeating: 0x61, count: 1 << 20))
        let finding = try #require(try writer.found().first)
        #expect(finding.rule == .viewWithoutZone)
        #expect("\(finding)".utf8.count < 5000)
    }

    @Test func oneDatabaseAloneIsCheckedAsFarAsThatGoes() throws {
        let writer = try PowerDNSWriter()
        try writer.addZone("z.test", id: 7)
        try writer.put("www", .a, of: 3, [PowerDNSWriter.Record(rdata: [1])])
        try writer.put(raw: [([0, 0, 0, 4, 1], [])], .records)
        var found: [String] = []
        _ = try ZoneChecker.check(.everything, main: writer.main, shard: nil) { found.append($0.short) }
        #expect(found == [])
        _ = try ZoneChecker.check(.everything, main: nil, shard: writer.shard) { found.append($0.short) }
        #expect(found == ["bad-value", "bad-header"])
    }
}

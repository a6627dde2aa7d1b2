import Foundation
import LMDB
import PowerDNSFormat
import Snapshots
import TestSupport
import Testing

@testable import Commands

/// `pdns` with LMDBs that real servers made, and with the snapshots that release 1.0 wrote of them.
@Suite struct PowerDNSCommandTests {
    private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("..").standardizedFileURL.path
    private static let snapshots = "\(tests)/SnapshotsTests/Fixtures"
    static let versions = ["4.9", "5.1"]

    private let directory: TemporaryDirectory
    private var configuration: String { directory.file("lightningstream.yaml") }

    init() throws {
        directory = try TemporaryDirectory()
        let bucket = directory.file("bucket")
        try FileManager.default.createDirectory(atPath: bucket, withIntermediateDirectories: false)
        for name in try FileManager.default.contentsOfDirectory(atPath: Self.snapshots) where name.hasSuffix(".pb.gz") {
            try FileManager.default.copyItem(atPath: "\(Self.snapshots)/\(name)", toPath: "\(bucket)/\(name)")
        }
    }

    /// Copies a server's LMDBs and configures them.
    private func use(_ version: String, as name: String = "db", configured: Bool = true) throws {
        for (kind, suffix) in [("main", ""), ("shard", "-0")] {
            let path = directory.file(name + suffix)
            try FileManager.default.copyItem(atPath: "\(Self.snapshots)/pdns-\(version).\(kind).mdb", toPath: path)
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        }
        guard configured else { return }
        try configure()
    }

    private func configure(_ more: String = "", databases: [(String, String)] = [("zones", "db"), ("rrs", "db-0")])
        throws
    {
        let lines = databases.map { name, file in
            "  \(name): {path: \(directory.path)/\(file), options: {no_subdir: true}, schema_tracks_changes: true}"
        }
        try directory.write(
            "lightningstream.yaml",
            """
            lmdbs:
            \(lines.joined(separator: "\n"))
            storage: {type: fs, options: {root_path: \(directory.path)/bucket}}
            \(more)
            """)
    }

    private func pdns(_ arguments: String...) async -> CommandResult {
        await runCommand(["-c", configuration, "pdns"] + arguments)
    }

    private func snapshot(_ kind: String, _ version: String) throws -> String {
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.snapshots)
        return try #require(
            names.first { $0.hasPrefix("\(kind)__go-\(version.replacing(".", with: "-"))") })
    }

    /// What pdnsutil printed, by zone.
    private func listings(_ version: String) throws -> [String: String] {
        let text = try String(
            contentsOfFile: "\(Self.tests)/PowerDNSFormatTests/Fixtures/pdns-\(version).list-zone.txt", encoding: .utf8)
        var listings: [String: String] = [:]
        for part in text.components(separatedBy: "== list-zone ").dropFirst() {
            let end = try #require(part.firstIndex(of: "\n"))
            listings[String(part[..<end])] = String(part[part.index(after: end)...])
        }
        return listings
    }

    private func json<Value>(_ text: String, as: Value.Type = Value.self) throws -> Value {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? Value, "\(text)")
    }

    // MARK: show

    @Test(arguments: versions)
    func showsWhatPdnsutilShows(version: String) async throws {
        try use(version)
        let listings = try listings(version)
        #expect(listings.count >= 4)
        let name = try snapshot("shard", version)
        for (zone, text) in listings {
            #expect(await pdns("show", zone) == CommandResult(exitCode: 0, output: text, errors: ""))
            // The same from a snapshot in the storage, to which the other one is found, and from files.
            #expect(await pdns("show", "--snapshot", name, "\(zone).").output == text || zone.contains(".."))
            let file = await runCommand(["pdns", "show", zone, "--snapshot", "\(Self.snapshots)/\(name)"])
            #expect(file == CommandResult(exitCode: 0, output: text, errors: ""))
            let lmdb = await runCommand(["pdns", "show", zone, "--snapshot", directory.file("db-0")])
            #expect(lmdb == CommandResult(exitCode: 0, output: text, errors: ""))
        }
    }

    @Test(arguments: versions)
    func showsMetadataAndKeysAsComments(version: String) async throws {
        try use(version)
        let plain = await pdns("show", "example.org").output
        let result = await pdns("show", "Example.ORG.", "--meta", "--keys")
        #expect(result.output.hasSuffix(plain))
        let comments = result.output.dropLast(plain.count).split(separator: "\n")
        #expect(comments.allSatisfy { $0.hasPrefix("; ") })
        #expect(comments.contains("; metadata ALLOW-AXFR-FROM = 127.0.0.0/8, ::1"))
        let (id, tag) = version == "4.9" ? (1_149_028_669, 45811) : (652_121_288, 58715)
        #expect(
            comments.last == "; key \(id): ECDSAP256SHA256, key tag \(tag), flags 257, active, published")
        #expect(!result.output.contains("PrivateKey"))
        let text = await pdns("show", "example.org", "--meta", "--keys", "--json").output
        #expect(!text.contains("PrivateKey"))
        let zone: [String: Any] = try json(text)
        #expect(zone["zone"] as? String == "example.org." && zone["kind"] as? String == "Primary")
        let records = try #require(zone["records"] as? [[String: Any]])
        #expect(records.count == plain.split(separator: "\n").count - 1 + 1, "one is disabled")
        #expect(records.filter { $0["disabled"] as? Bool == true }.map { $0["content"] as? String } == ["192.0.2.55"])
        #expect((zone["keys"] as? [[String: Any]])?.first?["tag"] as? Int == tag)
        #expect((zone["metadata"] as? [[String: Any]])?.first?["values"] as? [String] == ["127.0.0.0/8", "::1"])
    }

    @Test func namesZonesThatMayBeMeant() async throws {
        try use("4.9")
        let typo = await pdns("show", "exmple.org")
        #expect(typo.errors == "lightningstream: there is no zone exmple.org.; did you mean example.org.?\n")
        #expect(typo.exitCode == 1 && typo.output.isEmpty)
        #expect(
            await pdns("show", "www.example.org").errors
                == "lightningstream: there is no zone www.example.org.; it would be a name in example.org.\n")
        #expect(await pdns("show", "nowhere.invalid").errors.hasSuffix("; pdns zones lists all zones\n"))
        let bad = await pdns("show", "a..")
        #expect(bad.exitCode == 64 && bad.errors.split(separator: "\n").count == 1)
        #expect(await pdns("show").exitCode == 64)
    }

    @Test func showsWhatCanBeReadOfADamagedZone() async throws {
        try use("5.1")
        try directory.edit("db-0", .records) { key, payload in
            // An A record whose RDATA has 3 bytes.
            guard key.type == .a, key.ownerKey.elementsEqual("www\0".utf8) else { return nil }
            return [3, 0, 1, 2, 3] + payload.dropFirst(6).prefix(7)
        }
        let result = await pdns("show", "example.org")
        #expect(result.exitCode == 1)
        #expect(result.errors.hasPrefix("lightningstream: zone example.org.: www.example.org. A ends too early"))
        #expect(result.output.contains("mail.example.org.") && result.output.contains("www2.example.org."))
        let zone: [String: Any] = try json(await pdns("show", "example.org", "--json").output)
        let records = try #require(zone["records"] as? [[String: Any]])
        #expect(records.contains { $0["content"] as? String == "\\# 3 010203" })
    }

    // MARK: zones

    @Test(arguments: versions)
    func listsZones(version: String) async throws {
        try use(version)
        let rows: [[String: Any]] = try json(await pdns("zones", "--json").output)
        let names = rows.compactMap { $0["zone"] as? String }
        let variant = version == "4.9" ? [] : ["example.org..inside"]
        #expect(
            names == ["2.0.192.in-addr.arpa.", "example.net.", "example.org."] + variant + [
                "catalog.test.", "secondary.test.",
            ])
        let row = rows[2]
        #expect(row["kind"] as? String == "Primary" && row["records"] as? Int == 19 && row["keys"] as? Int == 1)
        #expect(row["serial"] as? Int == (version == "4.9" ? 2_024_010_102 : 2_026_112_101))
        #expect(row["account"] as? String == "acme" && row["catalog"] as? String == "catalog.test.")
        #expect(row["dnssec"] as? String == "signed")
        #expect(rows.last?["primaries"] as? [String] == ["192.0.2.1:53", "[2001:db8::1]:5300"])
        #expect(rows.last?["serial"] == nil && rows.last?["dnssec"] as? String == "no")
        let listings = try listings(version)
        for row in rows {
            let zone = try #require(row["zone"] as? String)
            let listing = listings[zone.hasSuffix(".") ? String(zone.dropLast()) : zone]
            #expect(row["records"] as? Int == (listing?.split(separator: "\n").count ?? 1) - 1, "\(zone)")
        }
        let text = await pdns("zones").output.split(separator: "\n")
        #expect(text.count == rows.count + 2)
        #expect(text.first?.split(separator: " ").last == "zone")
        #expect(text.dropFirst().dropLast().map { $0.split(separator: " ").last.map(String.init) } == names)
        #expect(text.last == "\(rows.count) zones, \(version == "4.9" ? 28 : 31) records, 2 secured")
        let other = await pdns("zones", "--snapshot", try snapshot("main", version), "--json").output
        #expect(try NSArray(array: json(other, as: [[String: Any]].self)).isEqual(rows))
    }

    @Test func saysWhichDatabasesAreMissing() async throws {
        try use("4.9")
        try configure(databases: [("zones", "db")])
        let records = await pdns("zones")
        #expect(records.exitCode == 1 && records.errors.contains("has PowerDNS's records; add the file"))
        try configure(databases: [("rrs", "db-0")])
        let zones = await pdns("zones")
        #expect(zones.exitCode == 1 && zones.errors.contains("is one of PowerDNS 4.8 or later; configured are: rrs"))
        try configure(databases: [("zones", "missing"), ("rrs", "db-0")])
        #expect(await pdns("zones").errors.contains("missing"))
    }

    @Test func takesTheDatabasesThatTheConfigurationNames() async throws {
        try use("4.9")
        try use("5.1", as: "other")
        let databases = [("zones", "db"), ("rrs", "db-0"), ("z5", "other"), ("r5", "other-0")]
        try configure(databases: databases)
        let both = await pdns("zones")
        #expect(both.exitCode == 1 && both.errors.contains("both zones and z5 contain zones of PowerDNS"))
        try configure("powerdns: {main: z5, shard: r5}", databases: databases)
        #expect(await pdns("zones").output.hasSuffix("6 zones, 31 records, 2 secured\n"))
    }

    // MARK: Snapshots

    @Test func refusesSnapshotsThatDoNotFit() async throws {
        try use("4.9")
        let (main, shard) = (try snapshot("main", "4.9"), try snapshot("shard", "4.9"))
        #expect(await pdns("zones", "--snapshot", main, "--snapshot", shard).exitCode == 0)
        #expect(await pdns("zones", "--snapshot", shard, "--snapshot", main).exitCode == 0)
        let twice = await pdns("zones", "--snapshot", main, "--snapshot", try snapshot("main", "5.1"))
        #expect(twice.exitCode == 1 && twice.errors.contains("contains zones, as does the other one"))
        #expect(await pdns("zones", "--snapshot", "a", "--snapshot", "b", "--snapshot", "c").exitCode == 64)
        try FileManager.default.removeItem(atPath: directory.file("bucket/\(shard)"))
        let alone = await pdns("zones", "--snapshot", main)
        #expect(
            alone.errors
                == "lightningstream: there are no matching records for \(main); give their snapshot, too\n")
        var damaged = try #require(FileManager.default.contents(atPath: directory.file("bucket/\(main)")))
        damaged[damaged.count - 5] ^= 1
        try damaged.write(to: URL(fileURLWithPath: directory.file("bucket/\(main)")))
        let result = await pdns("zones", "--snapshot", main)
        #expect(result.exitCode == 1 && result.output.isEmpty)
        #expect(result.errors.hasPrefix("lightningstream: \(main): rejected the snapshot"))
        #expect(result.errors.split(separator: "\n").count == 1)
    }

    // MARK: diff

    @Test(arguments: versions)
    func findsNoDifferenceBetweenAnLMDBAndItsSnapshot(version: String) async throws {
        try use(version)
        let name = try snapshot("main", version)
        #expect(await pdns("diff", "lmdb", name) == CommandResult(exitCode: 0, output: "", errors: ""))
        #expect(await pdns("diff", name, "lmdb", "--summary") == CommandResult(exitCode: 0, output: "", errors: ""))
        #expect(
            await pdns("diff", name, "./\(name),\(name)").exitCode == 2, "the file is not there")
        #expect(
            await pdns("diff", "\(try snapshot("shard", version)),\(name)", "lmdb", "--json")
                == CommandResult(exitCode: 0, output: "[]\n", errors: ""))
    }

    @Test func showsWhatHasBeenEdited() async throws {
        try use("5.1")
        try use("5.1", as: "new", configured: false)
        let old = directory.file("db")
        try directory.edit("new-0", .records) { key, payload in
            guard key.domainID == 0x7165_a9c7 else { return nil }
            switch (key.type, String(decoding: key.ownerKey, as: UTF8.self)) {
            case (.a, "www\0"):
                // Another first address, and the TTL of both.
                return [4, 0, 192, 0, 2, 1, 60, 0, 0, 0, 1, 0, 1, 4, 0, 192, 0, 2, 81, 44, 1, 0, 0, 1, 0, 1]
            case (.aaaa, "mail\0"): return []
            // The TTL only, and served from now on.
            case (.a, "ns1\0"): return payload.prefix(6) + [10, 0, 0, 0] + payload.suffix(3)
            case (.a, "dis\0"): return payload.prefix(11) + [0] + payload.dropFirst(12)
            // What is no change: authority and order names only.
            case (.a, "mail\0"): return payload.dropLast(3) + [0, 0, 0]
            default: return nil
            }
        }
        let result = await pdns("diff", old, directory.file("new"))
        #expect(result.exitCode == 1 && result.errors.isEmpty)
        #expect(
            result.output == """
                zone example.org., serial 2026112101
                - dis.example.org. 77 IN A 192.0.2.55 ; disabled
                + dis.example.org. 77 IN A 192.0.2.55
                - mail.example.org. 300 IN AAAA 2001:db8::25
                - ns1.example.org. 3600 IN A 192.0.2.1
                + ns1.example.org. 10 IN A 192.0.2.1
                - www.example.org. 300 IN A 192.0.2.80
                + www.example.org. 60 IN A 192.0.2.1

                """)
        let turned = await pdns("diff", directory.file("new"), old, "--json").output
        let rows: [[String: String]] = try json(turned)
        #expect(
            rows.map { "\($0["change"] ?? "") \($0["kind"] ?? "") \($0["zone"] ?? "") \($0["text"] ?? "")" } == [
                "- record example.org. dis.example.org. 77 IN A 192.0.2.55",
                "+ record example.org. dis.example.org. 77 IN A 192.0.2.55 ; disabled",
                "+ record example.org. mail.example.org. 300 IN AAAA 2001:db8::25",
                "- record example.org. ns1.example.org. 10 IN A 192.0.2.1",
                "+ record example.org. ns1.example.org. 3600 IN A 192.0.2.1",
                "- record example.org. www.example.org. 60 IN A 192.0.2.1",
                "+ record example.org. www.example.org. 300 IN A 192.0.2.80",
            ])
        #expect(
            await pdns("diff", old, directory.file("new"), "--summary").output
                == "~ example.org., serial 2026112101, records -4 +3\n1 zone differs: records -4 +3\n")
    }

    @Test func joinsZonesByNameAcrossVersions() async throws {
        try use("4.9")
        let (four, five) = (try snapshot("main", "4.9"), try snapshot("main", "5.1"))
        let result = await pdns("diff", four, five)
        #expect(result.exitCode == 1)
        let lines = result.output.split(separator: "\n").map(String.init)
        // All IDs differ, and few records.
        #expect(lines.filter { $0.contains(" IN ") }.count == 9)
        #expect(lines.contains("zone example.org., serial 2024010102 -> 2026112101"))
        #expect(lines.contains("zone example.org..inside, only in B, serial 0"))
        #expect(lines.contains("- ; options {\"producer\":{\"unique\":\"abc\"}}"))
        #expect(lines.contains("+ ; metadata SOA-EDIT-API = DEFAULT"))
        #expect(lines.contains("- ; key ECDSAP256SHA256, key tag 45811, flags 257, active, published"))
        #expect(lines.contains("+ ; view internal example.org..inside"))
        #expect(!result.output.contains("PrivateKey"))
        let summary = await pdns("diff", five, four, "--summary").output.split(separator: "\n")
        #expect(
            summary.contains(
                "- example.org..inside, only in A, serial 0, records -3 +0, metadata -1 +0, properties -1 +0"))
        #expect(summary.last == "6 zones differ: records -6 +3")
        let rows: [[String: Any]] = try json(await pdns("diff", five, four, "--summary", "--json").output)
        #expect(rows.count == 7 && rows[3]["change"] as? String == "-")
        #expect((rows[3]["records"] as? [String: Int]) == ["removed": 3, "added": 0])
    }

    @Test func tellsTroubleFromDifferences() async throws {
        try use("4.9")
        let missing = await pdns("diff", "lmdb", "main__nobody__20260101-000000-000000000__GX.pb.gz")
        #expect(missing.exitCode == 2 && missing.errors.split(separator: "\n").count == 1)
        #expect(await pdns("diff", "lmdb").exitCode == 64)
        #expect(await runCommand(["-c", directory.file("none"), "pdns", "diff", "lmdb", "x"]).exitCode == 2)
    }

    @Test func saysOnWhichSideWhatCanNotBeRead() async throws {
        try use("4.9")
        let (old, new) = (directory.file("db"), directory.file("new"))
        let junk = header(9, 9) + Array("junk".utf8)
        /// Two copies, and junk in one or both.
        func fresh(_ a: [(String, [Entry])], _ b: [(String, [Entry])]) async throws -> CommandResult {
            for name in ["db", "db-0", "new", "new-0"] {
                try? FileManager.default.removeItem(atPath: directory.file(name))
            }
            try use("4.9", configured: false)
            try use("4.9", as: "new", configured: false)
            for (path, tables) in [(old, a), (new, b)] {
                for (table, entries) in tables {
                    try fill(path + (table == "records_v5" ? "-0" : ""), [(table, [], entries)])
                }
            }
            return await pdns("diff", old, new)
        }
        for table in ["keydata_v5", "metadata_v5", "tsig_v5"] {
            for value in [junk, [1, 2, 3]] {
                let entries = [(table, [Entry([0, 0, 0, 7], value)])]
                let both = try await fresh(entries, entries)
                #expect(both == CommandResult(exitCode: 0, output: "", errors: ""))
                for (side, result) in [("A", try await fresh(entries, [])), ("B", try await fresh([], entries))] {
                    #expect(result.exitCode == 2 && result.output.isEmpty)
                    #expect(result.errors.hasPrefix("lightningstream: \(side): \(table), key 00000007: "))
                    #expect(result.errors.split(separator: "\n").count == 1)
                }
            }
        }
        // 4.9's ID of example.org.
        let zone: [UInt8] = [0x46, 0xae, 0xc1, 0xab]
        let www: [UInt8] = zone + Array("www".utf8) + [0, 0, 0, 1]
        let cutOff: [UInt8] = header(9, 9) + [4, 0, 1]
        let cut = [("records_v5", [Entry(www, cutOff)])]
        let record = try await fresh([], cut)
        #expect(record.exitCode == 2)
        #expect(
            record.errors == "lightningstream: B: zone example.org.: records_v5, www.example.org. A: ends too early at "
                + "byte 2\n")
        #expect(record.output.contains("- www.example.org. 300 IN A 192.0.2.80"))
        #expect(try await fresh(cut, cut) == CommandResult(exitCode: 0, output: "", errors: ""))
        let odd = [("records_v5", [Entry(zone + [0x77], junk)])]
        let key = try await fresh(odd, [])
        #expect(key.exitCode == 2 && key.output.isEmpty)
        #expect(key.errors.hasPrefix("lightningstream: A: zone example.org.: records_v5, key 46aec1ab77: "))
        #expect(try await fresh(odd, odd).exitCode == 0)
        // Nothing of such a zone is compared, so it is told of in any case.
        let domain = [("domains_v5", [Entry(zone, junk)])]
        let zones = try await fresh(domain, domain)
        #expect(zones.exitCode == 2)
        let lines = zones.errors.split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines.first?.hasPrefix("lightningstream: A: domains_v5, key 46aec1ab: ") == true)
        #expect(lines.last?.hasPrefix("lightningstream: B: domains_v5, key 46aec1ab: ") == true)
    }
}

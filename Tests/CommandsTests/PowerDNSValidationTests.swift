import Foundation
import LMDB
import TestSupport
import Testing

@testable import Commands

/// `pdns check` and `experimental pdns-v5-fix-duplicate-domains` on databases that real servers made.
@Suite struct PowerDNSValidationTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// Copies the databases of a server, and makes a configuration for them.
    private func use(_ version: String) throws {
        let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "SnapshotsTests/Fixtures")
        for (role, file) in [("main", "db"), ("shard", "db-0")] {
            try Data(contentsOf: fixtures.appending(path: "pdns-\(version).\(role).mdb"))
                .write(to: URL(filePath: directory.file(file)))
        }
        try directory.write(
            "lightningstream.yaml",
            """
            lmdbs:
              main: {path: \(directory.file("db")), options: {no_subdir: true}, schema_tracks_changes: true}
              shard: {path: \(directory.file("db-0")), options: {no_subdir: true}, schema_tracks_changes: true}
            storage: {type: memory}

            """)
    }

    private func run(_ arguments: String...) async -> CommandResult {
        await runCommand(["-c", directory.file("lightningstream.yaml")] + arguments)
    }

    private static let id49: [UInt8] = [0x46, 0xae, 0xc1, 0xab]
    private static let txtAtCNAME = Array("www2".utf8) + [0, 0, 0, 16]

    private func addTXTBesideCNAME() throws {
        try fill(
            directory.file("db-0"),
            [
                (
                    "records_v5", [],
                    [
                        Entry(
                            Self.id49 + Self.txtAtCNAME,
                            header(9, 9) + [2, 0, 1, 0x61] + [0, 0, 0, 0] + [1, 0, 1])
                    ]
                )
            ])
    }

    @Test func warningsAreNoFailure() async throws {
        try use("4.9")
        let result = await run("pdns", "check")
        #expect(
            result.output == """
                warning soa-missing: secondary.test.: secondary.test. SOA: the zone has no records: it has not been \
                transferred from its primary yet
                5 zones checked: errors 0, warnings 1

                """)
        #expect(result.exitCode == 0 && result.errors.isEmpty)
        try use("5.1")
        let newer = await run("pdns", "check")
        #expect(newer.output.hasSuffix("6 zones checked: errors 0, warnings 2\n"))
        #expect(newer.exitCode == 0 && newer.errors.isEmpty)
        let variant = await run("pdns", "check", "example.org..inside")
        #expect(
            variant.output.hasPrefix("warning target-missing: example.org..inside: example.org. NS: the target ns1."))
    }

    @Test func errorsAre() async throws {
        try use("4.9")
        try addTXTBesideCNAME()
        let line =
            "error cname-with-other-data: example.org.: www2.example.org. CNAME: the name also has TXT, and answers contain "
            + "only one of them; remove the CNAME or the rest\n"
        let all = await run("pdns", "check")
        #expect(all.exitCode == 1)
        #expect(all.output.contains(line) && all.output.hasSuffix("5 zones checked: errors 1, warnings 1\n"))
        let bad = await run("pdns", "check", "Example.org")
        #expect(bad.output == line + "1 zone checked: errors 1, warnings 0\n")
        #expect(bad.exitCode == 1)
        let good = await run("pdns", "check", "example.net.", "catalog.test")
        #expect(good.output == "2 zones checked: errors 0, warnings 0\n")
        #expect(good.exitCode == 0)
    }

    @Test func theSameAsJSON() async throws {
        struct Report: Decodable {
            struct Finding: Decodable {
                var rule: String
                var severity: String
                var zone: String?
                var owner: String?
                var type: String?
                var text: String
            }
            var version: Int
            var findings: [Finding]
            var zones: Int
            var errors: Int
            var warnings: Int
        }
        try use("4.9")
        try addTXTBesideCNAME()
        let result = await run("pdns", "check", "--json")
        #expect(result.exitCode == 1)
        let report = try JSONDecoder().decode(Report.self, from: Data(result.output.utf8))
        #expect(report.version == 1 && report.zones == 5 && report.errors == 1 && report.warnings == 1)
        let finding = try #require(report.findings.first { $0.severity == "error" })
        #expect(finding.rule == "cname-with-other-data" && finding.zone == "example.org.")
        #expect(finding.owner == "www2.example.org." && finding.type == "CNAME" && !finding.text.isEmpty)
        let none = await run("pdns", "check", "--json", "example.net")
        let empty = try JSONDecoder().decode(Report.self, from: Data(none.output.utf8))
        #expect(empty.findings.isEmpty && empty.zones == 1)
    }

    @Test func snapshotsAreCheckedAsWell() async throws {
        let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "SnapshotsTests/Fixtures").path
        let result = await runCommand([
            "pdns", "check", "--snapshot", "\(fixtures)/main__go-4-9__20261121-004253-817266965__GX.pb.gz",
            "--snapshot", "\(fixtures)/shard__go-4-9__20261121-004253-817380244__GX.pb.gz",
        ])
        #expect(result.output.hasSuffix("5 zones checked: errors 0, warnings 1\n"))
        #expect(result.exitCode == 0)
    }

    @Test func aZoneThatIsNotThereIsAnErrorAmongTheOthers() async throws {
        try use("4.9")
        try addTXTBesideCNAME()
        let line = "error no-such-zone: exmple.org.: there is no such zone; did you mean example.org.?\n"
        let unknown = await run("pdns", "check", "exmple.org", "example.org")
        #expect(unknown.exitCode == 1 && unknown.errors.isEmpty)
        #expect(unknown.output.hasPrefix(line))
        #expect(unknown.output.contains("error cname-with-other-data: example.org.: "))
        #expect(unknown.output.hasSuffix("1 zone checked: errors 2, warnings 0\n"))
        let json = await run("pdns", "check", "exmple.org", "example.net", "--json")
        #expect(json.exitCode == 1 && json.errors.isEmpty)
        #expect(
            json.output == """
                {"version":1,"findings":[
                  {"rule":"no-such-zone","severity":"error","text":"there is no such zone; did you mean example.org.?",\
                "zone":"exmple.org."}
                ]
                ,"zones":1,"errors":1,"warnings":0}

                """)
        let deleted = await run("pdns", "check", "example.com")
        #expect(deleted.exitCode == 1)
        #expect(deleted.output.hasPrefix("error no-such-zone: example.com.: there is no such zone"))
        let bad = await run("pdns", "check", "a..")
        #expect(bad.exitCode == 64)
    }

    private static let schemaCases: [([UInt8], String)] = [
        (header(9, 9) + [0, 0, 0, 4], "its schemaversion is 4, and 5 or 6 is required"),
        (header(9, 9, flags: 1), "its schemaversion is deleted, and 5 or 6 is required"),
        (header(9, 9) + [0, 5], "its schemaversion cannot be read (ends too early at byte 0), and 5 or 6 is required"),
        ([0, 0, 0, 5], "its schemaversion cannot be read ("),
    ]

    @Test(arguments: schemaCases)
    func aSchemaThatDoesNotFitIsNamed(value: [UInt8], text: String) async throws {
        try use("4.9")
        try fill(directory.file("db"), [("pdns", [], [Entry(Array("schemaversion".utf8), value)])])
        let configured = await run("pdns", "check")
        #expect(configured.exitCode == 1 && configured.errors.contains("; main is not: \(text)"), "\(configured)")
        let file = await runCommand(["pdns", "check", "--snapshot", directory.file("db")])
        #expect(file.exitCode == 1)
        #expect(file.errors.contains("db is not of PowerDNS 4.8 or later: \(text)"), "\(file)")
    }

    // MARK: Duplicates

    /// example.org under another ID, with an index entry that is older than the real one.
    private func addDuplicate(of id: [UInt8] = id49) throws {
        let key: [UInt8] = [0, 12] + Array("org".utf8) + [0] + Array("example".utf8) + [0] + [0, 0, 0, 5]
        let zone = try Environment(
            EnvironmentOptions(path: directory.file("db"), noSubdirectory: true, maximumDatabases: 64)
        ).read { transaction in
            let domains = try #require(try transaction.database("domains_v5"))
            return try id.withUnsafeBytes { try transaction.get(domains, $0).map(Array.init) }
        }
        try fill(
            directory.file("db"),
            [
                ("domains_v5", [], [Entry([0, 0, 0, 5], try #require(zone))]),
                ("domains_v5_0", [], [Entry(key, header(9, 9))]),
            ])
    }

    private func fix(_ more: String...) async -> CommandResult {
        await runCommand(
            [
                "experimental", "pdns-v5-fix-duplicate-domains", "-c", directory.file("lightningstream.yaml"), "-d",
                "main",
            ] + more)
    }

    @Test func duplicatesAreShownAndRenamed() async throws {
        try use("4.9")
        try addDuplicate()
        let check = await run("pdns", "check")
        #expect(check.output.contains("error duplicate-zone: example.org.: there are 2 zones of this name"))
        let name = "example.org.dup-1185857963.invalid."
        let shown = await fix()
        #expect(
            shown.output == """
                main: example.org.: PowerDNS uses ID 5; the other one is 1185857963
                main: nothing was changed; --dangerous-do-rename renames the others, and deletes entries without a zone

                """)
        let renamed = await fix("--dangerous-do-rename")
        #expect(
            renamed.output == """
                main: example.org.: PowerDNS uses ID 5; the other one is 1185857963
                main: example.org.: renamed ID 1185857963 to \(name)
                main: delete them when their contents are no longer needed:
                pdnsutil delete-zone \(name)

                """)
        let again = await fix()
        #expect(
            again.output == """
                main: there are no zones of the same name
                main: delete them when their contents are no longer needed:
                pdnsutil delete-zone \(name)

                """)
        for result in [shown, renamed, again] { #expect(result.exitCode == 0 && result.errors.isEmpty) }
    }

    @Test(arguments: [("z.test.", "z.test."), ("a`id`.test.", "'a`id`.test.'"), ("o'x;y.", #"'o'\''x;y.'"#)])
    func namesAreQuotedForAShell(name: String, word: String) { #expect(FixDuplicateDomains.shellWord(name) == word) }

    @Test func withoutDuplicatesThereIsNothingToDo() async throws {
        try use("4.9")
        #expect(await fix("--dangerous-do-rename").output == "main: there are no zones of the same name\n")
    }

    @Test func newerSchemasAreRefused() async throws {
        try use("5.1")
        let result = await fix()
        #expect(result.exitCode == 1)
        #expect(
            result.errors
                == "lightningstream: pdns-v5-fix-duplicate-domains: database main: the schema is version 6, but version "
                + "5 is required (PowerDNS 4.8 and 4.9); nothing was changed\n")
    }

    @Test func duplicatesAreFoundInNewerSchemas() async throws {
        try use("5.1")
        try addDuplicate(of: [0x71, 0x65, 0xa9, 0xc7])
        let check = await run("pdns", "check", "example.org")
        #expect(check.exitCode == 1)
        #expect(check.output.contains("error duplicate-zone: example.org.: "))
    }
}

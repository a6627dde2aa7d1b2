import Foundation
import LMDB
import TestSupport
import Testing

@testable import Commands

/// `stats` and `dump` on real LMDBs.
@Suite struct StatsAndDumpTests {
    private let directory: TemporaryDirectory
    private var configuration: String { directory.file("lightningstream.yaml") }
    private static let time: UInt64 = 1_795_219_901_839_786_911

    init() throws {
        directory = try TemporaryDirectory()
        try fill(
            directory.file("main"),
            [
                (
                    "zones", [],
                    [
                        Entry("example.org", "live", timestamp: Self.time, transaction: 7),
                        Entry("gone.example", "", timestamp: Self.time + 1, transaction: 8, isDeleted: true),
                    ]
                ),
                ("numbers", .integerKey, [Entry([1, 0, 0, 0], header(Self.time, 7) + [0xff])]),
                ("_sync_private", [], [Entry("k", "v", timestamp: 1)]),
            ])
        try fill(directory.file("plain"), [("raw", [], [Entry(Array("key".utf8), Array("value".utf8))])])
        try write(databases: "main: {path: DIR/main, options: {no_subdir: true}, schema_tracks_changes: true}")
    }

    private func write(databases: String) throws {
        let lines = databases.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n")
        try directory.write(
            "lightningstream.yaml",
            "lmdbs:\n\(lines.replacing("DIR", with: directory.path))\nstorage: {type: memory}\n")
    }

    private static let mainDump = """
        # main/numbers: 1 entries, flags MDB_INTEGERKEY
        .... [01 00 00 00] = {2026-11-21T00:11:41.839786911Z, txn 7} . [ff]
        # main/zones: 2 entries, flags 0
        example.org = {2026-11-21T00:11:41.839786911Z, txn 7} live
        gone.example = {2026-11-21T00:11:41.839786912Z, txn 8, Deleted}

        """
    private static let privateDump = """
        # main/_sync_private: 1 entries, flags 0
        k = {1970-01-01T00:00:00.000000001Z, txn 1} v

        """
    private static let plainDump = """
        # plain/raw: 1 entries, flags 0
        key = value

        """

    @Test func dump() async {
        let result = await runCommand(["-c", configuration, "dump"])
        #expect(result.output == Self.privateDump + Self.mainDump)
        #expect(result.errors.isEmpty)
        #expect(result.exitCode == 0)
    }

    @Test(arguments: ["-H", "--hide"])
    func dumpHidesPrivateDatabases(flag: String) async {
        let result = await runCommand(["dump", flag, "-c", configuration])
        #expect(result.output == Self.mainDump)
    }

    @Test func dumpOfOneDatabase() async throws {
        try write(
            databases: """
                main: {path: DIR/main, options: {no_subdir: true}, schema_tracks_changes: true}
                plain: {path: DIR/plain, options: {no_subdir: true}}
                """)
        let all = await runCommand(["dump", "-H", "-c", configuration])
        #expect(all.output == Self.mainDump + Self.plainDump)
        for arguments in [["-n", "plain"], ["-nplain"], ["--name", "plain"], ["--name=plain"]] {
            let one = await runCommand(["dump", "-c", configuration] + arguments)
            #expect(one.output == Self.plainDump)
            #expect(one.exitCode == 0)
        }
        let unknown = await runCommand(["dump", "-c", configuration, "-n", "other"])
        #expect(
            unknown.errors
                == "lightningstream: --name: there is no database \"other\" in \(configuration); configured are: main, plain\n"
        )
        #expect(unknown.exitCode == 64)
    }

    /// A private DBI has headers even where the application's have none.
    @Test func dumpInShadowMode() async throws {
        try write(databases: "main: {path: DIR/main, options: {no_subdir: true}}")
        let result = await runCommand(["dump", "-c", configuration])
        #expect(result.output.hasPrefix(Self.privateDump))
        #expect(result.output.contains("\nexample.org = ..?..........") || result.output.contains("live ["))
        #expect(!result.output.contains("{2026"))
    }

    @Test func stats() async throws {
        let result = await runCommand(["-c", configuration, "stats"])
        let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(
            lines.prefix(5).map(String.init) == [
                "database main",
                "  path      \(directory.file("main"))",
                "  map size  64.0 MiB (67108864 bytes)",
                "  used      24.0 KiB (24576 bytes), 0.0 % of the map",
                "  last txn  1",
            ])
        #expect(lines[5].hasPrefix("  readers   "))
        #expect(
            lines.dropFirst(6).map(String.init) == [
                "",
                "  DBI            entries  depth  branch  leaf  overflow  bytes  flags",
                "  _sync_private        1      1       0     1         0   4096  0",
                "  numbers              1      1       0     1         0   4096  MDB_INTEGERKEY",
                "  zones                2      1       0     1         0   4096  0",
                "  total (3)            4              0     3         0  12288",
                "",
            ])
        #expect(result.errors.isEmpty)
        #expect(result.exitCode == 0)
    }

    @Test(arguments: ["stats", "dump"])
    func theOthersAreShownWhenOneCannotBeOpened(command: String) async throws {
        try directory.write("text", "this is no LMDB, but long enough to be one" + String(repeating: ".", count: 9000))
        try write(
            databases: """
                missing: {path: DIR/nowhere, options: {no_subdir: true, create: true}}
                text: {path: DIR/text, options: {no_subdir: true}}
                plain: {path: DIR/plain, options: {no_subdir: true}}
                """)
        let before = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        let result = await runCommand([command, "-c", configuration])
        #expect(result.exitCode == 1)
        #expect(result.output.contains("plain"))
        let errors = result.errors.split(separator: "\n")
        #expect(errors.count == 2)
        #expect(
            errors.first?.hasPrefix("lightningstream: database missing: cannot open LMDB \(directory.file("nowhere"))")
                == true)
        #expect(errors.last?.hasPrefix("lightningstream: database text: cannot open the file of LMDB") == true)
        // Looking at databases leaves nothing behind, whatever options.create says.
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted() == before.sorted())
    }

    @Test func logConfigMasksSecrets() async throws {
        try directory.write(
            "lightningstream.yaml",
            """
            lmdbs: {plain: {path: \(directory.file("plain")), options: {no_subdir: true}}}
            storage: {type: s3, options: {bucket: b, access_key: AK, secret_key: hush-hush}}
            log: {level: error}
            """)
        let result = await runCommand(
            ["stats", "-c", configuration, "--log-config", "--log-format", "logfmt", "--log-timestamp", "disable"])
        #expect(result.exitCode == 0)
        #expect(result.errors.contains("level=error msg=\"configuration:     bucket: \\\"b\\\"\"\n"))
        #expect(result.errors.contains("secret_key"))
        #expect(!result.errors.contains("hush"))
    }

    @Test func statsAsJSON() async throws {
        try write(
            databases: """
                gone: {path: DIR/gone, options: {no_subdir: true}}
                main: {path: DIR/main, options: {no_subdir: true}, schema_tracks_changes: true}
                """)
        let result = await runCommand(["-c", configuration, "stats", "--json"])
        #expect(result.exitCode == 1)
        #expect(result.errors.hasPrefix("lightningstream: database gone: "))
        let rows = try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [[String: Any]])
        #expect(rows.count == 1)
        #expect(rows[0]["name"] as? String == "main")
        #expect(rows[0]["path"] as? String == directory.file("main"))
        let lmdb = try #require(rows[0]["lmdb"] as? [String: Any])
        #expect(
            lmdb.keys.sorted() == [
                "dbi_bytes", "dbis", "file_size", "last_transaction", "map_size", "maximum_readers", "readers",
                "used_bytes",
            ])
        #expect(lmdb["map_size"] as? Int == 1 << 26)
        #expect(lmdb["maximum_readers"] as? Int == 126)
        let dbis = try #require(lmdb["dbis"] as? [[String: Any]])
        #expect(dbis.map { $0["name"] as? String } == ["_sync_private", "numbers", "zones"])
        #expect(dbis.map { $0["entries"] as? Int } == [1, 1, 2])
        #expect(dbis.map { $0["flags"] as? String } == ["0", "MDB_INTEGERKEY", "0"])
        #expect(dbis[0]["leaf_pages"] as? Int == 1 && dbis[0]["depth"] as? Int == 1)
        #expect(dbis[0]["bytes"] as? Int == 4096)
    }
}

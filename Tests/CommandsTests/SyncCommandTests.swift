import DaemonTestSupport
import Foundation
import LMDB
import TestSupport
import Testing

@testable import Commands

/// `sync` and `receive` with real LMDBs and a directory as the storage, within this process.
@Suite struct SyncCommandTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// The snapshots in the bucket.
    private var bucket: [String] { get throws { try objects.filter { !$0.hasSuffix(".state") } } }
    private var states: [String] { get throws { try objects.filter { $0.hasSuffix(".state") } } }
    private var objects: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: directory.file("bucket")).sorted() }
    }

    /// Writes the configuration of an instance with the databases main and shard.
    private func configure(_ instance: String, create: Bool = true, extra: String = "") throws -> String {
        let databases = ["main", "shard"].map { name in
            "  \(name): {path: \(directory.file(instance + "-" + name)), schema_tracks_changes: true, "
                + "options: {no_subdir: true, create: \(create)}}\n"
        }
        return try directory.write(
            "\(instance).yaml",
            "instance: \(instance)\nlmdbs:\n\(databases.joined())"
                + "storage: {type: fs, options: {root_path: \(directory.file("bucket"))}}\n"
                + "log: {timestamp: disable, format: logfmt}\n\(extra)\n")
    }

    private func fillBoth(_ instance: String) throws {
        try fill(
            directory.file(instance + "-main"),
            [("zones", [], [Entry("a", "1", timestamp: 5), Entry("b", "", timestamp: 6, isDeleted: true)])])
        try fill(directory.file(instance + "-shard"), [("records", [], [Entry("c", "3", timestamp: 7)])])
    }

    private static let contents = """
        # main/zones: 2 entries, flags 0
        a = {1970-01-01T00:00:00.000000005Z, txn 1} 1
        b = {1970-01-01T00:00:00.000000006Z, txn 1, Deleted}
        # shard/records: 1 entries, flags 0
        c = {1970-01-01T00:00:00.000000007Z, txn 1} 3

        """

    @Test func twoInstancesAndAReceiver() async throws {
        let (a, b, c) = (try configure("a"), try configure("b"), try configure("c"))
        try fillBoth("a")
        let first = await runCommand(["sync", "-c", a, "--only-once"])
        #expect(first.exitCode == 0, "\(first.errors)")
        #expect(try bucket.map { String($0.prefix(8)) } == ["main__a_", "shard__a"])

        let received = await runCommand(["-c", c, "receive", "--only-once"])
        #expect(received.exitCode == 0, "\(received.errors)")
        #expect(await runCommand(["dump", "--hide", "-c", c]).output == Self.contents)
        #expect(try bucket.count == 2)
        // Who only receives publishes nothing.
        #expect(try states == ["main__a.state", "shard__a.state"])

        let second = await runCommand(["--config", b, "sync", "--only-once"])
        #expect(second.exitCode == 0, "\(second.errors)")
        #expect(await runCommand(["dump", "--hide", "-c", b]).output == Self.contents)
        #expect(try bucket.contains { $0.hasPrefix("main__b__") })
        #expect(try bucket.contains { $0.hasPrefix("shard__b__") })
    }

    /// Findings of zones come some seconds after a merge, or in the end.
    @Test(arguments: ["receive", "sync"])
    func whatIsWrongIsSeenBeforeTheEnd(command: String) async throws {
        let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "SnapshotsTests/Fixtures")
        for (role, file) in [("main", "a-main"), ("shard", "a-shard")] {
            try Data(contentsOf: fixtures.appending(path: "pdns-4.9.\(role).mdb"))
                .write(to: URL(filePath: directory.file(file)))
        }
        // A TXT record beside the CNAME www2.example.org.
        let key: [UInt8] = [0x46, 0xae, 0xc1, 0xab] + Array("www2".utf8) + [0, 0, 0, 16]
        let value: [UInt8] = header(9, 9) + [2, 0, 1, 0x61] + [0, 0, 0, 0] + [1, 0, 1]
        try fill(
            directory.file("a-shard"),
            [("records_v5", [], [Entry(key, value)])])
        let sent = await runCommand(["sync", "-c", try configure("a"), "--only-once"])
        #expect(sent.exitCode == 0, "\(sent.errors)")
        let got = await runCommand([command, "-c", try configure("b"), "--only-once"])
        #expect(got.exitCode == 0, "\(got.errors)")
        let line = got.errors.split(separator: "\n").first { $0.contains("rule=cname-with-other-data") }
        #expect(line?.contains("owner=www2.example.org.") == true, "\(got.errors)")
    }

    /// Log pipelines select by both.
    @Test func everyLineHasItsInstance() async throws {
        let (a, b) = (try configure("a"), try configure("b"))
        try fillBoth("a")
        _ = await runCommand(["sync", "-c", a, "--only-once"])
        let result = await runCommand(["sync", "-c", b, "--only-once", "--debug"])
        let lines = result.errors.split(separator: "\n")
        #expect(lines.allSatisfy { $0.contains(" instance=b") }, "\(result.errors)")
        #expect(lines.contains { $0.contains(" db=main ") && $0.contains(" snapshot_instance=a ") })
        let human = ["receive", "-c", b, "--only-once", "--log-format", "human", "--log-timestamp", "short"]
        #expect(await runCommand(human, isOnTerminal: false).errors.contains(" instance=b"))
        #expect(!(await runCommand(human).errors.contains(" instance=b")))
    }

    /// What is set already is no advice.
    @Test func aDatabaseThatSyncCreates() async throws {
        let text = { (create: Bool) async throws -> String in
            await runCommand(["stats", "-c", try configure("n", create: create)]).errors
        }
        #expect(try await text(false).contains("or set options.create: true"))
        #expect(try await text(true).contains("options.create is true, so sync creates it at start"))
        #expect(!(try await text(true).contains("set options.create")))
    }

    @Test func onlySomeDatabases() async throws {
        let a = try configure("a", extra: "only_once: true")
        try fillBoth("a")
        let result = await runCommand(["sync", "--only-db", "shard", "-c", a, "-i", "over.ride"])
        #expect(result.exitCode == 0, "\(result.errors)")
        #expect(try bucket.map { String($0.prefix(17)) } == ["shard__over-ride_"])
        let unknown = await runCommand(["sync", "--only-db", "shard", "--only-db", "other", "-c", a])
        #expect(unknown.exitCode == 64)
        #expect(
            unknown.errors
                == "lightningstream: --only-db: there is no database \"other\" in \(a); configured are: main, shard\n")
    }

    @Test func aDatabaseThatFailsEndsTheOthers() async throws {
        let a = try configure("a", create: false)
        try fillBoth("a")
        try FileManager.default.removeItem(atPath: directory.file("a-shard"))
        // Without --only-once: it returns only because the other database is shut down.
        let result = await runCommand(["sync", "-c", a])
        #expect(result.exitCode == 1)
        let last = try #require(result.errors.split(separator: "\n").last)
        #expect(
            last.hasPrefix(
                "level=fatal msg=\"sync has failed\" db=shard error=\"database shard: cannot open LMDB \(directory.file("a-shard"))"
            ))
    }

    /// Whatever their names are: a namesake would be told only once both have sent.
    @Test(arguments: ["sync", "receive"]) func aSecondDaemonEndsAtStart(command: String) async throws {
        let a = try configure("a")
        try fillBoth("a")
        let file = directory.file("a-shard")
        guard case .locked(let lock) = DaemonLock.take(dataFile: file, hostname: "ns1", token: "t") else {
            Issue.record("not locked")
            return
        }
        let result = await runCommand([command, "-c", a, "-i", "other"])
        #expect(result.exitCode == 1)
        #expect(
            result.errors.contains("database shard: process \(getpid()) on ns1 already syncs \(file): stop that one"),
            "\(result.errors)")
        #expect(!FileManager.default.fileExists(atPath: directory.file("bucket")))
        withExtendedLifetime(lock) {}
    }

    @Test func inShadowModeEachDBIHasAShadow() async throws {
        let file = try directory.write(
            "s.yaml",
            "lmdbs: {old: {path: \(directory.file("old")), options: {no_subdir: true}}}\n"
                + "storage: {type: fs, options: {root_path: \(directory.file("bucket"))}}")
        try fill(directory.file("old"), [("raw", [], [Entry(Array("key".utf8), Array("value".utf8))])])
        let result = await runCommand(["sync", "--only-once", "-c", file])
        #expect(result.exitCode == 0)
        let dump = await runCommand(["dump", "-c", file])
        #expect(
            dump.output.contains("# old/_sync_shadow_raw: 1 entries, flags 0\nkey = {1970-01-01T00:00:00.000000001Z, "))
        #expect(dump.output.contains("# old/raw: 1 entries, flags 0\nkey = value\n"))
    }

    @Test func anAzureStorageNeedsAnAccount() async throws {
        let file = try directory.write(
            "z.yaml",
            "lmdbs: {a: {path: \(directory.file("a")), schema_tracks_changes: true, options: {create: true}}}\n"
                + "storage: {type: azure, options: {container: zones}}")
        let result = await runCommand(["receive", "-c", file, "--log-format", "json"])
        #expect(result.exitCode == 1)
        #expect(
            result.errors.contains(
                #""level":"fatal","msg":"receive has failed","error":"no Azure storage account is set; set storage.options.acc"#
            ))
    }

    @Test func warningsOfTheConfigurationAreLoggedOnce() async throws {
        let a = try configure("a", extra: "only_once: true\nhealth: {start: {interval: 1s}}")
        try fillBoth("a")
        let result = await runCommand(["sync", "-c", a])
        let warnings = result.errors.split(separator: "\n").filter { $0.contains("level=warning") }
        #expect(warnings.count == 1)
        #expect(warnings.first?.contains("health.start.interval: ") == true)
        // Who only looks at databases is not bothered.
        #expect(await runCommand(["stats", "-c", a]).errors.isEmpty)
    }

    @Test func waitsForTheMarkerFile() async throws {
        let a = try configure("a", extra: "storage_poll_interval: 100ms")
        try fillBoth("a")
        // Not the marker, but begins with its name.
        try FileManager.default.createDirectory(atPath: directory.file("bucket"), withIntermediateDirectories: true)
        try directory.write("bucket/go-not", "")
        let arguments = ["sync", "-c", a, "--only-once", "--wait-for-marker-file", "go"]
        let pause = SimulatedSleep(sleepers: 1) {
            #expect(try bucket == ["go-not"])
            try directory.write("bucket/go", "")
        }
        let result = await runCommand(arguments, sleep: pause.sleep)
        #expect(result.exitCode == 0)
        let lines = result.errors.split(separator: "\n").filter { !$0.contains("configuration") }
        #expect(lines.first == "level=info msg=\"waiting for the marker file\" instance=a marker=go")
        #expect(lines.dropFirst().first == "level=info msg=\"found the marker file\" instance=a marker=go")
        #expect(try bucket.count == 4)
    }
}

import BlobStorage
import DaemonTestSupport
import Foundation
import LMDB
import Logging
import Monitoring
import Observability
import Snapshots
import Support
import TestSupport
import Testing

@testable import Commands
@testable import Daemon

/// One hostile name in every place that others can write to, through everything that shows it: nothing of it may reach a
/// terminal, a log, a page or a metric as it is.
@Suite struct HostileTextTests {
    private let directory: TemporaryDirectory
    private var bucket: String { directory.path + "/bucket" }
    private var configuration: String { directory.path + "/lightningstream.yaml" }
    private static let name = HostileText.name
    // A name of an object can't have a slash in it, and not be long.
    private let object = "main__\(HostileText.name)__20261121-001130-000000000__GX.pb.gz"

    init() throws {
        directory = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: bucket, withIntermediateDirectories: true)
        try fill(
            directory.path + "/main.lmdb",
            [
                ("records", [], [Entry("a", "1", timestamp: 1)]),
                (Self.name, [], [Entry(Self.name, Self.name, timestamp: 2)]),
            ])
        try """
        instance: ns1
        lmdbs:
          main:
            path: \(directory.path)/main.lmdb
            options: {no_subdir: true}
            schema_tracks_changes: true
        storage: {type: fs, options: {root_path: \(bucket)}}
        """.write(toFile: configuration, atomically: true, encoding: .utf8)
        try put(object, snapshot())
        try put(Self.name, [1])
        try put("main__evil__20261121-001131-000000000__GX.pb.gz", snapshot())
        let state = InstanceState(
            instance: Self.name, hostname: Self.name, software: Self.name, time: Self.name, sent: Self.name,
            applied: [Self.name: Self.name, "ns1": Self.name], covered: nil, health: Self.name)
        try put("\(StateObjectName(database: "main", instance: "evil"))", JSON.encode(state))
    }

    private func put(_ name: String, _ bytes: [UInt8]) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: bucket).appending(component: name))
    }

    private func snapshot() throws -> [UInt8] {
        var writer = try SnapshotWriter(
            SnapshotMeta(instanceID: Self.name, hostname: Self.name, timestamp: 5, databaseName: Self.name))
        try writer.beginDatabase(Self.name, flags: 0)
        let bytes = Array(Self.name.utf8)
        try bytes.withUnsafeBytes { try writer.append(key: $0, value: $0, timestamp: 7, isDeleted: false) }
        try writer.endDatabase()
        let spool = try writer.finish()
        var all = [UInt8](repeating: 0, count: spool.count)
        _ = try all.withUnsafeMutableBytes { try spool.read(at: 0, into: $0) }
        return all
    }

    @Test(arguments: [
        ["stats"], ["dump"], ["snapshots", "list"], ["snapshots", "list", "-l"], ["snapshots", "dump", "OBJECT"],
        ["snapshots", "dump", "--format", "debug", "OBJECT"], ["snapshots", "dump", HostileText.name],
        ["snapshots", "get", HostileText.name, "-o", "/nonexistent/" + HostileText.name],
        ["snapshots", "prune", "--dry-run"], ["status"], ["status", "--json"], ["doctor"], ["doctor", "--json"],
        ["pdns", "show", HostileText.name], ["pdns", "zones"], ["pdns", "check"], ["pdns", "diff", HostileText.name],
        ["drop-shadow"], [HostileText.name], ["stats", "--" + HostileText.name], ["-c", HostileText.name, "stats"],
        ["--instance", HostileText.name, "stats"], ["sync", "--only-once"],
    ])
    func commands(arguments: [String]) async throws {
        let arguments = arguments.map { $0 == "OBJECT" ? object : $0 }
        let result = await runCommand(["-c", configuration] + arguments)
        #expect(HostileText.found(in: result.output, lines: true).isEmpty, "\(result.output.debugDescription)")
        #expect(HostileText.found(in: result.errors, lines: true).isEmpty, "\(result.errors.debugDescription)")
        #expect(!(result.output + result.errors).isEmpty)
    }

    @Test func theNameHasWhatItTakes() async throws {
        #expect(Set(HostileText.found(in: Self.name)).count > 8)
        // It reaches what is shown.
        let stats = await runCommand(["-c", configuration, "stats"])
        #expect(stats.output.contains("x.[31m."))
        let list = await runCommand(["-c", configuration, "snapshots", "list"])
        #expect(list.output.contains("x.[31m."))
    }

    /// A configuration of which every text is hostile.
    @Test(arguments: ["instance", "lmdbs", "storage", HostileText.name])
    func configurations(key: String) async throws {
        let text = "\(key): \"x\\e[31m\\u202e\\u2028\"\n"
        try text.write(toFile: configuration, atomically: true, encoding: .utf8)
        let result = await runCommand(["-c", configuration, "stats"])
        #expect(result.exitCode != 0)
        #expect(HostileText.found(in: result.errors, lines: true).isEmpty, "\(result.errors.debugDescription)")
    }

    @Test(arguments: [LogFormat.human, .logfmt, .json])
    func logs(format: LogFormat) {
        let output = CapturedLines()
        var settings = LogSettings()
        settings.format = format
        let logger = Logger(label: "test") { _ in
            LineLogHandler(settings: settings, clock: { sampleTime }, output: output)
        }
        logger.warning(
            "\(Self.name)",
            metadata: [
                "db": "\(Self.name)", "error": "\(Self.name)", Self.name: "\(Self.name)",
                "list": [.string(Self.name), ["\(Self.name)": "\(Self.name)"]],
            ])
        #expect(output.all.count == 1)
        #expect(HostileText.found(in: output.text, lines: true).isEmpty, "\(output.text.debugDescription)")
        #expect(output.text.split(separator: "\n").count == 1)
    }

    @Test func metrics() throws {
        let registry = MetricRegistry()
        let family = registry.gauges("test", "A test.", labels: ["dbi"])
        family.with(Self.name).set(1)
        family.with(Self.name + "2").set(2)
        let text = String(decoding: registry.text(), as: UTF8.self)
        #expect(HostileText.found(in: text, lines: true).isEmpty, "\(text.debugDescription)")
        #expect(text.split(separator: "\n").count { $0.hasPrefix("test{") } == 2)
    }

    /// What answers at the daemon's port may be anybody.
    @Test func statusOfAnAnsweringServer() throws {
        let json = try JSON.encode(hostileReport())
        #expect(HostileText.found(in: json, lines: true).isEmpty)
        let report = try JSON.decode(StatusReport.self, from: json)
        #expect(report.instance == Self.name)
        for line in StatusText(report: report, now: 0).lines {
            #expect(HostileText.found(in: line).isEmpty, "\(line.debugDescription)")
        }
    }

    private func hostileReport() -> StatusReport {
        var report = StatusReport()
        (report.software, report.instance, report.hostname) = (Self.name, Self.name, Self.name)
        (report.time, report.started, report.mode) = (Self.name, Self.name, .sync)
        (report.health.status, report.health.since) = (Self.name, Self.name)
        (report.health.failures, report.health.warnings) = ([Self.name: Self.name], [Self.name: Self.name])
        var snapshot = StatusReport.Snapshot()
        (snapshot.name, snapshot.time) = (Self.name, Self.name)
        var instance = StatusReport.Instance()
        (instance.name, instance.health, instance.mergedOfOurs) = (Self.name, Self.name, Self.name)
        (instance.newest, instance.merged) = (snapshot, snapshot)
        var database = StatusReport.Database()
        (database.name, database.path, database.fence) = (Self.name, Self.name, Self.name)
        (database.sent, database.instances) = (snapshot, [instance, instance])
        report.databases = [database]
        var problem = StatusReport.Problem()
        (problem.time, problem.database, problem.text, problem.count) = (Self.name, Self.name, Self.name, 2)
        report.problems = [problem]
        return report
    }

    @Test func theServiceManagersStatus() {
        #expect(HostileText.found(in: ServiceStatus.line(Self.name)).isEmpty)
    }
}

import DaemonTestSupport
import Foundation
import LMDB
import Monitoring
import Observability
import Snapshots
import Support
import TestSupport
import Testing

@testable import Commands

/// `status` without a daemon: from a directory and LMDB files.
@Suite struct StatusCommandTests {
    let directory: TemporaryDirectory
    private var bucket: String { directory.path + "/bucket" }
    private var configuration: String { directory.path + "/lightningstream.yaml" }

    init() throws {
        directory = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: bucket, withIntermediateDirectories: true)
        try fill(
            directory.path + "/main.lmdb",
            [("records", [], [Entry("a", "1", timestamp: 1), Entry("b", "2", timestamp: 2)])])
        try configure()
    }

    func configure(address: String = "") throws {
        try """
        instance: ns1
        lmdbs:
          main:
            path: \(directory.path)/main.lmdb
            options: {no_subdir: true}
            schema_tracks_changes: true
        storage: {type: fs, options: {root_path: \(bucket)}}
        \(address.isEmpty ? "" : "http: {address: \"\(address)\"}")
        """.write(toFile: configuration, atomically: true, encoding: .utf8)
    }

    private func put(_ name: some CustomStringConvertible, _ bytes: [UInt8] = [1, 2, 3]) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: bucket + "/\(name)"))
    }

    private func state(
        _ instance: String, sent: SnapshotName? = nil, applied: [String: SnapshotName] = [:], health: String = "OK",
        time: String = "2026-11-21T00:11:40Z"
    ) throws {
        let state = InstanceState(
            instance: instance, hostname: "host-\(instance)", software: "test", time: time,
            sent: sent?.description, applied: applied.mapValues(\.description), covered: nil, health: health)
        let name = StateObjectName(database: "main", instance: instance)
        try put(name, JSON.encode(state))
        let date = WallTime(rfc3339: time).map { Date(timeIntervalSince1970: Double($0.seconds)) }
        try FileManager.default.setAttributes(
            [.modificationDate: date ?? Date(timeIntervalSince1970: Double(sampleTime.seconds))],
            ofItemAtPath: bucket + "/\(name)")
    }

    private let ours = SnapshotName(database: "main", instance: "ns1", timestamp: 1_795_219_890_000_000_000)
    private let theirs = SnapshotName(database: "main", instance: "ns2", timestamp: 1_795_219_895_000_000_000)

    func report(_ arguments: [String] = []) async throws -> (code: Int32, report: StatusReport) {
        let result = await runCommand(["-c", configuration, "status", "--json"] + arguments)
        return (result.exitCode, try JSON.decode(StatusReport.self, from: Array(result.output.utf8)))
    }

    @Test func whatHasBeenMergedIsInTheStateObject() async throws {
        try put(ours)
        try put(theirs)
        try state("ns1", sent: ours, applied: ["ns2": theirs])
        try state("ns2", sent: theirs)
        let (code, report) = try await report()
        #expect(code == 0)
        #expect(report.mode == .none)
        #expect(report.health.status == "OK")
        let database = try #require(report.databases.first)
        #expect(database.lmdb?.dbis.map(\.name) == ["records"])
        #expect(database.lmdb?.dbis.first?.entries == 2)
        #expect(database.storage?.snapshots == 2)
        #expect(database.storage?.bytes == 6)
        #expect(database.sent?.name == ours.description)
        #expect(database.instances.map(\.name) == ["ns1", "ns2"])
        #expect(database.instances.map(\.isOwn) == [true, false])
        #expect(database.instances[1].lag == 0)
        #expect(database.instances[1].merged?.name == theirs.description)
        #expect(database.instances[1].mergedOfOurs == nil)
        #expect(database.instances[1].health == "OK")
    }

    @Test func positionsAreThoseAtTheEndOfDeltas() async throws {
        try put(ours)
        try put(theirs)
        let (sent, merged) = (
            SnapshotName(database: "main", instance: "ns1", timestamp: ours.timestamp + 2_000_000_000),
            SnapshotName(database: "main", instance: "ns2", timestamp: theirs.timestamp + 1_000_000_000)
        )
        try put(ours.delta, deltaBytes(ours.delta, to: sent.timestamp))
        try put(theirs.delta, deltaBytes(theirs.delta, to: merged.timestamp))
        try state("ns1", sent: sent, applied: ["ns2": theirs])
        try state("ns2", sent: merged, applied: ["ns1": ours])
        let database = try #require(try await report().report.databases.first)
        #expect(database.storage?.snapshots == 2 && database.storage?.deltas == 2)
        #expect(database.sent?.name == sent.description)
        #expect(database.instances.map(\.newest?.name) == [sent.description, merged.description])
        #expect((database.instances[1].lag ?? 0) > 5)
        #expect(await runCommand(["status", "-c", configuration]).output.contains("2 snapshots, 2 deltas, "))
        #expect(await wait(["--timeout", "1s"]).exitCode == 75)
        try state("ns1", sent: sent, applied: ["ns2": merged])
        try state("ns2", sent: merged, applied: ["ns1": sent])
        #expect(try await report().report.databases.first?.instances.last?.lag == 0)
        let waited = await wait(["--timeout", "1h"])
        #expect(waited.exitCode == 0 && waited.output.contains("our newest snapshot is \(sent)"))
    }

    @Test func whatIsNotMergedLagsBehind() async throws {
        try put(theirs)
        try state("ns1")
        let database = try #require(try await report().report.databases.first)
        let instance = try #require(database.instances.first { $0.name == "ns2" })
        #expect(instance.merged == nil)
        // sampleTime is 00:11:41.839786911
        let lag = try #require(instance.lag)
        #expect(abs(lag - 6.839_786_911) < 1e-6)
    }

    @Test func withoutStateObjectsItIsUnknown() async throws {
        try put(theirs)
        let (code, report) = try await report()
        #expect(code == 0)
        #expect(report.health.status == "Warning")
        #expect(report.health.warnings["main_daemon"]?.contains("no state object") == true)
        #expect(report.databases.first?.instances.first?.lag == nil)
    }

    @Test func anOldStateObjectIsAWarning() async throws {
        try state("ns1", time: "2026-11-20T23:00:00Z")
        let (code, report) = try await report()
        #expect(code == 0)
        #expect(report.health.warnings["main_daemon"]?.contains("no daemon seems to be running") == true)
    }

    @Test(arguments: [("Unavailable", Int32(1)), ("Warning", 0)])
    func theHealthOfTheStateObjectCounts(health: String, code: Int32) async throws {
        try state("ns1", health: health)
        let result = try await report()
        #expect(result.code == code)
        #expect(result.report.health.status == health)
    }

    @Test func anLMDBThatCannotBeOpenedIsAFailure() async throws {
        try FileManager.default.removeItem(atPath: directory.path + "/main.lmdb")
        try state("ns1")
        let (code, report) = try await report()
        #expect(code == 1)
        #expect(report.health.failures["main_lmdb"]?.contains("main.lmdb") == true)
        #expect(report.databases.first?.storage != nil)
    }

    @Test func aDaemonThatDoesNotAnswerIsAFailure() async throws {
        try configure(address: "127.0.0.1:1")
        try state("ns1")
        let (code, report) = try await report()
        #expect(code == 1)
        #expect(report.health.status == "Unavailable")
        #expect(report.health.failures["daemon"]?.contains("127.0.0.1:1") == true)
    }

    @Test(arguments: [
        "", "{", "[]", #"{"version":1}"#, #"{"applied":{"ns2":7}}"#, String(repeating: "[", count: 100_000),
    ])
    func stateObjectsThatMakeNoSenseAreNone(text: String) async throws {
        try put(theirs)
        try put("main__ns2.state", Array(text.utf8))
        try state("ns1")
        let (code, report) = try await report()
        #expect(code == 0)
        #expect(report.databases.first?.instances.first { $0.name == "ns2" }?.health == nil)
    }

    @Test func theTextNamesEverything() async throws {
        try put(ours)
        try put(theirs)
        try state("ns1", sent: ours)
        try state("ns2", applied: ["ns1": ours])
        let result = await runCommand(["status", "-c", configuration])
        #expect(result.exitCode == 0)
        for part in [
            "instance  ns1 on ", "health    OK", "database main", "2 snapshots, 6 B", ours.description,
            "ns1 (this)", "2026-11-21T00:11:35.000Z",
        ] {
            #expect(result.output.contains(part), "\(part) in \(result.output)")
        }
        let line = try #require(result.output.split(separator: "\n").last { $0.contains("ns2") })
        #expect(
            line.split(separator: " ") == [
                "ns2", "2026-11-21T00:11:35.000Z", "6.8", "s", "no", "6.8", "s", "-", "-", "yes", "-", "1.8", "s",
                "OK",
            ])
    }

    // MARK: --wait

    /// Runs `status --wait`; while it waits, time passes at once.
    private func wait(
        _ arguments: [String], meanwhile: @escaping @Sendable () throws -> Void = {}
    ) async -> CommandResult {
        let time = SimulatedSleep(sleepers: 2, meanwhile: meanwhile)
        return await runCommand(["-c", configuration, "status", "--wait"] + arguments, sleep: time.sleep)
    }

    @Test func waitingEndsWhenAllThatTellHaveIt() async throws {
        try put(ours)
        try put(theirs)
        try put(SnapshotName(database: "main", instance: "ns3", timestamp: 1))
        try state("ns2", applied: ["ns1": ours])
        let result = await wait(["--timeout", "1h"])
        #expect(result.exitCode == 0)
        #expect(result.output.contains("merged by  ns2\n"))
        #expect(result.output.contains("unknown    ns3: no state is published"))
        #expect(result.errors.isEmpty)
    }

    /// Somebody who publishes a state usually tells the progress in it: a broken one is no reason to go on without that.
    @Test func whoseStateIsBrokenIsWaitedFor() async throws {
        try put(ours)
        try put(theirs)
        let name = StateObjectName(database: "main", instance: "ns2")
        for (bytes, reason) in [
            (Array("{".utf8), "its state object is not valid"),
            ([UInt8](repeating: 0x20, count: StateObjects.largest + 1), "its state object is larger than 1 MiB"),
        ] {
            try put(name, bytes)
            let result = await wait(["--timeout", "1h"])
            #expect(result.exitCode == 75)
            #expect(result.output.contains("  missing    ns2: \(reason)\n"))
            #expect(result.errors.contains("ns2 has not merged our newest snapshot"))
            #expect(await wait(["--timeout", "1h", "--except", "ns2"]).exitCode == 0)
        }
    }

    @Test func waitingNamesThoseThatHaveNot() {
        let old = SnapshotName(database: "main", instance: "ns1", timestamp: 5)
        let states = ["ns2": InstanceState(sample: "ns2", applied: ["ns1": old]), "ns4": InstanceState(sample: "ns4")]
        let spread = Spread(
            database: "main", own: "ns1", newest: ours, instances: ["ns1"], states: states, listed: [ours])
        #expect(!spread.isComplete)
        #expect(
            spread.lines == [
                "database main: our newest snapshot is \(ours)",
                "  missing    ns2: the newest of ours that it has is \(old), as of 2026-11-21T00:11:40Z",
                "  missing    ns4: it has none of ours, as of 2026-11-21T00:11:40Z",
            ])
        #expect(
            SpreadWait.complaint(
                after: .seconds(1), spreads: [spread], unsent: [.init(database: "shard", reason: "HTTP 500")],
                problem: nil)
                == "timeout: not done after 1s: database main: ns2, ns4 have not merged our newest snapshot; "
                + "database shard: this instance has not sent its newest changes: HTTP 500")
    }

    /// Whatever it is that the daemon knows.
    @Test func theReasonForUnsentChangesIsTold() {
        var database = StatusReport.Database()
        database.name = "main"
        #expect(SpreadWait.reason(database, .init()) == nil)
        database.blocked = "not captured yet"
        database.notInSync = "not in sync since then"
        #expect(SpreadWait.reason(database, .init()) == "not captured yet")
        var report = StatusReport()
        report.databases = [database]
        let lines = StatusText(report: report, now: 0).lines
        #expect(lines.contains("  blocked   not captured yet") && lines.contains("  lagging   not in sync since then"))
        database.unsentReason = "HTTP 500"
        #expect(SpreadWait.reason(database, .init()) == "HTTP 500")
    }

    @Test func waitingEndsWithATimeout() async throws {
        try put(ours)
        try state("ns2")
        let result = await wait(["--timeout", "100ms"])
        #expect(result.exitCode == 75)
        #expect(result.errors.hasPrefix("lightningstream: timeout: not done after 100ms: "))
    }

    /// However short the time is, and however busy the machine: who asks is told what is missing.
    @Test func evenTheShortestWaitLooksOnce() async throws {
        try put(ours)
        try state("ns2")
        let result = await runCommand(["-c", configuration, "status", "--wait", "--timeout", "1ns"])
        #expect(result.exitCode == 75)
        #expect(result.output.contains("  missing    ns2: it has none of ours"), "\(result.output)")
        #expect(result.errors.hasSuffix("ns2 has not merged our newest snapshot\n"), "\(result.errors)")
    }

    @Test func waitingGoesOnUntilTheyHaveIt() async throws {
        try put(ours)
        try state("ns2")
        let result = await wait(["--timeout", "1h", "--json"]) { try state("ns2", applied: ["ns1": ours]) }
        #expect(result.exitCode == 0)
        let spreads = try #require(
            try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [[String: Any]])
        #expect(spreads.first?["newest"] as? String == ours.description)
        #expect(spreads.first?["merged"] as? [String] == ["ns2"])
        #expect(spreads.first?["complete"] as? Bool == true)
    }

    @Test func aCopiedStateObjectSaysNothingOfItsNewName() async throws {
        try put(ours)
        try state("ns2", applied: ["ns1": ours])
        try FileManager.default.moveItem(atPath: bucket + "/main__ns2.state", toPath: bucket + "/main__ns3.state")
        try put(SnapshotName(database: "main", instance: "ns3", timestamp: ours.timestamp))
        let result = await wait(["--timeout", "1m"])
        #expect(
            result.output == "database main: our newest snapshot is \(ours)\n"
                + "  missing    ns3: its state object is that of another instance\n")
    }

    /// Somebody's copy, or a clock of the year 2554: it is nobody's newest, and having it says nothing.
    @Test func whatLiesInTheFarFutureIsNotOurNewest() async throws {
        let far = SnapshotName(database: "main", instance: "ns1", timestamp: .max)
        try put(ours)
        try put(far)
        try put(SnapshotName(database: "main", instance: "ns9", timestamp: .max))
        try state("ns2", applied: ["ns1": ours])
        let done = await wait(["--timeout", "1m"])
        #expect(done.exitCode == 0)
        #expect(done.output == "database main: our newest snapshot is \(ours)\n  merged by  ns2\n")
        let looked = await runCommand(["-c", configuration, "status"])
        #expect(looked.output.contains("  sent      \(ours)"), "\(looked.output)")
        try state("ns2", applied: ["ns1": far])
        let early = await wait(["--timeout", "100ms"])
        #expect(early.exitCode == 75)
        #expect(early.output.contains("there is no such snapshot, so this is ignored"), "\(early.output)")
    }

    @Test func aNewerOneOfOursCountsAsWell() {
        let newer = SnapshotName(database: "main", instance: "ns1", timestamp: ours.timestamp + 1)
        let state = InstanceState(sample: "ns2", applied: ["ns1": newer])
        let spread = Spread(
            database: "main", own: "ns1", newest: ours, instances: ["ns1"], states: ["ns2": state],
            listed: [ours, newer])
        #expect(spread.isComplete)
        #expect(spread.merged == ["ns2"])
    }

    /// Anybody who may write to the bucket may write a state object.
    @Test(arguments: [
        ("2020-01-01T00:00:00Z", 0, "the state is older than the snapshot, so it is ignored"),
        ("2026-11-21T00:11:40Z", 7, "there is no such snapshot, so this is ignored"),
        ("nonsense", 0, "the state is older than the snapshot, so it is ignored"),
    ])
    func whatCannotBeTrueIsNotBelieved(time: String, later: UInt64, doubt: String) async throws {
        try put(ours)
        let named = SnapshotName(database: "main", instance: "ns1", timestamp: ours.timestamp + later)
        try state("ns2", applied: ["ns1": named], time: time)
        let result = await wait(["--timeout", "100ms"])
        #expect(result.exitCode == 75)
        #expect(result.output.contains("missing    ns2: the newest of ours that it has is \(named)"))
        #expect(result.output.contains(doubt), "\(result.output)")
    }

    @Test func nobodyWaitsForWhoIsLeftOut() async throws {
        try put(ours)
        try state("ns2", applied: ["ns1": ours])
        try state("old-one")
        let result = await wait(["--timeout", "1h", "--except", "gone", "--except", "old.one"])
        #expect(result.exitCode == 0)
        #expect(result.output.contains("  left out   old-one\n"))
    }

    @Test func whoIsSilentIsShownSo() async throws {
        try put(ours)
        try state("ns2", time: "2026-11-20T23:50:00Z")
        let instance = try #require(try await report().report.databases.first?.instances.first { $0.name == "ns2" })
        #expect(instance.health == "Silent" && instance.lastHeard == "2026-11-20T23:50:00.000Z")
    }

    @Test func aStoppedDaemonIsAFailure() async throws {
        try state("ns1", health: "Stopped")
        let (code, report) = try await report()
        #expect(code == 1)
        #expect(report.health.failures["main_daemon"]?.hasPrefix("the daemon was stopped at ") == true)
    }

    @Test func aDaemonThatWasKilledIsAFailure() async throws {
        try state("ns1")
        let file = directory.path + "/main.lmdb"
        if case .locked(let lock) = DaemonLock.take(dataFile: file, hostname: "h", token: "t") {
            #expect(try await report().code == 0)
            withExtendedLifetime(lock) {}
        }
        let (code, report) = try await report()
        #expect(code == 1)
        #expect(report.health.failures["main_daemon"]?.contains("no process holds the lock") == true)
    }

    // MARK: snapshots remove --instance

    @Test func allOfAnInstanceIsRemoved() async throws {
        try put(ours)
        try put(theirs)
        try put(SnapshotName(database: "main", instance: "ns2", timestamp: 5))
        try put(SnapshotName(database: "other", instance: "ns2", timestamp: 5))
        try put(SnapshotName(database: "main", instance: "ns2", timestamp: 6, fileExtension: "delta"))
        try put(SnapshotName(database: "main", instance: "ns2", timestamp: 6, fileExtension: "later"))
        let delta = SnapshotName(database: "main", instance: "ns1", timestamp: 6, fileExtension: "delta")
        try put(delta)
        try state("ns2")
        let command = ["-c", configuration, "snapshots", "remove", "--instance"]
        let refused = await runCommand(command + ["ns2"])
        #expect(refused.exitCode == 64 && refused.errors.contains("5 objects of the instance ns2 would be removed"))
        #expect(await runCommand(command + ["ns9", "--yes"]).errors.contains("known instances: ns1, ns2"))
        #expect(await runCommand(command + ["ns2", "--yes", "some-object"]).exitCode == 64)
        let result = await runCommand(command + ["ns2", "--yes"])
        #expect(result.exitCode == 0)
        #expect(result.output.split(separator: "\n").last == "removed main__ns2.state")
        #expect(
            result.errors.contains("warning: database main: ns2 was active ")
                && result.errors.contains(" s ago: it seems to be running, and will store again\n"), "\(result.errors)")
        let left = try FileManager.default.contentsOfDirectory(atPath: bucket).sorted()
        #expect(left == [delta.description, ours.description, "other__ns2__19700101-000000-000000005__GX.pb.gz"])
    }

    @Test(arguments: [
        (0.0004, "0 ms"), (0.25, "250 ms"), (5.04, "5.0 s"), (99.6, "2 min"), (7200.0, "2 h"), (259_200.0, "3.0 d"),
        (-1.0, "?"), (Double.infinity, "?"),
    ])
    func durations(seconds: Double, text: String) {
        #expect(humanDuration(seconds) == text)
    }
}

extension InstanceState {
    fileprivate init(sample instance: String, applied: [String: SnapshotName] = [:]) {
        self.init(
            instance: instance, hostname: "", software: "", time: "2026-11-21T00:11:40Z", sent: nil,
            applied: applied.mapValues(\.description), covered: nil, health: "OK")
    }
}

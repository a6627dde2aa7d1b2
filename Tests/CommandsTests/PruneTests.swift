import BlobStorage
import Config
import DaemonTestSupport
import Foundation
import Replication
import Snapshots
import TestSupport
import Testing

@testable import Commands

/// `snapshots prune` with a directory as storage; names and times are counted back from the time of the tests.
@Suite struct PruneTests {
    private let directory: TemporaryDirectory
    private let now = UInt64(sampleTime)
    private static let day: UInt64 = 86_400 * 1_000_000_000

    init() throws {
        directory = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: directory.file("bucket"), withIntermediateDirectories: false)
        try configure("cleanup: {must_keep_interval: 10m, remove_old_instances_interval: 168h}")
    }

    private func configure(_ cleanup: String) throws {
        try directory.write(
            "lightningstream.yaml",
            """
            instance: ns1
            lmdbs: {main: {path: \(directory.path)/main, options: {no_subdir: true}, schema_tracks_changes: true}}
            storage:
              type: fs
              options: {root_path: \(directory.path)/bucket}
              \(cleanup)
            """)
    }

    /// Stores an object so long ago.
    @discardableResult private func store(_ name: String, _ text: String = "x", ago: UInt64 = 30 * day) throws -> String
    {
        try directory.write("bucket/\(name)", text)
        try age(name, ago)
        return name
    }

    private func age(_ name: String, _ ago: UInt64) throws {
        let time = timespec(
            tv_sec: Int((now - ago) / 1_000_000_000), tv_nsec: Int((now - ago) % 1_000_000_000))
        var times = [time, time]
        #expect(utimensat(AT_FDCWD, directory.file("bucket/\(name)"), &times, 0) == 0)
    }

    /// Stores a snapshot that was made and stored so many days ago.
    private func snapshot(_ instance: String, daysAgo: UInt64, database: String = "main") throws -> String {
        let name = SnapshotName(database: database, instance: instance, timestamp: now - daysAgo * Self.day)
        let writer = try SnapshotWriter(SnapshotMeta(databaseName: database), stagingDirectory: nil)
        let body = try writer.finish()
        var bytes = [UInt8](repeating: 0, count: body.count)
        _ = try bytes.withUnsafeMutableBytes { try body.read(at: 0, into: $0) }
        try Data(bytes).write(to: URL(fileURLWithPath: directory.file("bucket/\(name)")))
        try age(name.description, daysAgo * Self.day)
        return name.description
    }

    /// Stores one that was made and stored so many days ago, and is damaged.
    private func damaged(_ instance: String, daysAgo: UInt64) throws -> String {
        try store(
            SnapshotName(database: "main", instance: instance, timestamp: now - daysAgo * Self.day).description,
            ago: daysAgo * Self.day)
    }

    /// Stores a delta that began so many days ago.
    private func delta(_ instance: String, daysAgo: UInt64) throws -> String {
        try store(
            SnapshotName(database: "main", instance: instance, timestamp: now - daysAgo * Self.day).delta.description)
    }

    private func storeState(_ instance: String, sent: String?, applied: [String: String], covered: [String: String])
        throws
    {
        let fields = [("applied", applied), ("covered", covered)].map { name, values in
            "\"\(name)\":{\(values.map { "\"\($0)\":\"\($1)\"" }.joined(separator: ","))}"
        }
        try store(
            "main__\(instance).state",
            """
            {"version":1,"instance":"\(instance)","hostname":"h","software":"s","time":"2026-01-01T00:00:00Z",\
            "sent":\(sent.map { "\"\($0)\"" } ?? "null"),"health":"OK",\(fields.joined(separator: ","))}
            """)
    }

    private func prune(_ arguments: String...) async -> CommandResult {
        await runCommand(["-c", directory.file("lightningstream.yaml"), "snapshots", "prune"] + arguments)
    }

    private var left: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: directory.file("bucket")).sorted() }
    }

    /// What is said of an object, nil when it is not mentioned.
    private func reason(_ name: String, in result: CommandResult) -> String? {
        let line = result.output.split(separator: "\n").first { $0.contains(" \(name) ") }
        return line.map { line in
            let words = line.split(separator: " ")
            // keep name size unit reason…
            return ([words[0]] + words.dropFirst(4)).joined(separator: " ")
        }
    }

    @Test func everyObjectHasItsReason() async throws {
        let (old, fallback) = (try snapshot("ns2", daysAgo: 3), try snapshot("ns2", daysAgo: 2))
        let predecessor = try snapshot("ns3", daysAgo: 2)
        let (new, newest) = (try snapshot("ns2", daysAgo: 1), try snapshot("ns3", daysAgo: 0))
        let recent = try store(
            SnapshotName(database: "main", instance: "ns2", timestamp: now - 5 * Self.day).description,
            ago: 60_000_000_000)
        let own = try snapshot("ns1", daysAgo: 30)
        let gone = try snapshot("gone", daysAgo: 30)
        try store("main__ns2.state")
        try store("main__x.txt")
        let unknown = try store("main__ns2__20200101-000000-000000001__GX__Z1.pb.gz")
        _ = try snapshot("ns2", daysAgo: 9, database: "other")
        let before = try left

        let result = await prune("--dry-run")
        #expect(result.exitCode == 0)
        #expect(reason(old, in: result) == "remove newer snapshot")
        #expect(reason(fallback, in: result) == "keep the newer one is not merged here yet")
        #expect(reason(new, in: result) == "keep newest of its instance")
        #expect(reason(recent, in: result) == "keep stored less than must_keep_interval ago")
        #expect(reason(predecessor, in: result) == "keep the newest of its instance has only just appeared")
        #expect(reason(newest, in: result) == "keep newest of its instance")
        #expect(reason(own, in: result) == "keep newest of this instance")
        #expect(reason(gone, in: result)?.hasPrefix("keep last of an old instance") == true)
        #expect(reason("main__ns2.state", in: result) == "keep state of an instance")
        #expect(reason("main__x.txt", in: result) == "keep not a snapshot")
        #expect(
            reason(unknown, in: result)
                == "keep a snapshot of an unknown kind; cleaners do not remove it")
        #expect(!result.output.contains("other__"))
        #expect(
            result.output.hasSuffix(
                " would be removed; the cleaner is off (storage.cleanup.enabled)\n"))
        #expect(result.output.contains("\n1 of 11 objects ("))
        #expect(try left == before)

        try configure("cleanup: {enabled: true}")
        let second = await prune()
        #expect(second.exitCode == 0)
        #expect(
            second.output.hasSuffix(
                " removed; the cleaner is on (storage.cleanup.enabled) and runs every 5m\n"))
        #expect(second.output.contains("\n1 of 11 objects ("))
        #expect(try left == before.filter { $0 != old })
        #expect(await prune().output.contains("\n0 of 10 objects (0 B) removed; "))
    }

    @Test func deltasThatNoFullSnapshotNeedsAreRemoved() async throws {
        let (old, needed, newest) = (
            try snapshot("ns2", daysAgo: 5), try snapshot("ns2", daysAgo: 3), try snapshot("ns2", daysAgo: 1)
        )
        let (before, between, last) = (
            try delta("ns2", daysAgo: 5), try delta("ns2", daysAgo: 3), try delta("ns2", daysAgo: 1)
        )
        let alone = try delta("ns3", daysAgo: 20)
        let result = await prune()
        #expect(result.exitCode == 0)
        #expect(reason(old, in: result) == "remove newer snapshot")
        #expect(reason(before, in: result) == "remove a full snapshot has its changes, or its instance is gone")
        for kept in [between, last, alone] {
            #expect(reason(kept, in: result) == "keep delta that continues a full snapshot, or is the last one")
        }
        #expect(try left == [needed, newest, between, last, alone].sorted())
    }

    /// Nothing is removed on the word of another object, whoever has written it.
    @Test func whatAStateObjectClaimsCostsNothing() async throws {
        let (before, last) = (try snapshot("gone", daysAgo: 31), try snapshot("gone", daysAgo: 30))
        let sent = try snapshot("ns1", daysAgo: 2)
        try store("main__gone.state")
        try storeState("ns1", sent: sent, applied: ["gone": last], covered: ["gone": last])
        let all = try left
        let result = await prune()
        #expect(reason(before, in: result) == "keep the newer one is not merged here yet")
        #expect(reason(last, in: result)?.hasPrefix("keep last of an old instance") == true)
        #expect(reason("main__gone.state", in: result) == "keep state of an instance")
        #expect(try left == all)
    }

    /// The newest one that can be read is all that there is of its instance, however many are newer.
    @Test func whatIsBelowDamagedOnesStays() async throws {
        let (older, old) = (try snapshot("ns2", daysAgo: 6), try snapshot("ns2", daysAgo: 5))
        let good = try snapshot("ns2", daysAgo: 4)
        let (bad, worse) = (try damaged("ns2", daysAgo: 3), try damaged("ns2", daysAgo: 2))
        let only = try damaged("ns3", daysAgo: 5)
        let newest = try damaged("ns3", daysAgo: 2)
        let result = await prune()
        #expect(reason(older, in: result) == "remove newer snapshot")
        // That a snapshot can be read does not mean that it can be merged.
        #expect(reason(old, in: result) == "keep the newer one is not merged here yet")
        #expect(reason(good, in: result) == "keep the newer one cannot be read")
        #expect(reason(bad, in: result) == "remove newer snapshot")
        #expect(reason(worse, in: result) == "keep newest of its instance")
        #expect(try left == [old, good, worse, newest].sorted())
        #expect(reason(only, in: result) == "remove newer snapshot")
    }

    @Test func whatCanNotBeRemovedIsAnError() async throws {
        let name = try #require(SnapshotName(try snapshot("ns2", daysAgo: 3)))
        let newest = try snapshot("ns2", daysAgo: 2)
        let rule = CleaningRule(instance: "ns1", removeOldInstancesInterval: .seconds(86_400 * 7))
        let plan = PrunePlan(
            [Blob(name: name.description, size: 5, modified: 0), Blob(name: newest, size: 5, modified: nil)],
            .init(database: "main", interval: .seconds(300), mustKeepInterval: .seconds(1), rule: rule), at: now)
        // Without its time, the newest one may have just appeared.
        #expect(plan.removals == [])
        var reads = SyncProgress()
        reads.merged(try #require(SnapshotName(newest)), in: .init(instance: "ns2", isFarAhead: false))
        let settled = PrunePlan(
            [try snapshot("ns2", daysAgo: 4), name.description, newest].map { Blob(name: $0, size: 5, modified: 0) },
            .init(database: "main", interval: .seconds(300), mustKeepInterval: .seconds(1), rule: rule), reads: reads,
            at: now)
        let removal = try #require(settled.removals.first)
        var report = PruneReport(dryRun: false)
        report.append(settled, failures: [(removal, "cannot delete x: no")])
        #expect(report.failures == ["cannot delete x: no"])
        let lines = report.lines(CleanupConfiguration())
        #expect(lines[1].hasPrefix("keep") && lines[1].hasSuffix("could not be removed"))
        #expect(lines.last?.hasPrefix("1 of 3 objects (5 B) removed") == true)

        var unknown = PruneReport(dryRun: true)
        unknown.append(
            PrunePlan(
                [Blob(name: name.description, size: 5), Blob(name: newest, size: 5)],
                .init(database: "main", interval: .seconds(300), mustKeepInterval: .seconds(1), rule: rule),
                at: now), failures: [])
        #expect(unknown.lines(CleanupConfiguration())[1].hasSuffix("the storage does not provide its age"))
    }

    @Test func anEmptyStorageHasNothingToSay() async {
        let result = await prune()
        #expect(result.exitCode == 0)
        #expect(result.output == "0 of 0 objects (0 B) removed; the cleaner is off (storage.cleanup.enabled)\n")
    }
}

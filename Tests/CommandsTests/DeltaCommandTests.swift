import Foundation
import Snapshots
import Support
import TestSupport
import Testing

@testable import Commands

/// Deltas in the commands for snapshots and for PowerDNS, beside snapshots that release 1.0 wrote.
@Suite struct DeltaCommandTests {
    private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../SnapshotsTests/Fixtures").standardizedFileURL.path
    private static let main = "main__go-4-9__20261121-004253-817266965__GX.pb.gz"

    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: directory.file("bucket"), withIntermediateDirectories: false)
        for name in try FileManager.default.contentsOfDirectory(atPath: Self.fixtures) where name.hasSuffix(".pb.gz") {
            try FileManager.default.copyItem(
                atPath: "\(Self.fixtures)/\(name)", toPath: directory.file("bucket/\(name)"))
        }
        let lines = ["main", "shard"].map { name in
            "  \(name): {path: \(directory.path)/\(name), options: {no_subdir: true}, schema_tracks_changes: true}"
        }
        try directory.write(
            "lightningstream.yaml",
            """
            lmdbs:
            \(lines.joined(separator: "\n"))
            storage: {type: fs, options: {root_path: \(directory.path)/bucket}}
            """)
    }

    private func run(_ arguments: String..., isOnTerminal: Bool = true) async -> CommandResult {
        await runCommand(["-c", directory.file("lightningstream.yaml")] + arguments, isOnTerminal: isOnTerminal)
    }

    private func full(_ database: String) throws -> SnapshotName {
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.file("bucket"))
        return try #require(
            names.compactMap { SnapshotName($0) }.first { $0.database == database && $0.instance == "go-4-9" })
    }

    /// Stores a delta that continues a full snapshot for a second.
    @discardableResult private func storeDelta(
        _ database: String, _ table: String = "pdns", entries: [DeltaEntry] = []
    ) throws -> SnapshotName {
        let name = try full(database).delta
        let bytes = try deltaBytes(
            name, to: name.timestamp + 1_000_000_000, positions: ["ns2": name.timestamp - 1], table, entries)
        try Data(bytes).write(to: URL(fileURLWithPath: directory.file("bucket/\(name)")))
        return name
    }

    // MARK: snapshots

    @Test func listShowsWhereDeltasBeginAndEnd() async throws {
        let delta = try storeDelta("main")
        #expect(await run("snapshots", "list", "-p", "main__go-4-9").output == "\(delta)\n\(Self.main)\n")
        let lines = await run("snapshots", "list", "-l", "-p", "main__go-4-9").output.split(separator: "\n")
        #expect(
            lines.map { $0.split(separator: " ").dropFirst($0.contains("size") ? 0 : 2).map(String.init) } == [
                ["size", "kind", "from", "to", "database", "instance", "name"],
                [
                    "delta", "2026-11-21T00:42:53.817Z", "2026-11-21T00:42:54.817Z", "main", "go-4-9",
                    delta.description,
                ],
                ["full", "-", "2026-11-21T00:42:53.817Z", "main", "go-4-9", Self.main],
            ])
        // For scripts as ever.
        let sizes = await run("snapshots", "list", "-l", "-p", "main__go-4-9", isOnTerminal: false).output
        #expect(
            sizes.split(separator: "\n").map { $0.split(separator: "\t").last ?? "" } == ["\(delta)", "\(Self.main)"])
    }

    @Test func listAsJSONReadsTheEndsOnlyIfAsked() async throws {
        let delta = try storeDelta("main")
        for (flags, end) in [([], nil), (["-l"], "2026-11-21T00:42:54.817266965Z")] as [([String], String?)] {
            let result = await runCommand(
                ["-c", directory.file("lightningstream.yaml"), "snapshots", "list", "--json", "-p", "\(delta)"] + flags)
            let rows = try #require(
                try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [[String: Any]])
            #expect(rows.count == 1)
            #expect(rows[0]["kind"] as? String == "delta")
            #expect(rows[0]["from"] as? String == "2026-11-21T00:42:53.817266965Z")
            #expect(rows[0]["to"] as? String == end)
        }
    }

    @Test func listNamesADeltaThatCannotBeRead() async throws {
        let delta = try storeDelta("main")
        try directory.write("bucket/\(delta)", "damaged")
        let result = await run("snapshots", "list", "-l", "-p", "\(delta)")
        #expect(result.exitCode == 0)
        #expect(result.output.contains(" delta  2026-11-21T00:42:53.817Z  -   "))
        #expect(result.errors.contains("snapshots list: \(delta): rejected the snapshot"))
    }

    @Test func dumpShowsTheMetadataOfADelta() async throws {
        let delta = try storeDelta("main", entries: [DeltaEntry(key: Array("new".utf8), value: [1], timestamp: 7)])
        let result = await run("snapshots", "dump", "\(delta)")
        for line in [
            "# from: 2026-11-21T00:42:53.817266965Z, 1795221773817266965 ns",
            "# time: 2026-11-21T00:42:54.817266965Z, 1795221774817266965 ns", "# reads deltas: yes",
            "# had merged of ns2: 2026-11-21T00:42:53.817266964Z, 1795221773817266964 ns", "# pdns: flags 0",
        ] {
            #expect(result.output.contains(line + "\n"), "\(line) in \(result.output)")
        }
        #expect(result.output.contains("\nnew = {1970-01-01T00:00:00.000000007Z, 7 ns} "))
        #expect(result.exitCode == 0 && result.errors.isEmpty)
        // A full snapshot of release 1.0 has none of these.
        #expect(await run("snapshots", "dump", Self.main).output.contains("from:") == false)
        let copy = SnapshotName(database: "main", instance: "other", timestamp: delta.timestamp).delta
        try FileManager.default.copyItem(
            atPath: directory.file("bucket/\(delta)"), toPath: directory.file("bucket/\(copy)"))
        let renamed = await run("snapshots", "dump", "\(copy)")
        #expect(
            renamed.errors.contains("warning: \(copy): readers reject this delta: it is of the instance \"go-4-9\""))
        #expect(renamed.output == result.output)
    }

    @Test func putTakesADeltaUnderItsOwnNameOnly() async throws {
        let delta = try storeDelta("main")
        let file = directory.file("\(delta)")
        try FileManager.default.moveItem(atPath: directory.file("bucket/\(delta)"), toPath: file)
        #expect(await run("snapshots", "put", file).exitCode == 0)
        #expect(FileManager.default.contentsEqual(atPath: file, andPath: directory.file("bucket/\(delta)")))
        let other = SnapshotName(database: "main", instance: "go-4-9", timestamp: 5).delta
        let refused = await run("snapshots", "put", file, "-n", "\(other)")
        #expect(refused.exitCode == 1)
        #expect(refused.errors.contains("readers would reject this delta: it begins at 20261121-004253-817266965"))
        #expect(await run("snapshots", "put", file, "-n", "\(other)", "--force").exitCode == 0)
        #expect(await run("snapshots", "get", "\(other)", "-o", directory.file("copy")).exitCode == 0)
        #expect(FileManager.default.contentsEqual(atPath: file, andPath: directory.file("copy")))
    }

    @Test func allOfAnInstanceIncludesItsDeltas() async throws {
        let (main, shard) = (try storeDelta("main"), try storeDelta("shard"))
        let fulls = [try full("main"), try full("shard")]
        let result = await run("snapshots", "remove", "--instance", "go-4-9", "--yes")
        #expect(
            result.output.split(separator: "\n").map(String.init)
                == [main, fulls[0], shard, fulls[1]].map { "removed \($0)" })
        #expect(await run("snapshots", "remove", "\(main)").exitCode == 1)
    }

    // MARK: pdns

    /// The entries of the shard whose key names the host www, as deleted a second later.
    private func deletedHosts() throws -> [DeltaEntry] {
        let name = try full("shard")
        let bytes = try #require(FileManager.default.contents(atPath: directory.file("bucket/\(name)")))
        var reader = SnapshotReader(Spool(Array(bytes)), maximumEntrySize: SnapshotReader.largestPlausibleEntry)
        var entries: [DeltaEntry] = []
        while true {
            switch try reader.next() {
            case .entry:
                let key = Array(reader.key)
                guard key.dropFirst(4).starts(with: Array("www".utf8)), !reader.isDeleted else { break }
                entries.append(DeltaEntry(key: key, value: nil, timestamp: name.timestamp + 1))
            case .end: return entries
            case .databaseBegin, .databaseEnd: break
            }
        }
    }

    @Test func anInstanceIsItsFullSnapshotsAndItsDeltas() async throws {
        let full = try full("shard")
        let alone = await run("pdns", "show", "example.net", "--snapshot", "go-4-9")
        #expect(alone.exitCode == 0 && alone.output.contains("www.example.net"), "\(alone)")
        #expect(await run("pdns", "show", "example.net", "--snapshot", "\(full)") == alone)
        let entries = try deletedHosts()
        #expect(!entries.isEmpty)
        try storeDelta("shard", "records_v5", entries: entries)
        let changed = await run("pdns", "show", "example.net", "--snapshot", "go-4-9")
        #expect(changed.exitCode == 0 && changed.output.contains("example.net") && !changed.output.contains("www."))
        let diff = await run("pdns", "diff", "\(full)", "go-4-9")
        #expect(diff.exitCode == 1)
        #expect(diff.output.contains("\n- www.example.net. ") && !diff.output.contains("\n+ "), "\(diff)")
        #expect(await run("pdns", "diff", "go-4-9", "go-4-9").exitCode == 0)
    }

    @Test func anUnknownInstanceIsAnError() async throws {
        let unknown = await run("pdns", "zones", "--snapshot", "nobody")
        #expect(unknown.exitCode == 1)
        #expect(unknown.errors.contains("known instances: go-4-9, go-5-1"), "\(unknown)")
        // A delta alone is not a database.
        let delta = try storeDelta("shard", "records_v5", entries: try deletedHosts())
        let part = await run("pdns", "zones", "--snapshot", "\(delta)")
        #expect(part.exitCode == 1)
        #expect(part.errors.contains("it contains only changes since 2026-11-21T00:"), "\(part)")
    }

    /// Where the other database was not stored yet, or is gone, the text is about the instance, not about another file to give.
    @Test(arguments: [("main", "zones"), ("shard", "records")])
    func halfAnInstanceIsAnError(_ database: String, _ contents: String) async throws {
        try FileManager.default.removeItem(atPath: directory.file("bucket/\(full(database))"))
        let half = await run("pdns", "check", "--snapshot", "go-4-9")
        #expect(half.exitCode == 1)
        #expect(
            half.errors.contains("the storage has no full snapshot of the \(contents) of instance go-4-9; its daemon"),
            "\(half)")
    }

    @Test func aDamagedDeltaOfAnInstanceIsNamed() async throws {
        let delta = try storeDelta("main")
        try directory.write("bucket/\(delta)", "damaged")
        let result = await run("pdns", "zones", "--snapshot", "go-4-9")
        #expect(result.exitCode == 1 && result.errors.contains("\(delta): rejected the snapshot"), "\(result)")
    }
}

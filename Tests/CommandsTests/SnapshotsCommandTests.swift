import BlobStorage
import Foundation
import TestSupport
import Testing

@testable import Commands

/// `snapshots` with a directory as storage, and snapshots that release 1.0 wrote.
@Suite struct SnapshotsCommandTests {
    private static let name = "main__go-4-9__20261121-004253-817266965__GX.pb.gz"
    private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../SnapshotsTests/Fixtures").standardizedFileURL.path

    private let directory: TemporaryDirectory
    private var configuration: String { directory.file("lightningstream.yaml") }
    private var bucket: String { directory.file("bucket") }

    init() throws {
        directory = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: directory.file("bucket"), withIntermediateDirectories: false)
        try directory.write(
            "lightningstream.yaml",
            """
            lmdbs: {main: {path: \(directory.path)/main, options: {no_subdir: true}, schema_tracks_changes: true}}
            storage: {type: fs, options: {root_path: \(directory.path)/bucket}}
            """)
        try FileManager.default.copyItem(
            atPath: "\(Self.fixtures)/\(Self.name)", toPath: directory.file("bucket/\(Self.name)"))
    }

    private func run(_ arguments: String...) async -> CommandResult {
        await runCommand(["-c", configuration, "snapshots"] + arguments)
    }

    private func store(_ name: String, _ text: String = "x") throws { try directory.write("bucket/\(name)", text) }

    private func bytes(_ path: String) -> Data? { FileManager.default.contents(atPath: path) }

    // MARK: list

    @Test func listsNames() async throws {
        try store("main__ns1.state")
        try store("other")
        #expect(await run("list").output == "\(Self.name)\nmain__ns1.state\nother\n")
        #expect(await run("list", "-p", "main__").output == "\(Self.name)\nmain__ns1.state\n")
        #expect(await run("list", "--prefix=nothing").output == "")
    }

    @Test func listsByTime() async throws {
        let names = [
            "a__z__20200101-000000-000000002__GX.pb.gz", "b__z__20200101-000000-000000001__GX.pb.gz",
            "b__a__20200101-000000-000000002__GX.pb.gz", "zzz",
        ]
        for name in names { try store(name) }
        #expect(
            await run("list", "-t").output.split(separator: "\n").map(String.init)
                == [names[3], names[1], names[0], names[2], Self.name])
    }

    @Test func listsForPeople() async throws {
        try store("other")
        let lines = await run("list", "-l").output.split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines.first?.split(separator: " ") == ["size", "kind", "from", "to", "database", "instance", "name"])
        #expect(
            lines[1].split(separator: " ").map(String.init)
                == ["1.5", "KiB", "full", "-", "2026-11-21T00:42:53.817Z", "main", "go-4-9", Self.name])
        #expect(lines[2].split(separator: " ").last == "other")
    }

    /// As release 1.0 does it.
    @Test func listsForScripts() async throws {
        try store("other")
        let result = await runCommand(["-c", configuration, "snapshots", "list", "-l"], isOnTerminal: false)
        let size = try #require(bytes(directory.file("bucket/\(Self.name)"))?.count)
        let blanks = String(repeating: " ", count: 12 - "\(size)".count)
        #expect(result.output == "\(blanks)\(size)\t\(Self.name)\n           1\tother\n")
    }

    @Test func listsAsJSON() async throws {
        try store("odd \u{9b}31m\u{202e}\"\\name")
        let text = await run("list", "--json").output
        let rows = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]])
        #expect(rows.count == 2)
        #expect(rows[0]["name"] as? String == Self.name)
        #expect(rows[0]["size"] as? Int == bytes("\(bucket)/\(Self.name)")?.count)
        #expect(rows[0]["database"] as? String == "main")
        #expect(rows[0]["instance"] as? String == "go-4-9")
        #expect(rows[0]["time"] as? String == "2026-11-21T00:42:53.817266965Z")
        #expect(rows[0]["kind"] as? String == "full")
        #expect(rows.allSatisfy { ($0["modified"] as? String)?.hasSuffix("Z") == true })
        #expect(rows[1]["name"] as? String == "odd \u{9b}31m\u{202e}\"\\name")
        #expect(rows[1]["database"] == nil && rows[1]["time"] == nil)
        #expect(text.contains(#"\u009b31m\u202e\"\\"#), "a terminal must not act on a name")
        #expect(await run("list", "--json", "-p", "nothing").output == "[]\n")
    }

    // MARK: dump

    @Test func dumpsAsDumpDoes() async {
        let result = await run("dump", Self.name, "-f", "text", "-d", "pdns")
        #expect(
            result.output.hasPrefix(
                "# pdns: flags 0\nschemaversion = {2026-11-21T00:11:41.636"), "\(result.output)")
        #expect(result.output.contains("Z} .... [00 00 00 05]\n"))
        #expect(!result.output.contains("domains_v5"))
        #expect(result.exitCode == 0)
    }

    @Test func dumpsForDebugging() async throws {
        let result = await run("dump", Self.name)
        for line in [
            "# format version: 3", "# database: main", "# instance: go-4-9", "# host: vm", "# generation: GX",
            "# time: 2026-11-21T00:42:53.817266965Z, 1795221773817266965 ns", "# domains_v5: flags 0",
            "# end of this chunk of domains_v5: 7 entries",
        ] {
            #expect(result.output.contains(line + "\n"), "\(line)")
        }
        #expect(result.output.contains(", 1795219902137114942 ns, Deleted}\n"))
        // The same from a file, without a configuration.
        let local = await runCommand(["snapshots", "-l", "dump", "\(bucket)/\(Self.name)"])
        #expect(local.output == result.output)
    }

    @Test func dumpOfADamagedSnapshotFails() async throws {
        var damaged = try #require(bytes("\(bucket)/\(Self.name)"))
        damaged[damaged.count - 5] ^= 1
        try damaged.write(to: URL(fileURLWithPath: directory.file("damaged")))
        let file = directory.file("damaged")
        let result = await runCommand(["snapshots", "dump", "-l", file])
        #expect(result.exitCode == 1)
        #expect(result.errors.hasPrefix("lightningstream: snapshots dump: \(file): rejected the snapshot at byte "))
    }

    @Test func dumpRefusesWhatIsNotThere() async {
        let dbi = await run("dump", Self.name, "-d", "nothing")
        #expect(dbi.errors == "lightningstream: snapshots dump: \(Self.name) has no DBI \"nothing\"\n")
        #expect(dbi.exitCode == 1)
        let object = await run("dump", "nothing")
        #expect(object.errors.contains("nothing") && object.exitCode == 1)
        let file = await run("dump", "-l", directory.file("nothing"))
        #expect(file.errors.contains(directory.file("nothing")) && file.exitCode == 1)
        let folder = await run("dump", "-l", directory.path)
        #expect(folder.errors == "lightningstream: \(directory.path) is not a regular file\n")
    }

    // MARK: get

    @Test func getsIntoAFile() async throws {
        let target = directory.file("copy")
        try directory.write("copy", "something longer than nothing")
        let result = await run("get", Self.name, "-o", target)
        #expect(result.exitCode == 0 && result.output.isEmpty && result.errors.isEmpty)
        #expect(bytes(target) == bytes("\(bucket)/\(Self.name)"))
        #expect(try directory.names == ["bucket", "copy", "lightningstream.yaml"], "no temporary file stays")
    }

    @Test func getsToStandardOutput() async throws {
        try store("object", "contents\n")
        #expect(await run("get", "object", "-o", "-").output == "contents\n")
    }

    private func mode(_ name: String) throws -> mode_t {
        var status = stat()
        guard lstat(directory.file(name), &status) == 0 else { throw POSIXError(.ENOENT) }
        return status.st_mode & 0o777
    }

    @Test func onlyTheOwnerReadsWhatIsGot() async throws {
        #expect(await run("get", Self.name, "-o", directory.file("new")).exitCode == 0)
        #expect(try mode("new") == 0o600)
        for kept in [0o600, 0o640, 0o444] as [mode_t] {
            try directory.write("old\(kept)", "old")
            #expect(chmod(directory.file("old\(kept)"), kept) == 0)
            #expect(await run("get", Self.name, "-o", directory.file("old\(kept)")).exitCode == 0)
            #expect(try mode("old\(kept)") == kept)
            #expect(bytes(directory.file("old\(kept)")) == bytes("\(bucket)/\(Self.name)"))
        }
    }

    @Test func getFollowsNoLinkAndFeedsNoPipe() async throws {
        try directory.write("target", "old")
        try FileManager.default.createSymbolicLink(
            atPath: directory.file("link"), withDestinationPath: directory.file("target"))
        #expect(mkfifo(directory.file("pipe"), 0o666) == 0)
        for (name, words) in [("link", "is a symbolic link"), ("pipe", "is not a regular file")] {
            let result = await run("get", Self.name, "-o", directory.file(name))
            #expect(result.exitCode == 1 && result.errors.contains("\(directory.file(name)) \(words)"), "\(result)")
        }
        #expect(bytes(directory.file("target")) == Data("old".utf8))
        #expect(try directory.names == ["bucket", "lightningstream.yaml", "link", "pipe", "target"])
    }

    @Test(.enabled(if: geteuid() == 0)) func getTouchesNothingOfAnotherUser() async throws {
        // Where anybody can make names, as in /tmp.
        try FileManager.default.createDirectory(atPath: directory.file("shared"), withIntermediateDirectories: false)
        #expect(chmod(directory.file("shared"), 0o1777) == 0)
        try directory.write("shared/file", "theirs")
        #expect(chown(directory.file("shared/file"), 65534, 65534) == 0)
        try FileManager.default.createDirectory(atPath: directory.file("private"), withIntermediateDirectories: false)
        try directory.write("private/copy", "ours")
        let links = ["theirs": 65534, "ours": 0] as [String: uid_t]
        for (name, owner) in links {
            try FileManager.default.createSymbolicLink(
                atPath: directory.file("shared/\(name)"), withDestinationPath: "../private")
            #expect(lchown(directory.file("shared/\(name)"), owner, owner) == 0)
        }
        let file = await run("get", Self.name, "-o", directory.file("shared/file"))
        #expect(file.exitCode == 1 && file.errors.contains("belongs to uid 65534"))
        #expect(bytes(directory.file("shared/file")) == Data("theirs".utf8))
        let foreign = await run("get", Self.name, "-o", directory.file("shared/theirs/copy"))
        #expect(foreign.exitCode == 1 && foreign.errors.contains("a symbolic link of uid 65534"), "\(foreign)")
        #expect(bytes(directory.file("private/copy")) == Data("ours".utf8))
        #expect(await run("get", Self.name, "-o", directory.file("shared/ours/copy")).exitCode == 0)
        #expect(bytes(directory.file("private/copy")) == bytes("\(bucket)/\(Self.name)"))
    }

    @Test func getWritesToADevice() async throws {
        #expect(await run("get", Self.name, "-o", "/dev/null").exitCode == 0)
        #expect(
            try FileManager.default.attributesOfItem(atPath: "/dev/null")[.type] as? FileAttributeType
                == .typeCharacterSpecial)
    }

    @Test func getThatFailsLeavesTheFileAsItIs() async throws {
        try directory.write("copy", "old")
        let missing = await run("get", "nothing", "-o", directory.file("copy"))
        #expect(missing.exitCode == 1 && missing.errors.contains("nothing"))
        #expect(bytes(directory.file("copy")) == Data("old".utf8))
        let nowhere = await run("get", Self.name, "-o", directory.file("no/such/place"))
        #expect(nowhere.exitCode == 1 && nowhere.errors.contains(directory.file("no/such/place")))
        let folder = await run("get", Self.name, "-o", directory.path)
        #expect(folder.exitCode == 1)
        #expect(await run("get", "").exitCode == 64)
    }

    // MARK: put

    @Test func putsUnderTheNameOfTheFileOrAnother() async throws {
        let other = "main__other__20261121-004253-817266965__GX.pb.gz"
        let file = directory.file(Self.name)
        try FileManager.default.moveItem(atPath: "\(bucket)/\(Self.name)", toPath: file)
        let first = await run("put", file)
        #expect(first.exitCode == 0 && first.output.isEmpty && first.errors.isEmpty)
        #expect(await run("put", file, "-n", other).exitCode == 0)
        #expect(bytes("\(bucket)/\(Self.name)") == bytes(file))
        #expect(bytes("\(bucket)/\(other)") == bytes(file))
    }

    @Test func putRefusesANameThatDoesNotParse() async throws {
        let file = "\(bucket)/\(Self.name)"
        let refused = await run("put", file, "-n", "nonsense")
        #expect(refused.exitCode == 1)
        #expect(
            refused.errors == """
                lightningstream: snapshots put: "nonsense" is not the name of a snapshot, so no syncer would read it; \
                names are like main__ns1__20261120-173955-012345678__GX.pb.gz; give one with -n, or use --force

                """)
        #expect(bytes("\(bucket)/nonsense") == nil)
        let forced = await run("put", file, "-n", "nonsense", "--force")
        #expect(forced.exitCode == 0)
        #expect(
            forced.errors.hasPrefix(
                "lightningstream: warning: snapshots put: \"nonsense\" is not the name of a snapshot"))
        #expect(bytes("\(bucket)/nonsense") == bytes(file))
    }

    @Test func putRefusesWhatIsNoSnapshot() async throws {
        let file = try directory.write("file", "no snapshot")
        let name = "main__x__20261121-004253-817266965__GX.pb.gz"
        let refused = await run("put", file, "-n", name)
        #expect(refused.exitCode == 1)
        #expect(refused.errors.contains("\(file): rejected the snapshot at byte 0"))
        #expect(bytes("\(bucket)/\(name)") == nil)
        let forced = await run("--force", "put", file, "-n", name)
        #expect(forced.exitCode == 0)
        #expect(forced.errors.hasPrefix("lightningstream: warning: "))
        #expect(bytes("\(bucket)/\(name)") == Data("no snapshot".utf8))
    }

    @Test func putWarnsOfAnotherDatabase() async throws {
        let result = await run(
            "put", "\(bucket)/\(Self.name)", "-n", "shard__x__20261121-004253-817266965__GX.pb.gz")
        #expect(result.exitCode == 0)
        #expect(
            result.errors
                == "lightningstream: warning: the snapshot's metadata say database main, instance go-4-9, "
                + "but readers use its name, shard__x__20261121-004253-817266965__GX.pb.gz\n")
    }

    @Test func putWarnsOfAFarFuture() async throws {
        let name = "main__ns1__25540721-233433-709551615__GX.pb.gz"
        let result = await run("put", "\(bucket)/\(Self.name)", "-n", name)
        #expect(result.exitCode == 0)
        #expect(
            result.errors.contains("warning: the snapshot's metadata say instance go-4-9, time 20261121-"),
            "\(result.errors)")
        #expect(result.errors.contains("warning: \(name) is in the far future: "), "\(result.errors)")
    }

    // MARK: remove

    @Test func removes() async throws {
        try store("object")
        try store("object-2")
        let result = await run("remove", "object")
        #expect(result.exitCode == 0 && result.output.isEmpty && result.errors.isEmpty)
        #expect(await run("list").output == "\(Self.name)\nobject-2\n")
        let again = await run("remove", "object")
        #expect(again.exitCode == 1)
        #expect(
            again.errors
                == "lightningstream: snapshots remove: there is no object object in the storage; `snapshots list` shows the names\n"
        )
    }
}

import Glibc
import LMDB
import TestSupport
import Testing

@testable import Commands

/// `drop-shadow` and `experimental migrate-timestamps` on real LMDBs.
@Suite struct MigrationCommandTests {
    private let directory: TemporaryDirectory
    private var configuration: String { directory.file("lightningstream.yaml") }

    init() throws {
        directory = try TemporaryDirectory()
        try fill(
            directory.file("main"),
            [
                ("records_v5", [], [Entry("k", "new", timestamp: 0), Entry("same", "v", timestamp: 9)]),
                (
                    "_sync_shadow_records", [],
                    [
                        Entry("gone", "", timestamp: 7, isDeleted: true), Entry("k", "old", timestamp: 5),
                        Entry("missing", "v", timestamp: 5), Entry("same", "v", timestamp: 9),
                    ]
                ),
                ("_sync_shadow_domains", .integerKey, [Entry([1, 0, 0, 0], header(5, 1))]),
                ("_syncopated", [.duplicateSort, .duplicateFixed], [Entry([1], [1]), Entry([1], [2])]),
                ("sync", [], [Entry([1], [1])]),
            ])
        try fill(directory.file("plain"), [("raw", [], [Entry(Array("key".utf8), Array("value".utf8))])])
        try configure(["main", "plain"])
    }

    private func configure(_ databases: [String]) throws {
        let lines = databases.map {
            "  \($0): {path: \(directory.path)/\($0), options: {no_subdir: true, create: true}}"
        }
        try directory.write(
            "lightningstream.yaml", "lmdbs:\n\(lines.joined(separator: "\n"))\nstorage: {type: memory}\n")
    }

    private func run(_ arguments: String...) async -> CommandResult {
        await runCommand(["-c", configuration] + arguments)
    }

    private func dump() async -> String { await run("dump").output }

    // MARK: drop-shadow

    @Test func dropsWhatBeginsWithSync() async throws {
        let before = await dump()
        let result = await run("drop-shadow")
        #expect(
            result.output == """
                main: dropped _sync_shadow_domains, 1 entry
                main: dropped _sync_shadow_records, 4 entries
                main: dropped _syncopated, 2 entries
                plain: nothing to drop

                """)
        #expect(result.errors.isEmpty && result.exitCode == 0)
        let rest = try #require(before.range(of: "# main/records_v5"))
        #expect(await dump() == before[rest.lowerBound...])
        let again = await run("drop-shadow")
        #expect(again.output == "main: nothing to drop\nplain: nothing to drop\n")
        #expect(again.exitCode == 0)
    }

    @Test func theOthersAreDoneWhenOneCannotBeOpened() async throws {
        try configure(["gone", "main"])
        let result = await run("drop-shadow")
        #expect(result.exitCode == 1)
        #expect(result.errors.hasPrefix("lightningstream: database gone: cannot open"))
        #expect(result.errors.filter { $0 == "\n" }.count == 1)
        #expect(result.output.hasSuffix("main: dropped _syncopated, 2 entries\n"))
        // Even where the syncing would create it.
        #expect(access(directory.file("gone"), F_OK) != 0)
    }

    /// What a daemon reads halfway would be sent.
    @Test(arguments: [
        ["drop-shadow"], ["experimental", "migrate-timestamps", "-d", "main", "--src-dbi", "a", "--dst-dbi", "b"],
    ])
    func nothingIsChangedWhileADaemonRuns(arguments: [String]) async throws {
        let file = directory.file("main")
        let before = await dump()
        guard case .locked(let lock) = DaemonLock.take(dataFile: file, hostname: "ns1", token: "t") else {
            Issue.record("not locked")
            return
        }
        let result = await runCommand(arguments + ["-c", configuration])
        #expect(result.exitCode == 1)
        #expect(
            result.errors.contains(
                "database main: cannot change LMDB \(file): process \(getpid()) on ns1 syncs it; stop that daemon first"
            ),
            "\(result.errors)")
        #expect(await dump() == before)
        withExtendedLifetime(lock) {}
    }

    // MARK: migrate-timestamps

    private func migrate(_ source: String, _ destination: String, _ more: String...) async -> CommandResult {
        await runCommand(
            ["experimental", "migrate-timestamps", "-c", configuration, "-d", "main", "--src-dbi", source]
                + ["--dst-dbi", destination] + more)
    }

    @Test func carriesTimestampsOver() async throws {
        let result = await migrate("_sync_shadow_records", "records_v5")
        #expect(
            result.output == """
                main: _sync_shadow_records to records_v5: copied 1, kept 1, added 0 as Deleted, left out 1 Deleted \
                (--add-delete-entries adds them), left out 1 live, which records_v5 does not have
                main: 1 entry differs in _sync_shadow_records, which lacks the last change: the timestamp is that of \
                the previous value

                """)
        #expect(result.errors.isEmpty && result.exitCode == 0)
        let second = await migrate("_sync_shadow_records", "records_v5", "--add-delete-entries")
        #expect(
            second.output == """
                main: _sync_shadow_records to records_v5: copied 0, kept 2, added 1 as Deleted, left out 1 live, which \
                records_v5 does not have

                """)
        try directory.write(
            "native.yaml",
            "lmdbs: {main: {path: \(directory.path)/main, options: {no_subdir: true}, schema_tracks_changes: true}}\n"
                + "storage: {type: memory}\n")
        let dump = await runCommand(["dump", "-H", "-c", directory.file("native.yaml")])
        #expect(dump.output.contains("\nk = {1970-01-01T00:00:00.000000005Z, txn 2} new\n"))
        #expect(dump.output.contains("\ngone = {1970-01-01T00:00:00.000000007Z, txn 3, Deleted}\n"))
    }

    @Test(arguments: [
        (
            "nix", "records_v5",
            "there is no DBI nix; nothing was changed (--ignore-src-dbi-not-present ignores this)"
        ),
        (
            "_sync_shadow_records", "nix",
            "the destination DBI nix does not exist: the application must create its new schema first; nothing was "
                + "changed"
        ),
        (
            "_syncopated", "records_v5",
            "DBI _syncopated has the flags MDB_DUPSORT|MDB_DUPFIXED: several values per key cannot have LS headers; "
                + "specify its shadow DBI, or the DBI that replaced it; nothing was changed"
        ),
    ])
    func whatCannotBeDoneIsOneLine(source: String, destination: String, problem: String) async throws {
        let before = await dump()
        let result = await migrate(source, destination)
        #expect(result.exitCode == 1)
        #expect(result.output.isEmpty)
        #expect(result.errors == "lightningstream: migrate-timestamps: database main: \(problem)\n")
        #expect(await dump() == before)
    }

    @Test func aMissingSourceCanBeIgnored() async {
        let result = await migrate("nix", "nor-this", "--ignore-src-dbi-not-present")
        #expect(result.exitCode == 0)
        #expect(result.output == "main: there is no DBI nix; nothing to do\n")
        #expect(result.errors.isEmpty)
    }

    @Test func wrongUsage() async {
        let same = await migrate("sync", "sync")
        #expect(same.exitCode == 64)
        #expect(same.errors.hasPrefix("lightningstream: --src-dbi and --dst-dbi are both \"sync\""))
        let incomplete = await run("experimental", "migrate-timestamps", "-d", "main", "--src-dbi", "a")
        #expect(incomplete.exitCode == 64)
        #expect(incomplete.errors.contains("--dst-dbi"))
        let unknown = await run(
            "experimental", "migrate-timestamps", "-d", "other", "--src-dbi", "a", "--dst-dbi", "b")
        #expect(unknown.exitCode == 64)
        #expect(unknown.errors.contains("there is no database \"other\""))
    }

    @Test func anLMDBThatCannotBeOpenedIsOneLine() async throws {
        try configure(["gone"])
        let result = await run("experimental", "migrate-timestamps", "-d", "gone", "--src-dbi", "a", "--dst-dbi", "b")
        #expect(result.exitCode == 1)
        #expect(result.errors.hasPrefix("lightningstream: migrate-timestamps: database gone: cannot open"))
        #expect(access(directory.file("gone"), F_OK) != 0)
    }
}

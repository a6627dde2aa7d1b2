import LMDB
import Replication
import TestSupport
import Testing

@testable import Config
@testable import Daemon

/// Reasons in words.
@Suite struct AdviceTests {
    @Test(
        arguments: [
            (
                .unknownDatabase("x", flag: "--only-db", file: "/f.yaml", known: ["a", "b"]),
                "--only-db: there is no database \"x\" in /f.yaml; configured are: a, b"
            ),
            (.storageIsNotOpen, "the storage is not open yet: see the log for the reason"),
            (
                .noDaemonAnswers("http://h/: refused"),
                "the daemon does not answer at http.address (http://h/: refused); is it running with this configuration?"
            ),
            (.tooLargeFile("/f", for: "a pdns.conf"), "/f is too large for a pdns.conf"),
        ] as [(CommandFailure.Reason, String)])
    func lines(reason: CommandFailure.Reason, line: String) {
        #expect(CommandFailure(reason).description == line)
    }

    @Test func onlyAWrongCommandLineIsOne() {
        #expect(CommandFailure(.unknownDatabase("x", flag: "", file: "", known: [])).exitCode == ExitCode.usage)
        #expect(CommandFailure(.storageIsNotOpen).exitCode == ExitCode.failure)
    }

    @Test(
        arguments: [
            (LocalContentError("x", hint: .transformedKeys), "x; set dupsort_hack: true, on all instances"),
            (
                LocalContentError("x", hint: .startOver),
                "x; docs/shadow-mode.md describes how to start over with lightningstream drop-shadow, and what is lost"
            ),
            (RefusedSnapshot("x", hint: .moreDatabases), "x; raise options.max_dbs"),
            (MergeObstacle("x"), "x"),
            (RefusedSnapshot("x", hint: .retryLimit), "x; storage_retry_count limits the failures"),
            (LMDBError(.mapFull, "x", cure: "y"), "x; y"),
            (CommandFailure(.storageIsNotOpen), "the storage is not open yet: see the log for the reason"),
        ] as [(any Error, String)])
    func errors(error: any Error, line: String) {
        #expect(Advice.line(error) == line)
    }

    /// What opens an LMDB for syncing or for a command has the cures.
    @Test func lmdbsSayWhatToDo() throws {
        let directory = try TemporaryDirectory()
        var database = DatabaseConfiguration()
        (database.name, database.path, database.options.noSubdir) = ("main", directory.file("none"), true)
        let end = "; check the path, start the application first, or set options.create: true"
        for open in [
            { try LMDB.Environment(LMDB.EnvironmentOptions(database)) }, { try LocalDatabase(database).open() },
        ] {
            let error = #expect(throws: LMDBError.self) { try open() }
            #expect(error?.description.hasSuffix(end) == true)
        }
        #expect(Advice.cure(of: .mapFull).contains("options.map_size"))
        #expect(Advice.cure(of: .samePID).contains("--minimum-pid"))
    }

    /// What the loops of syncing log has the cures.
    @Test func syncingSaysWhatToDo() {
        let settings = SyncSettings(
            DatabaseConfiguration(), in: Configuration(), receiveOnly: false, hostname: "h")
        #expect(settings.cure(.rebuild("main")) == "lightningstream resync --only-db main")
    }
}

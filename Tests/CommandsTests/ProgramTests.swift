import Foundation
import TestSupport
import Testing

@testable import Commands
@testable import Daemon

/// What the command line does before any command runs.
@Suite struct ProgramTests {
    @Test(arguments: [
        ["version"], ["--version"], ["-c", "/nowhere.yaml", "version"], ["version", "--debug", "-i", "x"],
        ["sync", "--version"],
    ])
    func version(arguments: [String]) async {
        let result = await runCommand(arguments)
        #expect(result.exitCode == 0)
        #expect(result.output == "lightningstream \(programVersion)\n")
        #expect(result.errors.isEmpty)
    }

    @Test(arguments: [
        ["-h"], ["--help"], ["help"], ["help", "sync"], ["sync", "-h"], ["-c", "x", "dump", "--help"],
        ["snapshots"], ["snapshots", "--help"], ["help", "snapshots", "list"], ["snapshots", "put", "-h"],
    ])
    func help(arguments: [String]) async {
        let result = await runCommand(arguments)
        #expect(result.exitCode == 0)
        #expect(result.output.contains("USAGE: lightningstream"))
        #expect(result.output.contains("--minimum-pid"))
        #expect(result.errors.isEmpty)
    }

    private static let usageErrors: [([String], String)] = [
        ([], "no command given; see lightningstream --help"),
        (["--debug"], "no command given; see lightningstream --help"),
        (["synk"], "unknown command \"synk\"; did you mean \"sync\"?"),
        (["snapshots", "lst"], "unknown command \"snapshots lst\"; did you mean \"snapshots list\"?"),
        (["snapshots", "dump"], "Missing expected argument '<name>'; see lightningstream --help"),
        (
            ["snapshots", "dump", "x", "-f", "xml"],
            "The value 'xml' is invalid for '-f <format>'. Please provide one of 'debug' and 'text'; see lightningstream --help"
        ),
        (["completion"], "Missing expected argument '<shell>'; see lightningstream --help"),
        (["sync", "--foo"], "Unknown option '--foo'; see lightningstream --help"),
        (["sync", "extra"], "Unexpected argument 'extra'; see lightningstream --help"),
        (["dump", "-n"], "Missing value for '-n <db>'; see lightningstream --help"),
        (
            ["receive", "--only-db", "main"],
            "Unknown option '--only-db'; see lightningstream --help"
        ),
        (["--minimum-pid", "-1", "stats"], "Missing value for '--minimum-pid <n>'; see lightningstream --help"),
        (
            ["sync", "--log-format", "xml"],
            "The value 'xml' is invalid for '--log-format <format>': expected one of human, logfmt, json; "
                + "see lightningstream --help"
        ),
        (
            ["--log-level", "loud", "sync"],
            "The value 'loud' is invalid for '--log-level <level>': expected one of debug, info, warning, error, fatal; "
                + "see lightningstream --help"
        ),
        (
            ["sync", "--timeout", "5"],
            "The value '5' is invalid for '--timeout <duration>': expected a duration with its unit, such as 250ms, 10s "
                + "or 1h30m; a number needs a unit: ns, us, ms, s, m or h; see lightningstream --help"
        ),
        (
            ["sync", "--timeout=-5s"],
            "The value '-5s' is invalid for '--timeout <duration>': it must be longer than 0; see lightningstream --help"
        ),
    ]

    @Test(arguments: usageErrors)
    func usage(arguments: [String], message: String) async {
        let result = await runCommand(arguments)
        #expect(result.errors == "lightningstream: \(message)\n")
        #expect(result.exitCode == 64)
        #expect(result.output.isEmpty)
    }

    @Test func configurationErrorsAreReportedAllAtOnce() async throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write(
            "bad.yaml", "lmdbs: {main: {path: x}}\nstorage: {type: ftp}\nlmdb_poll_interval: 5\n")
        let result = await runCommand(["sync", "-c", file])
        #expect(result.exitCode == 1)
        let lines = result.errors.split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines.first?.hasPrefix("lightningstream: \(file):2:17: storage.type: ") == true)
        #expect(lines.last?.hasPrefix("lightningstream: \(file):3:21: lmdb_poll_interval: ") == true)
    }

    @Test func aMissingConfigurationFile() async {
        let result = await runCommand(["stats", "-c", "/nonexistent/x.yaml"])
        #expect(
            result.errors
                == "lightningstream: /nonexistent/x.yaml: there is no such file; name the configuration file with --config\n"
        )
        #expect(result.exitCode == 1)
    }

    /// The working directory comes first, then where packages put the file.
    @Test func whereTheConfigurationIsLookedFor() throws {
        #expect(
            SessionOptions.configurationFiles == ["lightningstream.yaml", "/etc/lightningstream/lightningstream.yaml"])
        let directory = try TemporaryDirectory()
        let files = [directory.file("here.yaml"), directory.file("there.yaml")]
        #expect(SessionOptions.first(of: files) == files[0])
        for file in files.reversed() {
            try Data().write(to: URL(fileURLWithPath: file))
            #expect(SessionOptions.first(of: files) == file)
        }
    }

    @Test func bothPlacesAreNamedWhenThereIsNone() throws {
        let directory = try TemporaryDirectory()
        let files = [directory.file("here.yaml"), directory.file("there.yaml")]
        #expect(
            SessionOptions.missing(of: files)?.description
                == "there is no configuration file: neither \(files[0]) in the working directory nor \(files[1]); set its path "
                + "with --config")
        try Data().write(to: URL(fileURLWithPath: files[1]))
        #expect(SessionOptions.missing(of: files) == nil)
    }

    @Test func aMinimumPIDThatIsTooHighIsLowered() async throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write(
            "a.yaml", "lmdbs: {a: {path: \(directory.file("a"))}}\nstorage: {type: memory}\nlog: {format: logfmt}\n")
        let result = await runCommand(["snapshots", "list", "-c", file, "--minimum-pid", "1000"])
        #expect(result.exitCode == 0)
        #expect(
            result.errors.contains(
                "level=warning msg=\"--minimum-pid is lowered to its maximum\" asked=1000 minimum_pid=200")
        )
        #expect(await runCommand(["snapshots", "list", "-c", file, "--minimum-pid", "200"]).errors.isEmpty)
        #expect(await runCommand(["snapshots", "list", "-c", file, "--minimum-pid=-5"]).errors.isEmpty)
    }

    @Test func errorsStayOneLine() async {
        let result = await runCommand(["bad\ncommand\u{1b}[31m"])
        #expect(result.errors.hasPrefix("lightningstream: unknown command \"bad; command.[31m\"; known commands: "))
        #expect(result.errors.filter { $0 == "\n" }.count == 1)
    }
}

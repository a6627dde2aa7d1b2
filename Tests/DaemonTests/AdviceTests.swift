import Testing

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
            (.tooLargeFile("/f", for: "a pdns.conf"), "/f is too large for a pdns.conf"), (.said("text"), "text"),
        ] as [(CommandFailure.Reason, String)])
    func lines(reason: CommandFailure.Reason, line: String) {
        #expect(CommandFailure(reason).description == line)
    }

    @Test func onlyAWrongCommandLineIsOne() {
        #expect(CommandFailure(.unknownDatabase("x", flag: "", file: "", known: [])).exitCode == ExitCode.usage)
        #expect(CommandFailure(.azureStorage).exitCode == ExitCode.failure)
    }
}

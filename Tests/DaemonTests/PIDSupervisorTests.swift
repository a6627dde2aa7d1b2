import Foundation
import TestSupport
import Testing

@testable import Daemon

@Suite struct PIDSupervisorTests {
    @Test(
        arguments: [
            (200, 1, [:], true), (200, 199, [:], true), (200, 200, [:], false), (200, 4711, [:], false),
            (0, 1, [:], false), (200, 1, ["LIGHTNINGSTREAM_NO_PID_CHECK": "1"], false),
            (200, 1, ["LIGHTNINGSTREAM_NO_PID_CHECK": ""], false),
        ] as [(Int, Int, [String: String], Bool)])
    func isNeeded(minimum: Int, own: Int, environment: [String: String], expected: Bool) {
        #expect(PIDSupervisor.isNeeded(minimum: minimum, own: own, environment: environment) == expected)
    }

    @Test(arguments: [
        ("exit 0", Int32(0)), ("exit 7", 7), ("exit 75", 75), ("kill -KILL $$", 137), ("kill -TERM $$", 143),
        ("exit $CODE", 9), ("trap 'exit 3' PIPE; kill -PIPE $$; exit 4", 3),
    ])
    func passesTheEndOn(script: String, exitCode: Int32) async throws {
        // As the program does. A shell can't trap what it was started to ignore.
        signal(SIGPIPE, SIG_IGN)
        #expect(try await supervise(script) == exitCode)
    }

    @Test func refusesAnIDThatIsTooLow() async throws {
        let error = await #expect(throws: CommandFailure.self) { try await supervise("exec sleep 60", minimum: .max) }
        #expect(error?.exitCode == 1)
        #expect(error?.description.hasPrefix("cannot get a process ID of at least \(Int.max), got ") == true)
    }

    @Test func aMissingProgram() async throws {
        let error = await #expect(throws: CommandFailure.self) {
            try await onThread { try PIDSupervisor.supervise("/nonexistent", arguments: ["x"], environment: []) }
        }
        #expect(
            error?.description == "cannot start a child process (--minimum-pid): No such file or directory")
    }

    @Test func usesUpIDs() async throws {
        let before = try await childID()
        PIDSupervisor.useUp(count: 60)
        PIDSupervisor.useUp(count: -5)
        let after = try await childID()
        // IDs begin anew after the greatest one.
        #expect(after > before + 60 || after < before)
    }

    private func supervise(_ script: String, minimum: Int = 0) async throws -> Int32 {
        try await onThread {
            try PIDSupervisor.supervise(
                "/bin/sh", arguments: ["sh", "-c", script], environment: ["PATH=/usr/bin:/bin", "CODE=9"],
                minimum: minimum)
        }
    }

    /// The process ID that a new process gets.
    private func childID() async throws -> Int {
        let directory = try TemporaryDirectory()
        #expect(try await supervise("echo $$ > \(directory.file("id"))") == 0)
        let text = try String(contentsOfFile: directory.file("id"), encoding: .utf8)
        return try #require(Int(text.trimmingCharacters(in: .whitespacesAndNewlines)))
    }

    /// The supervisor blocks signals in its thread, and waits.
    private func onThread(_ body: @escaping @Sendable () throws -> Int32) async throws -> Int32 {
        try await withCheckedThrowingContinuation { continuation in
            Thread { continuation.resume(with: Result(catching: body)) }.start()
        }
    }
}

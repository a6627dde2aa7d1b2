import Foundation
import Synchronization

/// The built program as a process of its own.
final class ChildProcess: Sendable {
    /// The executable beside the test bundle, which runs this code.
    static var program: String {
        get throws {
            let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            return URL(fileURLWithPath: tests).deletingLastPathComponent().appendingPathComponent("lightningstream")
                .path
        }
    }

    private struct State {
        var errors = ""
        var exitCode: Int32?
    }

    /// What the reading thread fills, which must not keep the child alive.
    private final class Shared: Sendable {
        let state = Mutex(State())
    }

    private let process: Process
    private let shared = Shared()

    /// Starts the program; its standard output is thrown away, unless it goes to `output`.
    init(_ arguments: [String], output: FileHandle = .nullDevice) throws {
        process = Process()
        process.executableURL = URL(fileURLWithPath: try Self.program)
        process.arguments = arguments
        process.standardOutput = output
        process.standardInput = FileHandle.nullDevice
        let pipe = Pipe()
        process.standardError = pipe
        try process.run()
        Thread { [process, shared, reading = pipe.fileHandleForReading] in
            while true {
                let data = reading.availableData
                guard !data.isEmpty else { break }
                shared.state.withLock { $0.errors += String(decoding: data, as: UTF8.self) }
            }
            process.waitUntilExit()
            shared.state.withLock { state in
                // As a shell puts it.
                state.exitCode =
                    process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
            }
        }.start()
    }

    deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

    /// What has been written to standard error so far.
    var errors: String { shared.state.withLock(\.errors) }

    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    /// Waits until standard error holds a text; false when it never does.
    func logs(_ text: String) async throws -> Bool {
        try await eventually { errors.contains(text) }
    }

    /// Waits for the end; nil when there is none.
    func exitCode() async throws -> Int32? {
        _ = try await eventually { shared.state.withLock { $0.exitCode != nil } }
        return shared.state.withLock(\.exitCode)
    }
}

/// Waits until a condition holds; the limit is only there to end a broken test.
func eventually(_ condition: () -> Bool) async throws -> Bool {
    for _ in 0..<3000 {
        if condition() { return true }
        try await Task.sleep(for: .milliseconds(10))
    }
    return condition()
}

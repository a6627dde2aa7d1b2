import Foundation
import LMDB
import Synchronization
import Telemetry

@testable import Commands

/// Keeps what a command writes to standard output.
final class CapturedOutput: ByteOutput {
    private let bytes = Mutex<[UInt8]>([])

    func write(_ new: [UInt8]) { bytes.withLock { $0 += new } }

    var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
}

/// Keeps what a command writes to standard error.
final class CapturedLines: LogOutput {
    private let lines = Mutex<[String]>([])

    func write(line: [UInt8]) { lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) } }

    var all: [String] { lines.withLock { $0 } }
    var text: String { all.joined() }
}

/// 2026-11-21T00:11:41.839786911Z
let sampleTime = WallTime(seconds: 1_795_219_901, nanoseconds: 839_786_911)

/// How a command ended and what it wrote.
struct CommandResult: Sendable {
    var exitCode: Int32
    var output: String
    var errors: String
}

/// Runs a command within this process.
///
/// On a thread of its own: commands wait for their end, which tasks must not.
func runCommand(
    _ arguments: [String], environment: [String: String] = [:], isOnTerminal: Bool = true,
    sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
) async -> CommandResult {
    let (output, errors) = (CapturedOutput(), CapturedLines())
    let context = CommandContext(
        standardOutput: output, standardError: errors, environment: environment, clock: { sampleTime },
        sleep: sleep, usesColour: false, logsToTerminal: isOnTerminal, showsToTerminal: isOnTerminal, ownsProcess: false
    )
    let exitCode = await withCheckedContinuation { continuation in
        Thread { continuation.resume(returning: Program.run(["lightningstream"] + arguments, in: context)) }.start()
    }
    return CommandResult(exitCode: exitCode, output: output.text, errors: errors.text)
}

/// Time that passes only while all who can sleep do: it jumps to the end of the shortest sleep then.
final class SimulatedSleep: Sendable {
    private struct State {
        var sleeping: [Int: (end: Duration, continuation: CheckedContinuation<Void, any Error>)] = [:]
        var calls = 0
        var now = Duration.zero
    }

    private let sleepers: Int
    private let meanwhile: @Sendable () throws -> Void
    private let state = Mutex(State())

    /// - Parameters:
    ///   - sleepers: how many sleep at the same time.
    ///   - meanwhile: what happens each time when all sleep.
    init(sleepers: Int, meanwhile: @escaping @Sendable () throws -> Void = {}) {
        self.sleepers = sleepers
        self.meanwhile = meanwhile
    }

    func sleep(for duration: Duration) async throws {
        let number = state.withLock { state in
            state.calls += 1
            return state.calls
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let (isCancelled, woken) = state.withLock { state in
                    guard !Task.isCancelled else { return (true, nil as CheckedContinuation<Void, any Error>?) }
                    state.sleeping[number] = (state.now + duration, continuation)
                    guard state.sleeping.count == sleepers,
                        let next = state.sleeping.min(by: { $0.value.end < $1.value.end })
                    else { return (false, nil) }
                    state.now = next.value.end
                    return (false, state.sleeping.removeValue(forKey: next.key)?.continuation)
                }
                if isCancelled { continuation.resume(throwing: CancellationError()) }
                woken?.resume(with: Result { try meanwhile() })
            }
        } onCancel: {
            let cancelled = state.withLock { $0.sleeping.removeValue(forKey: number)?.continuation }
            cancelled?.resume(throwing: CancellationError())
        }
    }
}

/// One entry of an LMDB.
struct Entry {
    var key: [UInt8]
    var value: [UInt8]

    init(_ key: [UInt8], _ value: [UInt8]) {
        self.key = key
        self.value = value
    }

    /// An entry whose value has a header.
    init(_ key: String, _ value: String, timestamp: UInt64, transaction: UInt64 = 1, isDeleted: Bool = false) {
        self.init(Array(key.utf8), header(timestamp, transaction, flags: isDeleted ? 1 : 0) + Array(value.utf8))
    }
}

/// The 24 bytes before a value.
func header(_ timestamp: UInt64, _ transaction: UInt64, flags: UInt8 = 0, extensions: UInt16 = 0) -> [UInt8] {
    let big: (UInt64) -> [UInt8] = { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) } }
    return big(timestamp) + big(transaction) + [0, flags, 0, 0, 0, 0]
        + [UInt8(extensions >> 8), UInt8(truncatingIfNeeded: extensions)]
}

/// Writes entries to an LMDB file, which is made when it is missing.
func fill(_ path: String, _ databases: [(name: String, flags: DatabaseFlags, entries: [Entry])]) throws {
    let environment = try Environment(
        EnvironmentOptions(path: path, noSubdirectory: true, create: true, mapSize: 1 << 26))
    try environment.write { transaction in
        for (name, flags, entries) in databases {
            let database = try transaction.database(name, creating: flags)
            for entry in entries {
                try entry.key.withUnsafeBytes { key in
                    try entry.value.withUnsafeBytes { try transaction.put(database, key, $0) }
                }
            }
        }
        return .commit(())
    }
}

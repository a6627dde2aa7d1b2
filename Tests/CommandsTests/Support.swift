import DaemonTestSupport
import Foundation
import LMDB
import Observability
import Snapshots
import Support
import Synchronization

@testable import Commands
@testable import Daemon

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

/// One entry of a delta.
struct DeltaEntry {
    var key: [UInt8]
    /// nil for a deletion.
    var value: [UInt8]?
    var timestamp: UInt64
}

/// A delta as it is stored under this name.
func deltaBytes(
    _ name: SnapshotName, to end: UInt64, positions: [String: UInt64] = [:], _ dbi: String = "",
    _ entries: [DeltaEntry] = []
) throws -> [UInt8] {
    let meta = SnapshotMeta(
        instanceID: name.instance, hostname: "host-\(name.instance)", timestamp: end, databaseName: name.database,
        from: name.timestamp, positions: positions, readsDeltas: true)
    var writer = try SnapshotWriter(meta)
    if !dbi.isEmpty {
        try writer.beginDatabase(dbi, flags: 0)
        for entry in entries {
            try entry.key.withUnsafeBytes { key in
                try (entry.value ?? []).withUnsafeBytes { value in
                    try writer.append(
                        key: key, value: value, timestamp: entry.timestamp, isDeleted: entry.value == nil)
                }
            }
        }
        try writer.endDatabase()
    }
    let spool = try writer.finish()
    var bytes = [UInt8](repeating: 0, count: spool.count)
    _ = try bytes.withUnsafeMutableBytes { try spool.read(at: 0, into: $0) }
    return bytes
}

extension SnapshotName {
    /// The delta that begins at this time.
    var delta: SnapshotName {
        SnapshotName(
            database: database, instance: instance, timestamp: timestamp, fileExtension: SnapshotName.deltaExtension)
    }
}

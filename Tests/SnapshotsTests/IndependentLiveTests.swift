import Foundation
import Support
import TestSupport
import Testing

@testable import Snapshots

@Suite("Other people's decoder")
struct IndependentLiveTests {
    @Test("reads what is written")
    func decode() throws {
        var random = SeededGenerator(seed: 6)
        let entries = (0..<3000).map { index in
            Entry(
                Array("\(index)".utf8), random.bytes(index % 7 == 0 ? index / 4 : index % 50),
                index % 5 == 0 ? 0 : random.next(), index % 3 == 0)
        }
        let meta = SnapshotMeta(
            instanceID: "ns1", hostname: "host", transactionID: -1, timestamp: 1_795_196_395_012_345_678,
            databaseName: "main", fromTransactionID: .max, from: .max, positions: ["b": 1, "a": .max], readsDeltas: true
        )
        let contents = Contents(
            databases: [
                Database(name: "records", flags: 8, entries: entries), Database(name: "empty"),
                Database(name: "dup", flags: 4, transform: "dupsort_hack_v1", entries: Array(entries[..<20])),
            ], meta: meta)
        let spool = try contents.written(chunkSize: 50_000)

        var expected = ["snapshot 3 1", "meta GX ns1 host -1 1795196395012345678 main \(Int64.max)"]
        expected += ["from \(UInt64.max) 1", "position a \(UInt64.max)", "position b 1"]
        let parts = try Contents(spool).databases
        #expect(parts.count > 5)
        for part in parts {
            expected.append("database \(part.name) \(part.flags) \(part.transform.isEmpty ? "-" : part.transform)")
            expected += part.entries.map {
                "\(Self.hex($0.key)) \(Self.hex($0.value)) \($0.timestamp) \($0.isDeleted ? 1 : 0)"
            }
        }
        #expect(try Self.run(spool) == expected)
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.isEmpty ? "-" : bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    // What Fixtures/decode.py says about a snapshot, line by line.
    private static func run(_ spool: Spool) throws -> [String] {
        let directory = FileManager.default.temporaryDirectory.appending(path: "snapshot-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appending(path: "snapshot.pb.gz")
        try Data(bytes(spool)).write(to: file)

        // Made once and kept with the build.
        let environment = Fixture.directory.deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: ".build/snapshot-decoder")
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            "python3", Fixture.directory.appending(path: "decode.py").path, file.path, environment.path,
        ]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "python3 with the packages venv and pip, or protobuf, is needed")
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map { String($0) }
    }
}

import Foundation
import Support
import Testing

@testable import Snapshots

/// Snapshots of real databases, written by release 1.0, with what is in those databases.
struct Fixture: CustomTestStringConvertible, Sendable {
    /// The snapshot's object name.
    let snapshot: String
    /// The name of the LMDB file and of its contents as text, without the extension.
    let database: String

    static let all = [
        Fixture(snapshot: "main__go-4-9__20261121-004253-817266965__GX.pb.gz", database: "pdns-4.9.main"),
        Fixture(snapshot: "shard__go-4-9__20261121-004253-817380244__GX.pb.gz", database: "pdns-4.9.shard"),
        Fixture(snapshot: "main__go-5-1__20261121-004253-834874310__GX.pb.gz", database: "pdns-5.1.main"),
        Fixture(snapshot: "shard__go-5-1__20261121-004253-834946758__GX.pb.gz", database: "pdns-5.1.shard"),
    ]

    static let directory = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures")

    var testDescription: String { snapshot }

    func compressed() throws -> [UInt8] {
        Array(try Data(contentsOf: Self.directory.appending(path: snapshot)))
    }

    /// A DBI of the LMDB, with whole values, headers included, beside what an independent program saw in them.
    struct RawDatabase {
        var database: Database
        var values: [[UInt8]] = []
    }

    /// What Fixtures/expected.py found in the LMDB.
    func expected() throws -> [RawDatabase] {
        let text = try String(contentsOf: Self.directory.appending(path: database + ".txt"), encoding: .utf8)
        var result: [RawDatabase] = []
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ")
            if line.hasPrefix("["), parts.count == 2, let flags = UInt64(parts[1].dropFirst("flags=".count)) {
                let name = String(parts[0].dropFirst().dropLast())
                result.append(RawDatabase(database: Database(name: name, flags: flags)))
            } else if parts.count == 5, let timestamp = UInt64(parts[2]), !result.isEmpty {
                result[result.count - 1].database.entries.append(
                    Entry(Self.unhex(parts[0]), Self.unhex(parts[4]), timestamp, parts[3] == "1"))
                result[result.count - 1].values.append(Self.unhex(parts[1]))
            } else {
                throw CocoaError(.fileReadCorruptFile)
            }
        }
        return result
    }

    private static func unhex(_ text: Substring) -> [UInt8] {
        guard text != "-" else { return [] }
        let digits = Array(text)
        return stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
    }
}

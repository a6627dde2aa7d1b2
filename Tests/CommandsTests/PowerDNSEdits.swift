import LMDB
import PowerDNSFormat
import Snapshots
import TestSupport
import Testing

extension TemporaryDirectory {
    /// Replaces payloads of a table of an LMDB; an empty one marks the entry Deleted.
    func edit(
        _ file: String, _ table: PowerDNSTable, _ change: (RecordKey, [UInt8]) throws -> [UInt8]?
    ) throws {
        let environment = try Environment(
            EnvironmentOptions(path: self.file(file), noSubdirectory: true, maximumDatabases: 64))
        try environment.write { transaction in
            let database = try #require(try transaction.database(table.rawValue))
            var changes: [(key: [UInt8], value: [UInt8])] = []
            var cursor = try transaction.openCursor(database)
            while try cursor.next() {
                let entry = try EntryHeader.parse(cursor.value)
                guard !entry.header.isDeleted, let payload = try change(RecordKey(cursor.key), Array(entry.payload))
                else { continue }
                let new = header(entry.header.timestamp + 1, 99, flags: payload.isEmpty ? 1 : 0) + payload
                changes.append((Array(cursor.key), new))
            }
            for (key, value) in changes {
                try key.withUnsafeBytes { key in try value.withUnsafeBytes { try transaction.put(database, key, $0) } }
            }
            return .commit(())
        }
    }
}

extension CommandResult: Equatable {
    static func == (one: CommandResult, other: CommandResult) -> Bool {
        (one.exitCode, one.output, one.errors) == (other.exitCode, other.output, other.errors)
    }
}

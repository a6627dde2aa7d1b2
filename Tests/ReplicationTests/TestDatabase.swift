import Bytes
import Glibc
import LMDB
import Snapshots
import TestSupport

@testable import Replication

/// A directory that is removed with its owner; in memory where the system offers that, to spare the disk.
final class ScratchDirectory: Sendable {
    let path: String

    init() throws {
        let base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        var template = Array("\(base)/lightningstream-test.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("create", "a scratch directory in \(base)") }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    deinit {
        for name in ["data.mdb", "lock.mdb"] { unlink("\(path)/\(name)") }
        rmdir(path)
    }
}

/// One version of an entry, as a value that can be compared.
struct TestVersion: Hashable, CustomStringConvertible {
    var timestamp: UInt64
    var isDeleted: Bool
    var value: [UInt8]

    var description: String {
        "(\(timestamp)\(isDeleted ? " Deleted" : ""), \(String(decoding: value, as: UTF8.self)))"
    }

    func withVersion<R>(_ body: (MergeRule.Version) throws -> R) rethrows -> R {
        try value.withUnsafeBytes { try body(.init(timestamp: timestamp, isDeleted: isDeleted, value: $0)) }
    }

    /// Whether it wins over another version of the same entry.
    func replaces(_ other: TestVersion) -> Bool {
        withVersion { mine in other.withVersion { MergeRule.replaces(mine, local: $0) } }
    }
}

/// Where an entry is: DBI and key.
struct TestKey: Hashable, Comparable {
    var database: String
    var key: [UInt8]

    static func < (a: TestKey, b: TestKey) -> Bool {
        a.database != b.database ? a.database < b.database : a.key.lexicographicallyPrecedes(b.key)
    }
}

typealias TestContents = [TestKey: TestVersion]

extension LMDB.Environment {
    static func scratch(_ directory: ScratchDirectory, mapSize: Int = 16 << 20) throws -> LMDB.Environment {
        try LMDB.Environment(
            EnvironmentOptions(path: directory.path, create: true, mapSize: mapSize))
    }

    /// Writes as an application does that tracks changes itself.
    @discardableResult
    func applicationWrite(_ entries: [(TestKey, TestVersion)], flags: DatabaseFlags = []) throws -> UInt64 {
        try write { transaction in
            for (key, version) in entries {
                let database = try transaction.database(key.database, creating: flags)
                var value = [UInt8](repeating: 0, count: EntryHeader.size) + (version.isDeleted ? [] : version.value)
                let header = EntryHeader(
                    timestamp: version.timestamp, transactionID: transaction.id,
                    flags: version.isDeleted ? EntryHeader.deletedFlag : 0)
                value.withUnsafeMutableBytes { header.write(to: $0) }
                try key.key.withUnsafeBytes { key in
                    try value.withUnsafeBytes { try transaction.put(database, key, $0) }
                }
            }
            return .commit(transaction.id)
        }
    }

    /// Everything that is synced.
    func contents() throws -> TestContents {
        try read { transaction in
            var contents: TestContents = [:]
            for database in try transaction.databases() where !PrivateDatabases.contains(database.name) {
                var cursor = try transaction.openCursor(database)
                while try cursor.next() {
                    let entry = try EntryHeader.parse(cursor.value)
                    contents[TestKey(database: database.name, key: Array(cursor.key))] = TestVersion(
                        timestamp: entry.header.timestamp, isDeleted: entry.header.isDeleted,
                        value: Array(entry.payload))
                }
            }
            return contents
        }
    }
}

/// Everything in a snapshot.
func contents(of snapshot: Spool) throws -> TestContents {
    var contents: TestContents = [:]
    var reader = SnapshotReader(snapshot, maximumEntrySize: 1 << 20)
    while true {
        switch try reader.next() {
        case .databaseBegin, .databaseEnd: continue
        case .end: return contents
        case .entry:
            contents[TestKey(database: reader.databaseName, key: Array(reader.key))] = TestVersion(
                timestamp: reader.timestamp, isDeleted: reader.isDeleted, value: Array(reader.value))
        }
    }
}

/// Adds versions to others by the merge rule.
func join(_ contents: inout TestContents, with other: TestContents) {
    for (key, version) in other {
        if let known = contents[key], !version.replaces(known) { continue }
        contents[key] = version
    }
}

extension SeededGenerator {
    /// True so often.
    mutating func chance(_ probability: Double) -> Bool { Double.random(in: 0..<1, using: &self) < probability }
}

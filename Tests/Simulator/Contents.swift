import Glibc
import LMDB
import Replication
import Snapshots
import Support

/// A directory that is removed with its owner; in memory where the system offers that, to spare the disk.
package final class ScratchDirectory: Sendable {
    package let path: String

    package init() throws {
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
package struct TestVersion: Hashable, Sendable, CustomStringConvertible {
    package var timestamp: UInt64
    package var isDeleted: Bool
    package var value: [UInt8]

    package init(timestamp: UInt64, isDeleted: Bool, value: [UInt8]) {
        (self.timestamp, self.isDeleted, self.value) = (timestamp, isDeleted, value)
    }

    package var description: String {
        "(\(timestamp)\(isDeleted ? " Deleted" : ""), \(String(decoding: value, as: UTF8.self)))"
    }

    /// Whether it wins over another version of the same entry: the merge rule, spelled out once more to compare with.
    package func replaces(_ other: TestVersion) -> Bool {
        if timestamp != other.timestamp { return timestamp > other.timestamp }
        if value != other.value { return value.lexicographicallyPrecedes(other.value) }
        return isDeleted && !other.isDeleted
    }
}

/// Where an entry is: DBI and key.
package struct TestKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var database: String
    package var key: [UInt8]

    package init(database: String, key: [UInt8]) { (self.database, self.key) = (database, key) }

    package static func < (a: TestKey, b: TestKey) -> Bool {
        a.database != b.database ? a.database < b.database : a.key.lexicographicallyPrecedes(b.key)
    }

    package var description: String { "\(database)/\(key.withUnsafeBytes { PrintableText.bytes($0) })" }
}

package typealias TestContents = [TestKey: TestVersion]

extension LMDB.Environment {
    package static func scratch(_ directory: ScratchDirectory, mapSize: Int = 16 << 20) throws -> LMDB.Environment {
        try LMDB.Environment(
            EnvironmentOptions(path: directory.path, create: true, mapSize: mapSize))
    }

    /// Writes as an application does that tracks changes itself.
    @discardableResult
    package func applicationWrite(_ entries: [(TestKey, TestVersion)], flags: DatabaseFlags = []) throws -> UInt64 {
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
    package func contents() throws -> TestContents { try versions(prefix: "") }

    /// All versions in the shadows, by the names of the application's DBIs.
    package func versions() throws -> TestContents { try versions(prefix: Schema.shadowPrefix) }

    private func versions(prefix: String) throws -> TestContents {
        try read { transaction in
            var contents: TestContents = [:]
            for database in try transaction.databases() {
                guard prefix.isEmpty ? !PrivateDatabases.contains(database.name) : database.name.hasPrefix(prefix)
                else { continue }
                let name = String(database.name.dropFirst(prefix.count))
                var cursor = try transaction.openCursor(database)
                while try cursor.next() {
                    let entry = try EntryHeader.parse(cursor.value)
                    contents[TestKey(database: name, key: Array(cursor.key))] = TestVersion(
                        timestamp: entry.header.timestamp, isDeleted: entry.header.isDeleted,
                        value: Array(entry.payload))
                }
            }
            return contents
        }
    }
}

/// Adds versions to others by the merge rule.
package func join(_ contents: inout TestContents, with other: TestContents) {
    for (key, version) in other {
        if let known = contents[key], !version.replaces(known) { continue }
        contents[key] = version
    }
}

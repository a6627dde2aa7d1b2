import LMDB
import Simulator
import Snapshots

@testable import Replication

/// How an application without headers writes, and what its LMDB and the shadows hold.
extension LMDB.Environment {
    static let shadows = Schema.shadow(dupSortHack: true)

    /// Lets the application write one value; where a key may have several, it joins them.
    @discardableResult
    func appPut(
        _ key: [UInt8], _ value: [UInt8], in database: String = "records", flags: DatabaseFlags = []
    ) throws -> UInt64 {
        try write { transaction in
            let database = try transaction.database(database, creating: flags)
            try key.withUnsafeBytes { key in try value.withUnsafeBytes { try transaction.put(database, key, $0) } }
            return .commit(transaction.id)
        }
    }

    @discardableResult
    func appPut(_ key: String, _ value: String, in database: String = "records") throws -> UInt64 {
        try appPut(Array(key.utf8), Array(value.utf8), in: database)
    }

    /// Lets the application remove a key, or one of its values.
    func appDelete(_ key: [UInt8], value: [UInt8]? = nil, in database: String = "records") throws {
        try write { transaction in
            guard let database = try transaction.database(database) else { return .abort(()) }
            try key.withUnsafeBytes { key in
                if let value {
                    _ = try value.withUnsafeBytes { try transaction.delete(database, key, value: $0) }
                } else {
                    try transaction.delete(database, key)
                }
            }
            return .commit(())
        }
    }

    func appDelete(_ key: String, in database: String = "records") throws {
        try appDelete(Array(key.utf8), in: database)
    }

    /// Lets the application remove all entries of a DBI.
    func appEmpty(_ database: String) throws {
        try write { transaction in
            guard let database = try transaction.database(database) else { return .abort(()) }
            var keys: [[UInt8]] = []
            do {
                var cursor = try transaction.openCursor(database)
                while try cursor.next() { keys.append(Array(cursor.key)) }
            }
            for key in keys { try key.withUnsafeBytes { _ = try transaction.delete(database, $0) } }
            return .commit(())
        }
    }

    /// What the application has, by the keys that a shadow has for it.
    func main() throws -> [TestKey: [UInt8]] { try applicationContents() }

    /// What the application has of one DBI, as texts.
    func main(_ database: String) throws -> [String: String] {
        try read { transaction in
            guard let database = try transaction.database(database) else { return [:] }
            var cursor = try transaction.openCursor(database)
            var texts: [String: String] = [:]
            while try cursor.next() {
                texts[String(decoding: cursor.key, as: UTF8.self)] = String(decoding: cursor.value, as: UTF8.self)
            }
            return texts
        }
    }

    /// All values of the shadows, headers included.
    func rawShadows() throws -> [TestKey: [UInt8]] {
        try read { transaction in
            var entries: [TestKey: [UInt8]] = [:]
            for database in try transaction.databases() where database.name.hasPrefix(Schema.shadowPrefix) {
                var cursor = try transaction.openCursor(database)
                let name = String(database.name.dropFirst(Schema.shadowPrefix.count))
                while try cursor.next() {
                    entries[TestKey(database: name, key: Array(cursor.key))] = Array(cursor.value)
                }
            }
            return entries
        }
    }

    /// The version that the shadow has of a key of the DBI `records`.
    func shadow(_ key: String, in database: String = "records") throws -> TestVersion? {
        try versions()[TestKey(database: database, key: Array(key.utf8))]
    }

    /// Plans and applies a merge in shadow mode.
    @discardableResult
    func shadowMerge(
        _ snapshot: RawSnapshot, creationFlags: [String: DatabaseFlags] = [:], dupSortHack: Bool = true,
        through: UInt64? = nil, now: UInt64 = 1000
    ) throws -> Merge.Outcome {
        let plan = try plan(
            snapshot, rules: .init(creationFlags: creationFlags, schema: .shadow(dupSortHack: dupSortHack)))
        return try Merge.apply(plan, to: self, paddingBlock: false, capturedThrough: through, clock: { now })
    }
}

extension Capture {
    /// Captures at a time.
    @discardableResult
    mutating func run(
        _ environment: LMDB.Environment, at now: UInt64, whenCompared: () throws -> Void = {}
    ) throws -> Outcome {
        try run(environment, paddingBlock: false, clock: { now }, whenCompared: whenCompared)
    }
}

extension [TestKey: TestVersion] {
    /// What an application should have.
    var live: [TestKey: [UInt8]] { filter { !$0.value.isDeleted }.mapValues(\.value) }
}

func transformed(_ key: [UInt8], _ value: [UInt8]) -> [UInt8] { shadowKey(key, value) }

func transformed(_ key: String, _ value: String) -> [UInt8] { transformed(Array(key.utf8), Array(value.utf8)) }

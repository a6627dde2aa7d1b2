import LMDB
import Simulator
import Snapshots
import Support

@testable import Replication

/// A snapshot written byte by byte, also in ways that our own writer never would.
struct RawSnapshot {
    struct Entry {
        var key: [UInt8]
        var value: [UInt8]
        var timestamp: UInt64
        var flags: UInt64

        init(_ key: [UInt8], _ value: [UInt8], at timestamp: UInt64, flags: UInt64 = 0) {
            self.key = key
            self.value = value
            self.timestamp = timestamp
            self.flags = flags
        }

        init(_ key: String, _ value: String, at timestamp: UInt64, deleted: Bool = false) {
            self.init(Array(key.utf8), Array(value.utf8), at: timestamp, flags: deleted ? 1 : 0)
        }
    }

    private var message: [UInt8] = []

    init(formatVersion: UInt64 = 3) {
        message += Self.number(1, formatVersion) + Self.number(4, 1)
    }

    /// The same with one more part of a DBI.
    func database(
        _ name: String = "records", flags: DatabaseFlags = [], transform: String = "", _ entries: [Entry] = []
    ) -> RawSnapshot {
        var part = Self.bytes(1, Array(name.utf8)) + Self.number(3, UInt64(flags.rawValue))
        if !transform.isEmpty { part += Self.bytes(4, Array(transform.utf8)) }
        for entry in entries {
            var body = Self.bytes(1, entry.key) + Self.bytes(2, entry.value)
            body += Self.varint(3 << 3 | 1) + (0..<8).map { UInt8(truncatingIfNeeded: entry.timestamp >> ($0 * 8)) }
            body += Self.number(4, entry.flags)
            part += Self.bytes(2, body)
        }
        var copy = self
        copy.message += Self.bytes(3, part)
        return copy
    }

    /// The object as it is in a bucket: gzip with one stored block for each 65535 bytes.
    var object: [UInt8] {
        var gzip: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]
        var rest = message[...]
        repeat {
            let block = rest.prefix(0xffff)
            rest = rest.dropFirst(0xffff)
            gzip.append(rest.isEmpty ? 1 : 0)
            for number in [UInt16(block.count), ~UInt16(block.count)] {
                gzip += [UInt8(truncatingIfNeeded: number), UInt8(truncatingIfNeeded: number >> 8)]
            }
            gzip += block
        } while !rest.isEmpty
        for number in [Self.crc32(message), UInt32(truncatingIfNeeded: message.count)] {
            gzip += (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
        }
        return gzip
    }

    var spool: Spool { Spool(object) }

    private static func varint(_ value: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    private static func number(_ field: UInt64, _ value: UInt64) -> [UInt8] {
        value == 0 ? [] : varint(field << 3) + varint(value)
    }

    private static func bytes(_ field: UInt64, _ value: [UInt8]) -> [UInt8] {
        varint(field << 3 | 2) + varint(UInt64(value.count)) + value
    }

    private static func crc32(_ bytes: [UInt8]) -> UInt32 {
        let polynomial: UInt32 = 0xedb8_8320
        var table: [UInt32] = []
        for index in 0..<UInt32(256) {
            var value = index
            for _ in 0..<8 { value = value & 1 != 0 ? polynomial ^ (value >> 1) : value >> 1 }
            table.append(value)
        }
        var sum = UInt32.max
        for byte in bytes { sum = table[Int(UInt8(truncatingIfNeeded: sum) ^ byte)] ^ (sum >> 8) }
        return ~sum
    }
}

extension LMDB.Environment {
    /// Plans and applies in one go.
    @discardableResult
    func merge(
        _ snapshot: RawSnapshot, rules: MergePlanner.Rules = .init(), paddingBlock: Bool = false
    ) throws -> Merge.Outcome {
        try Merge.apply(plan(snapshot, rules: rules), to: self, paddingBlock: paddingBlock)
    }

    func plan(_ snapshot: RawSnapshot, rules: MergePlanner.Rules = .init()) throws -> MergePlan {
        try MergePlanner.plan(snapshot.spool, for: self, rules: rules).plan
    }

    var lastTransaction: UInt64 { info.lastTransactionID }

    /// Lets the application write one entry of the DBI `records`.
    @discardableResult
    func put(_ key: String, _ version: TestVersion, in database: String = "records") throws -> UInt64 {
        try applicationWrite([(TestKey(database: database, key: Array(key.utf8)), version)])
    }

    /// The version of an entry of the DBI `records`.
    func version(_ key: String, in database: String = "records") throws -> TestVersion? {
        try contents()[TestKey(database: database, key: Array(key.utf8))]
    }

    /// Writes bytes as they are.
    func putRaw(_ database: String, _ key: [UInt8], _ value: [UInt8], flags: DatabaseFlags = []) throws {
        try write { transaction in
            let database = try transaction.database(database, creating: flags)
            try key.withUnsafeBytes { key in try value.withUnsafeBytes { try transaction.put(database, key, $0) } }
            return .commit(())
        }
    }

    /// The bytes of a value, header included.
    func raw(_ database: String, _ key: [UInt8]) throws -> [UInt8]? {
        try read { transaction in
            guard let database = try transaction.database(database) else { return nil }
            return try key.withUnsafeBytes { try transaction.get(database, $0).map { Array($0) } }
        }
    }

    /// The flags of the named databases.
    func databaseFlags() throws -> [String: DatabaseFlags] {
        try read { transaction in
            Dictionary(uniqueKeysWithValues: try transaction.databases().map { ($0.name, $0.flags) })
        }
    }

    /// The keys of a database in LMDB's order.
    func keys(_ database: String) throws -> [[UInt8]] {
        try read { transaction in
            guard let database = try transaction.database(database) else { return [] }
            var cursor = try transaction.openCursor(database)
            var keys: [[UInt8]] = []
            while try cursor.next() { keys.append(Array(cursor.key)) }
            return keys
        }
    }
}

extension TestVersion {
    init(_ timestamp: UInt64, _ value: String) {
        self.init(timestamp: timestamp, isDeleted: false, value: Array(value.utf8))
    }
    static func deleted(_ timestamp: UInt64) -> TestVersion { .init(timestamp: timestamp, isDeleted: true, value: []) }
}

/// The bytes of a native integer.
func bytes(of number: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }

/// What `body` throws.
func thrown(_ body: () throws -> Void) -> (any Error)? {
    do {
        try body()
        return nil
    } catch {
        return error
    }
}

/// The error of `body` as a text, where it is of the type that is asked for.
func message<E: Error>(_ type: E.Type, _ body: () throws -> Void) -> String {
    guard let error = thrown(body) as? E else { return "" }
    return "\(error)"
}

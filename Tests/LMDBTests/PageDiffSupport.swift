import CLMDB
import Foundation
import TestSupport
import Testing

@testable import LMDB

/// The entries of all DBIs that the comparison of pages covers.
typealias DiffContents = [String: [[UInt8]: [UInt8]]]

/// One changed entry, as a copy.
struct DiffChange: Equatable, CustomStringConvertible {
    var database: String
    var key: [UInt8]
    var old: [UInt8]?
    var new: [UInt8]?

    var description: String {
        func text(_ value: [UInt8]?) -> String { value.map { "\($0.count) bytes \($0.prefix(6))" } ?? "nothing" }
        return "\(database) \(key): \(text(old)) -> \(text(new))"
    }
}

extension DiffBase {
    /// Everything that it sees.
    mutating func contents() throws -> DiffContents {
        try reader.read { transaction in
            var contents: DiffContents = [:]
            for database in try transaction.databases() where !database.flags.contains(.duplicateSort) {
                var entries: [[UInt8]: [UInt8]] = [:]
                var cursor = try transaction.openCursor(database)
                while try cursor.next() { entries[Array(cursor.key)] = Array(cursor.value) }
                contents[database.name] = entries
            }
            return contents
        }
    }

    /// What a comparison of pages finds, in its order.
    mutating func changes(to later: inout DiffBase) throws -> (changes: [DiffChange], outcome: PageDiff.Outcome) {
        var found: [DiffChange] = []
        let outcome = try PageDiff.run(from: &self, to: &later) { change in
            found.append(
                .init(
                    database: change.database.name, key: Array(change.key), old: change.old.map { Array($0) },
                    new: change.new.map { Array($0) }))
        }
        return (found, outcome)
    }
}

/// Records where the changes that were found differ from those between two contents.
func expectSame(_ changes: [DiffChange], _ old: DiffContents, _ new: DiffContents, _ what: String) {
    var found: [String: [[UInt8]: DiffChange]] = [:]
    for change in changes {
        let twice = found[change.database, default: [:]].updateValue(change, forKey: change.key)
        if twice != nil { Issue.record("\(what): \(change.database) \(change.key) was found twice") }
    }
    for name in Set(old.keys).union(new.keys).union(found.keys) {
        let (before, after, seen) = (old[name] ?? [:], new[name] ?? [:], found[name] ?? [:])
        for key in Set(before.keys).union(after.keys).union(seen.keys) {
            let expected =
                before[key] == after[key]
                ? nil : DiffChange(database: name, key: key, old: before[key], new: after[key])
            guard seen[key] != expected else { continue }
            Issue.record(
                "\(what): found \(seen[key]?.description ?? "nothing"), not \(expected?.description ?? "nothing")")
            return
        }
    }
}

/// Creates an empty LMDB with a page size: the two meta pages as liblmdb writes them.
func createLMDB(_ path: String, pageSize: Int, mapSize: Int) {
    var file = Data(count: 2 * pageSize)
    func store<T: FixedWidthInteger>(_ value: T, at offset: Int) {
        withUnsafeBytes(of: value.littleEndian) { file.replaceSubrange(offset..<offset + $0.count, with: $0) }
    }
    for page in 0..<2 {
        let start = page * pageSize
        store(UInt64(page), at: start)
        store(UInt16(8), at: start + 10)
        store(UInt32(0xBEEF_C0DE), at: start + 16)
        store(UInt32(1), at: start + 20)
        store(UInt64(mapSize), at: start + 32)
        store(UInt32(pageSize), at: start + 40)
        store(UInt16(MDB_INTEGERKEY), at: start + 44)
        store(UInt64.max, at: start + 80)
        store(UInt64.max, at: start + 128)
        store(UInt64(1), at: start + 136)
    }
    #expect(FileManager.default.createFile(atPath: path, contents: file))
}

/// Writes transactions at random: all kinds of keys, pages and endings.
struct RandomWriter {
    private(set) var random: SeededGenerator
    private let pageSize: Int
    private let drops: Bool

    /// - Parameter drops: whether to drop DBIs, which ends pinned readers of the same process.
    init(seed: UInt64, pageSize: Int, drops: Bool) {
        (random, self.pageSize, self.drops) = (SeededGenerator(seed: seed), pageSize, drops)
    }

    private static let kinds: [(name: String, flags: DatabaseFlags)] = [
        ("plain", []), ("int4", .integerKey), ("int8", .integerKey), ("reverse", .reverseKey), ("large", []),
        ("temporary", []),
    ]

    /// Some transactions, most of them small.
    mutating func round(_ environment: LMDB.Environment) throws {
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            do {
                try environment.write { transaction in
                    for _ in 0..<Int.random(in: 1...3, using: &random) { try step(transaction) }
                    return Int.random(in: 0..<10, using: &random) == 0 ? .abort(()) : .commit(())
                }
            } catch let error as LMDBError where error.code == .mapFull {
                // Makes room, if there is enough left for that.
                try? environment.write { transaction in
                    for name in ["large", "plain"] { try delete(transaction, name, count: 40) }
                    return .commit(())
                }
            }
        }
    }

    private mutating func step(_ transaction: borrowing WriteTransaction) throws {
        let (name, flags) = Self.kinds[Int.random(in: Self.kinds.indices, using: &random)]
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<60: try put(transaction, name, flags, count: Int.random(in: 1...5, using: &random))
        case 60..<66: try put(transaction, name, flags, count: Int.random(in: 50...300, using: &random))
        case 66..<90: try delete(transaction, name, count: Int.random(in: 1...4, using: &random))
        case 90..<96: try delete(transaction, name, count: Int.random(in: 30...400, using: &random))
        case 96: try delete(transaction, name, count: .max)
        default:
            guard drops, name == "temporary", let database = try transaction.database(name) else { return }
            try transaction.drop(database)
        }
    }

    private mutating func key(_ name: String) -> [UInt8] {
        let number = Int.random(in: 0..<900, using: &random)
        switch name {
        case "int4": return withUnsafeBytes(of: UInt32(number * 37)) { Array($0) }
        case "int8": return withUnsafeBytes(of: UInt64(number) << 29) { Array($0) }
        default: return Array(String(repeating: "\(number % 7)", count: number % 30).utf8) + Array("\(number)".utf8)
        }
    }

    private mutating func put(
        _ transaction: borrowing WriteTransaction, _ name: String, _ flags: DatabaseFlags, count: Int
    ) throws {
        let database = try transaction.database(name, creating: flags)
        for _ in 0..<count {
            let size =
                switch Int.random(in: 0..<(name == "large" ? 20 : 200), using: &random) {
                case 0: Int.random(in: pageSize / 2...4 * pageSize, using: &random)
                case 1: Int.random(in: 0...pageSize / 2, using: &random)
                default: Int.random(in: 0...12, using: &random)
                }
            // Few values, so that some changes change nothing.
            let value = [UInt8](repeating: UInt8.random(in: 0...3, using: &random), count: size)
            try key(name).withUnsafeBytes { key in
                try value.withUnsafeBytes { try transaction.put(database, key, $0) }
            }
        }
    }

    private mutating func delete(_ transaction: borrowing WriteTransaction, _ name: String, count: Int) throws {
        guard let database = try transaction.database(name) else { return }
        var keys: [[UInt8]] = []
        do {
            var cursor = try transaction.openCursor(database)
            var isThere = try key(name).withUnsafeBytes { try count == .max ? cursor.first() : cursor.seek($0) }
            while isThere, keys.count < count {
                keys.append(Array(cursor.key))
                isThere = try cursor.next()
            }
        }
        for key in keys { try key.withUnsafeBytes { _ = try transaction.delete(database, $0) } }
    }
}

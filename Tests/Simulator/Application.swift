import LMDB
import Replication
import Snapshots
import TestSupport

/// What applications do.
extension World {
    func write(_ node: Node, _ count: Int) throws {
        var random = SeededGenerator(seed: scenario.seed ^ UInt64(node.index) &+ 77)
        try write(node, count, &random)
    }

    func write(_ node: Node, _ count: Int, _ random: inout SeededGenerator) throws {
        // What is written there stays there.
        guard !node.member.isReceiver else { return }
        for _ in 0..<count {
            do {
                if scenario.usesShadows {
                    try writeWithoutHeader(node, &random)
                } else {
                    try writeWithHeader(node, &random)
                }
            } catch let error as LMDBError where error.code == .mapFull {
                self.count("full maps")
            }
        }
        notify(node)
    }

    /// An application that keeps versions writes or deletes one entry, later than what it sees.
    private func writeWithHeader(_ node: Node, _ random: inout SeededGenerator) throws {
        let number = Int.random(in: 0..<6, using: &random)
        let key: TestKey
        var flags: DatabaseFlags = []
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<9: key = TestKey(database: "records_v5", key: Array("key\(number)".utf8))
        // More than one byte, so that the bytewise order is another one.
        case 9..<14:
            key = TestKey(database: "integers", key: integerKey(UInt32(number * 100)))
            flags = .integerKey
        case 14..<18: key = TestKey(database: "domains_v5", key: Array("key\(number)".utf8))
        default: key = TestKey(database: Model.droppedDatabase, key: Array("key\(number)".utf8))
        }
        let value = Array(
            "value\(Int.random(in: 0..<4, using: &random))".utf8.prefix(Int.random(in: 0...6, using: &random)))
        let isDeleted = random.chance(0.3)
        try refresh(node, .application)
        let seen = node.contents[key]
        // An application deletes what is there.
        if scenario.retention != nil, isDeleted, seen?.isDeleted != false { return }
        // A coarse clock makes equal timestamps on different instances likely.
        let clock = node.clock.wall / scenario.clockStep * scenario.clockStep
        let version = TestVersion(
            timestamp: max(clock, (seen?.timestamp ?? 0) + 1), isDeleted: isDeleted, value: isDeleted ? [] : value)
        try node.environment.applicationWrite([(key, version)], flags: flags)
        exemptIfHeld(key)
        model.wrote(key, version)
        node.reasonsToSend += 1
        trace?("\(node.name) writes \(key) \(version)")
        if random.chance(0.3) { wait(for: key, version, from: node) }
        try refresh(node, .application)
    }

    /// A key that is held back somewhere need not be the same everywhere.
    private func exemptIfHeld(_ key: TestKey) {
        guard scenario.members.contains(where: { $0.inspection == .holds }), SimulatedInspector.isHeld(key.key) else {
            return
        }
        model.exempts(key)
    }

    private static let kinds: [(name: String, flags: DatabaseFlags)] = [
        ("plain", []), ("int4", .integerKey), ("reverse", .reverseKey), ("dup", .duplicateSort),
        ("dup-fixed", [.duplicateSort, .duplicateFixed]), (Model.droppedDatabase, []),
    ]

    /// An application that keeps none.
    private func writeWithoutHeader(_ node: Node, _ random: inout SeededGenerator) throws {
        let (name, flags) = Self.kinds[Int.random(in: Self.kinds.indices, using: &random)]
        let number = Int.random(in: 0..<5, using: &random)
        let key = name == "int4" ? integerKey(UInt32(number * 100)) : Array("key\(number)".utf8)
        let value = Array("val\(Int.random(in: 0..<4, using: &random))".utf8)
        let isDeleted = random.chance(0.3)
        let hasSeveral = flags.contains(.duplicateSort)
        try node.environment.write { transaction in
            if isDeleted {
                guard let database = try transaction.database(name) else { return .abort(()) }
                try key.withUnsafeBytes { key in
                    if hasSeveral {
                        _ = try value.withUnsafeBytes { try transaction.delete(database, key, value: $0) }
                    } else {
                        _ = try transaction.delete(database, key)
                    }
                }
            } else {
                let database = try transaction.database(name, creating: flags)
                try key.withUnsafeBytes { key in try value.withUnsafeBytes { try transaction.put(database, key, $0) } }
            }
            return .commit(())
        }
        let shadowKey = hasSeveral ? shadowKey(key, value) : key
        model.wrote(TestKey(database: name, key: shadowKey), value: value)
        exemptIfHeld(TestKey(database: name, key: shadowKey))
        node.reasonsToSend += 1
        trace?("\(node.name) \(isDeleted ? "deletes" : "writes") \(name) \(key) \(value)")
    }

    func dropDatabase(_ node: Node) throws {
        guard try node.environment.read({ try $0.database(Model.droppedDatabase) != nil }) else { return }
        try node.environment.write { transaction in
            guard let database = try transaction.database(Model.droppedDatabase) else { return .abort(()) }
            try transaction.drop(database)
            return .commit(())
        }
        count("drops")
        node.reasonsToSend += 1
        try refresh(node, .application)
        notify(node)
    }
}

/// An integer key as LMDB has it: in the byte order of the machine.
package func integerKey(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }

/// The key that a shadow has for one of several values of a key, spelled out once more to compare with.
package func shadowKey(_ key: [UInt8], _ value: [UInt8]) -> [UInt8] {
    key + [0, 0, 0, 0] + value.prefix(511 - 4 - 1 - key.count) + [UInt8(truncatingIfNeeded: key.count)]
}

extension LMDB.Environment {
    /// What an application without versions has, by the keys of the shadows.
    package func applicationContents() throws -> [TestKey: [UInt8]] {
        try read { transaction in
            var entries: [TestKey: [UInt8]] = [:]
            for database in try transaction.databases() where !PrivateDatabases.contains(database.name) {
                var cursor = try transaction.openCursor(database)
                let hasSeveral = database.flags.contains(.duplicateSort)
                while try cursor.next() {
                    let (key, value) = (Array(cursor.key), Array(cursor.value))
                    entries[TestKey(database: database.name, key: hasSeveral ? shadowKey(key, value) : key)] = value
                }
            }
            return entries
        }
    }
}

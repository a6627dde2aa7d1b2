import LMDB
import Simulator
import Snapshots
import Support
import TestSupport
import Testing

@testable import Replication

/// The comparison of a DBI with several values a key with its shadow, which makes as few transformed keys as it can.
@Suite struct DupSortComparisonTests {
    @Test func aKeyIsRecognisedWithoutBeingMade() {
        var random = SeededGenerator(seed: 4)
        for _ in 0..<2000 {
            let key = random.bytes(1...(random.chance(0.2) ? 300 : 20))
            let value = random.bytes(0...(random.chance(0.3) ? 511 : 20))
            guard key.count <= DupSortTransform.longestKey else {
                #expect(!encodes(key, value, key + [0, 0, 0, 0] + value + [UInt8(truncatingIfNeeded: key.count)]))
                continue
            }
            let made = encoded(key, value)
            #expect(encodes(key, value, made))
            #expect(!encodes(key, value, made + [0]))
            #expect(!encodes(key, value, made.dropLast()))
            var other = made
            other[Int.random(in: other.indices, using: &random)] ^= 1
            #expect(!encodes(key, value, other))
        }
    }

    @Test func theShadowFollowsEveryChange() throws {
        var random = SeededGenerator(seed: 7)
        let directory = try ScratchDirectory()
        let environment = try LMDB.Environment.scratch(directory)
        var capture = Capture(schema: .shadow(dupSortHack: true))
        var model: Set<Duplicate> = []
        for round in 0..<60 {
            let before = model
            for _ in 0..<Int.random(in: 0...8, using: &random) {
                // Few keys, some of them the beginning of others, and values that fit the transform or do not.
                let key = Array("key".utf8) + Array(repeating: 0x61, count: Int.random(in: 0...4, using: &random))
                let value = random.bytes(1...3) + Array(repeating: 0x62, count: random.chance(0.2) ? 505 : 0)
                let duplicate = Duplicate(key: key, value: value)
                if model.remove(duplicate) == nil { model.insert(duplicate) }
            }
            try environment.put(model.subtracting(before), removing: before.subtracting(model))
            let outcome = try capture.run(environment, paddingBlock: false, clock: { UInt64(1000 + round) })
            #expect(outcome.written == model.symmetricDifference(before).count)
            #expect(
                try environment.liveShadow() == model.reduce(into: [:]) { $0[encoded($1.key, $1.value)] = $1.value }
            )
        }
    }

    @Test func whatCannotBeTransformedIsFoundBehindEntriesThatDidNotChange() throws {
        let long = [UInt8](repeating: 0x62, count: 510)
        let cases: [(Duplicate, Duplicate, String)] = [
            (
                Duplicate(key: [0x6b], value: long), Duplicate(key: [0x6b], value: long + [0x62]),
                "with the same transformed key"
            ),
            (
                Duplicate(key: [0x6b], value: [0xff]), Duplicate(key: [0x6b, 0, 0, 0, 0], value: [1]),
                "sorts differently"
            ),
        ]
        for (known, new, reason) in cases {
            let directory = try ScratchDirectory()
            let environment = try LMDB.Environment.scratch(directory)
            var capture = Capture(schema: .shadow(dupSortHack: true))
            try environment.put([known], removing: [])
            try capture.run(environment, paddingBlock: false, clock: { 1 })
            try environment.put([new], removing: [])
            let error = #expect(throws: LocalContentError.self) {
                try capture.run(environment, paddingBlock: false, clock: { 1 })
            }
            #expect(error.map { "\($0)".contains(reason) } == true)
        }
    }
}

/// One of the values of a key.
private struct Duplicate: Hashable {
    var key: [UInt8]
    var value: [UInt8]
}

private func encoded(_ key: [UInt8], _ value: [UInt8]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: DupSortTransform.longest) { buffer, count in
        count = key.withUnsafeBytes { key in
            value.withUnsafeBytes { DupSortTransform.encode(key, $0, into: UnsafeMutableRawBufferPointer(buffer)) }
        }
    }
}

private func encodes(_ key: [UInt8], _ value: [UInt8], _ transformed: some Sequence<UInt8>) -> Bool {
    key.withUnsafeBytes { key in
        value.withUnsafeBytes { value in
            Array(transformed).withUnsafeBytes { DupSortTransform.encodes(key, value, to: $0) }
        }
    }
}

extension LMDB.Environment {
    fileprivate func put(_ new: Set<Duplicate>, removing old: Set<Duplicate>) throws {
        try write { transaction in
            let database = try transaction.database("several", creating: .duplicateSort)
            for (duplicates, isNew) in [(old, false), (new, true)] {
                for duplicate in duplicates {
                    try duplicate.key.withUnsafeBytes { key in
                        try duplicate.value.withUnsafeBytes { value in
                            if isNew {
                                try transaction.put(database, key, value)
                            } else {
                                _ = try transaction.delete(database, key, value: value)
                            }
                        }
                    }
                }
            }
            return .commit(())
        }
    }

    fileprivate func liveShadow() throws -> [[UInt8]: [UInt8]] {
        try read { transaction in
            var live: [[UInt8]: [UInt8]] = [:]
            guard let database = try transaction.database(Schema.shadowPrefix + "several") else { return live }
            var cursor = try transaction.openCursor(database)
            while try cursor.next() {
                let entry = try EntryHeader.parse(cursor.value)
                if !entry.header.isDeleted { live[Array(cursor.key)] = Array(entry.payload) }
            }
            return live
        }
    }
}

extension SeededGenerator {
    fileprivate mutating func bytes(_ sizes: ClosedRange<Int>) -> [UInt8] {
        (0..<Int.random(in: sizes, using: &self)).map { _ in UInt8.random(in: 0...255, using: &self) }
    }
}

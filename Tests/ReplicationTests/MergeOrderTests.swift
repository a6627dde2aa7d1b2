import LMDB
import Simulator
import Snapshots
import Support
import TestSupport
import Testing

@testable import Replication

/// Snapshots in parts, out of order, with repetitions, and large ones.
@Suite struct MergeOrderTests {
    let directory: ScratchDirectory
    let environment: LMDB.Environment

    init() throws {
        directory = try ScratchDirectory()
        environment = try .scratch(directory, mapSize: 64 << 20)
    }

    /// Merges random parts of two databases into random contents and compares with a model.
    @Test(arguments: 0..<60) func whateverTheOrderTheWinnersAreThere(round: Int) throws {
        let seed = UInt64.random(in: 0..<1_000_000)
        print("MergeOrderTests: seed \(seed)")
        var random = SeededGenerator(seed: seed)
        let keySpace = [8, 40, 400][round % 3]
        func version() -> TestVersion {
            let value = ["", "a", "b", "bb"][Int.random(in: 0..<4, using: &random)]
            let deleted = random.chance(0.3)
            return TestVersion(
                timestamp: UInt64.random(in: 1...4, using: &random), isDeleted: deleted,
                value: deleted ? [] : Array(value.utf8))
        }
        var expected: TestContents = [:]
        for database in ["one", "two"] where round % 5 != 0 {
            for _ in 0..<Int.random(in: 0...keySpace, using: &random) {
                let key = TestKey(
                    database: database, key: Array("k\(Int.random(in: 0..<keySpace, using: &random))".utf8))
                expected[key] = version()
            }
        }
        try environment.applicationWrite(Array(expected))

        var snapshot = RawSnapshot()
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let database = random.chance(0.5) ? "one" : "two"
            var keys = (0..<Int.random(in: 0...keySpace, using: &random)).map { _ in
                Array("k\(Int.random(in: 0..<keySpace, using: &random))".utf8)
            }
            // In order, in order with repetitions, or neither.
            if random.chance(0.7) { keys.sort { $0.lexicographicallyPrecedes($1) } }
            let entries = keys.map { RawSnapshot.Entry($0, version()) }
            for entry in entries {
                join(
                    &expected,
                    with: [
                        TestKey(database: database, key: entry.key): TestVersion(
                            timestamp: entry.timestamp, isDeleted: entry.flags == 1, value: entry.value)
                    ])
            }
            snapshot = snapshot.database(database, entries)
        }
        try environment.merge(snapshot)
        #expect(try environment.contents() == expected, "seed \(seed)")
        #expect(try environment.plan(snapshot).isEmpty, "seed \(seed)")
    }

    @Test(arguments: [false, true])
    func ofRepeatedKeysTheWinnerStaysWhereverItStands(exists: Bool) throws {
        if exists { try environment.put("m", .init(1, "old")) }
        let entries: [RawSnapshot.Entry] = [
            .init("m", "first", at: 9), .init("m", "second", at: 8), .init("m", "third", at: 7),
            .init("n", "first", at: 7), .init("n", "second", at: 9), .init("n", "third", at: 8),
        ]
        try environment.merge(RawSnapshot().database("records", entries))
        #expect(try environment.version("m") == .init(9, "first"))
        #expect(try environment.version("n") == .init(9, "second"))
        #expect(try environment.keys("records").count == 2)
    }

    @Test(arguments: [false, true])
    func aKeyRepeatedInALaterPartIsComparedWithTheFirst(exists: Bool) throws {
        if exists { try environment.put("m", .init(1, "old")) }
        let snapshot = RawSnapshot()
            .database("records", [.init("m", "first", at: 9), .init("z", "z", at: 1)])
            .database("records", [.init("m", "second", at: 8)])
        try environment.merge(snapshot)
        #expect(try environment.version("m") == .init(9, "first"))
    }

    @Test(arguments: [false, true])
    func interleavedPartsOfTwoDatabasesMerge(exists: Bool) throws {
        if exists {
            try environment.put("k00", .init(9, "local"), in: "one")
            try environment.put("k07", .init(9, "local"), in: "two")
        }
        var snapshot = RawSnapshot()
        for index in 0..<10 {
            let key = index < 10 ? "k0\(index)" : "k\(index)"
            snapshot = snapshot.database("one", [.init(key, "1", at: 2)]).database("two", [.init(key, "2", at: 2)])
        }
        // The same key again in the end, older: the first one must stay.
        snapshot = snapshot.database("one", [.init("k05", "0", at: 1)])
        let outcome = try environment.merge(snapshot)
        #expect(outcome.written == (exists ? 18 : 20))
        #expect(try environment.version("k05", in: "one") == .init(2, "1"))
        #expect(try environment.version("k05", in: "two") == .init(2, "2"))
        #expect(try environment.version("k00", in: "one") == .init(exists ? 9 : 2, exists ? "local" : "1"))
        #expect(try environment.keys("one").count == 10)
        #expect(try environment.keys("two").count == 10)
    }

    /// No key is behind the last one here, so nothing but the order of the plan tells that one may be there already.
    @Test func aKeyRepeatedAfterAnotherDatabaseIsComparedWithTheFirst() throws {
        try environment.put("z", .init(9, "local"), in: "one")
        try environment.put("z", .init(9, "local"), in: "two")
        try environment.merge(
            RawSnapshot().database("one", [.init("m", "first", at: 5)]).database("two", [.init("m", "first", at: 5)])
                .database("one", [.init("m", "second", at: 4)]).database("two", [.init("m", "second", at: 6)]))
        #expect(try environment.version("m", in: "one") == .init(5, "first"))
        #expect(try environment.version("m", in: "two") == .init(6, "second"))
    }

    /// Far apart and side by side, so that the walk and the search both have their turn.
    @Test(arguments: [1, 2, 7, 8, 9, 10, 100, 5000])
    func sparseAndDenseSnapshotsFindTheirEntries(step: Int) throws {
        let keys = (0..<10_000).map { "key\($0 + 10_000)" }
        try environment.merge(RawSnapshot().database("records", keys.map { .init($0, "a", at: 5) }))
        let some = stride(from: 0, to: keys.count, by: step).map { keys[$0] }
        #expect(try environment.plan(RawSnapshot().database("records", some.map { .init($0, "a", at: 5) })).isEmpty)
        // Each stands before, on and behind entries.
        let around = some.flatMap { [$0 + "", $0 + "-"] }
        let outcome = try environment.merge(RawSnapshot().database("records", around.map { .init($0, "b", at: 6) }))
        #expect(outcome.written == around.count)
        #expect(try environment.keys("records").count == keys.count + some.count)
        #expect(try environment.version(some[0]) == .init(6, "b"))
    }

    @Test func aKeyBehindTheEndDoesNotHideThoseThatFollowOutOfOrder() throws {
        try environment.put("a", .init(5, "x"))
        let snapshot = RawSnapshot().database(
            "records", [.init("zz", "", at: 1, deleted: true), .init("a", "x", at: 5), .init("a", "y", at: 4)])
        #expect(try environment.plan(snapshot, rules: .init(deletedCutoff: 2)).isEmpty)
    }

    // MARK: Plans

    @Test func aLargePlanGoesThroughAFileAndComesBackWhole() throws {
        let directory = try ScratchDirectory()
        let environment = try LMDB.Environment.scratch(directory, mapSize: 64 << 20)
        let value = String(repeating: "v", count: 1000)
        let snapshot = RawSnapshot().database(
            "records", (0..<8000).map { .init("key\($0 + 10_000)", value, at: UInt64($0)) })
        let plan = try environment.plan(snapshot)
        #expect(plan.entries.count > SpoolWriter.memoryLimit)
        #expect(plan.entries.fileDescriptor != nil)
        #expect(plan.count == 8000)
        #expect(try Merge.apply(plan, to: environment, paddingBlock: false).written == 8000)
        #expect(try environment.version("key17999") == .init(7999, value))
        #expect(try environment.plan(snapshot).isEmpty)
    }

    @Test func hugeValuesGoThrough() throws {
        // Around the buffers' 256 KiB, and far above.
        let sizes = [0, 1, 262_100, 262_119, 262_120, 262_121, 262_144, 300_000, 5 << 20, 3, 262_144 * 2]
        let snapshot = RawSnapshot().database(
            "records",
            sizes.enumerated().map {
                .init(Array("key\($0 + 10)".utf8), [UInt8](repeating: UInt8($0 + 1), count: $1), at: 5)
            })
        #expect(try environment.merge(snapshot).written == sizes.count)
        for (index, size) in sizes.enumerated() {
            let version = try #require(try environment.version("key\(index + 10)"))
            #expect(version.value == [UInt8](repeating: UInt8(index + 1), count: size))
        }
        #expect(try environment.plan(snapshot).isEmpty)
    }

    @Test func planEntriesComeBackAsTheyWere() throws {
        let versions: [(target: Int, version: TestVersion, isBehindLast: Bool, key: [UInt8])] = [
            (0, .init(1, "a"), false, [1]), (65_535, .deleted(.max), true, [UInt8](repeating: 7, count: 511)),
            (3, .init(0, ""), true, [0, 0]),
        ]
        var writer = MergePlanWriter()
        for entry in versions {
            try entry.key.withUnsafeBytes { key in
                try entry.version.withVersion {
                    try writer.append(
                        PlannedEntry(target: entry.target, version: $0, isBehindLast: entry.isBehindLast, key: key))
                }
            }
        }
        #expect(writer.count == 3)
        var reader = MergePlanReader(try writer.finish())
        for entry in versions {
            let read = try #require(try reader.next())
            #expect(read.target == entry.target)
            #expect(read.version.timestamp == entry.version.timestamp)
            #expect(read.version.isDeleted == entry.version.isDeleted)
            #expect(Array(read.version.value) == entry.version.value)
            #expect(read.isBehindLast == entry.isBehindLast)
            #expect(Array(read.key) == entry.key)
        }
        #expect(try reader.next() == nil)
    }
}

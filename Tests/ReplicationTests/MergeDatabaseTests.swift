import LMDB
import Simulator
import Snapshots
import Testing

@testable import Replication

/// Which databases are made, accepted and refused.
@Suite struct MergeDatabaseTests {
    let directory: ScratchDirectory
    let environment: LMDB.Environment

    init() throws {
        directory = try ScratchDirectory()
        environment = try .scratch(directory)
    }

    @Test(arguments: [[], .reverseKey, .integerKey] as [DatabaseFlags])
    func aMissingDatabaseGetsTheFlagsOfTheSnapshot(flags: DatabaseFlags) throws {
        let outcome = try environment.merge(
            RawSnapshot().database("new", flags: flags, [.init(bytes(of: UInt32(1)), [1], at: 1)]))
        #expect(outcome.written == 1)
        #expect(try environment.databaseFlags() == ["new": flags])
    }

    @Test func anEmptyDatabaseIsMade() throws {
        let snapshot = RawSnapshot().database("one").database("two", flags: .integerKey)
        let outcome = try environment.merge(snapshot)
        #expect(outcome.transaction == 1)
        #expect(outcome.written == 0)
        #expect(try environment.databaseFlags() == ["one": [], "two": .integerKey])
        #expect(try environment.plan(snapshot).isEmpty)
    }

    @Test func aDatabaseOfWhichNothingIsAddedIsMade() throws {
        try environment.merge(
            RawSnapshot().database("new", [.init("a", "", at: 1, deleted: true)]), rules: .init(deletedCutoff: 5))
        #expect(try environment.databaseFlags() == ["new": []])
        #expect(try environment.contents().isEmpty)
    }

    @Test func overriddenFlagsComeFirst() throws {
        let rules = MergePlanner.Rules(creationFlags: ["new": .reverseKey, "other": .integerKey])
        try environment.merge(RawSnapshot().database("new", [.init("ab", "x", at: 1)]), rules: rules)
        #expect(try environment.databaseFlags() == ["new": .reverseKey])
        // They do not change what is there.
        try environment.merge(
            RawSnapshot().database("new", [.init("ab", "y", at: 2)]),
            rules: .init(creationFlags: ["new": .integerKey]))
        #expect(try environment.databaseFlags() == ["new": .reverseKey])
    }

    @Test(arguments: [1, 2] as [UInt64])
    func oldFormatsDoNotTellTheFlagsOfAMissingDatabase(version: UInt64) throws {
        let snapshot = RawSnapshot(formatVersion: version).database("new", flags: .reverseKey, [.init("a", "b", at: 1)])
        let text = message(MergeObstacle.self) { try environment.merge(snapshot) }
        #expect(text.contains("does not specify the flags of DBI new, and the DBI is missing here"))
        #expect(text.contains("format version \(version)"))
        #expect(environment.lastTransaction == 0)

        try environment.merge(snapshot, rules: .init(creationFlags: ["new": []]))
        #expect(try environment.databaseFlags() == ["new": []])
    }

    @Test(arguments: [1, 2] as [UInt64])
    func oldFormatsAreTakenForDatabasesThatExist(version: UInt64) throws {
        try environment.put("a", .init(1, "x"))
        let outcome = try environment.merge(
            RawSnapshot(formatVersion: version).database("records", flags: .reverseKey, [.init("a", "b", at: 2)]))
        #expect(outcome.written == 1)
        #expect(try environment.databaseFlags() == ["records": []])
    }

    @Test(arguments: [.duplicateSort, [.duplicateSort, .duplicateFixed]] as [DatabaseFlags])
    func localDuplicatesAreAnError(flags: DatabaseFlags) throws {
        try environment.putRaw("records", [1], [2], flags: flags)
        let text = message(LocalContentError.self) {
            try environment.merge(RawSnapshot().database("records", [.init("a", "b", at: 1)]))
        }
        #expect(text.contains("records"))
        #expect(text.contains("MDB_DUPSORT"))
    }

    @Test(
        arguments: [.duplicateSort, .duplicateFixed, .integerDuplicates, .reverseDuplicates] as [DatabaseFlags],
        [false, true])
    func duplicatesInASnapshotAreRefused(flags: DatabaseFlags, exists: Bool) throws {
        if exists { try environment.put("a", .init(1, "x")) }
        let snapshot = RawSnapshot().database("new", flags: flags, [.init("a", "b", at: 1)])
        let error = thrown { try environment.merge(snapshot) }
        #expect(error is SnapshotError || error is RefusedSnapshot)
        #expect(
            "\(String(describing: error))".contains("MDB_DUP") || flags == .integerDuplicates
                || flags == .reverseDuplicates)
        #expect(try environment.databaseFlags()["new"] == nil)
    }

    @Test func overriddenDuplicateFlagsAreRefused() throws {
        let text = message(RefusedSnapshot.self) {
            try environment.merge(
                RawSnapshot().database("new", [.init("a", "b", at: 1)]),
                rules: .init(creationFlags: ["new": .duplicateSort]))
        }
        #expect(text.contains("MDB_DUPSORT"))
    }

    @Test func unknownFlagsAreRefused() throws {
        let text = message(RefusedSnapshot.self) {
            try environment.merge(
                RawSnapshot().database("new", flags: .init(rawValue: 0x80), [.init("a", "b", at: 1)]))
        }
        #expect(text.contains("0x80"))
    }

    @Test(arguments: [false, true])
    func aTransformIsRefused(exists: Bool) throws {
        if exists { try environment.put("a", .init(1, "x")) }
        let before = environment.lastTransaction
        for version in [2, 3] as [UInt64] {
            let snapshot = RawSnapshot(formatVersion: version).database(
                "records", flags: .duplicateSort, transform: "dupsort_hack_v1", [.init("a", "b", at: 2)])
            let error = thrown { try environment.merge(snapshot, rules: .init(creationFlags: ["records": []])) }
            #expect(error is RefusedSnapshot || error is SnapshotError)
            #expect("\(String(describing: error))".contains("dupsort_hack_v1"))
        }
        #expect(environment.lastTransaction == before)
    }

    @Test func privateDatabasesAreSkippedAndNamed() throws {
        let snapshot = RawSnapshot().database("_sync_shadow_records", [.init("a", "b", at: 1)])
            .database("records", [.init("a", "b", at: 1)]).database("_sync", [.init("", "b", at: 1)])
        let (plan, _, skipped) = try MergePlanner.plan(snapshot.spool, for: environment, rules: .init())
        #expect(skipped == ["_sync_shadow_records", "_sync"])
        try Merge.apply(plan, to: environment, paddingBlock: false)
        #expect(try environment.databaseFlags() == ["records": []])
    }

    @Test func namesOfSkippedDatabasesDoNotPileUp() throws {
        var snapshot = RawSnapshot()
        for index in 0..<100 { snapshot = snapshot.database("_sync\(index)") }
        #expect(try MergePlanner.plan(snapshot.spool, for: environment, rules: .init()).skipped.count <= 16)
    }

    // MARK: Sizes of keys

    @Test(arguments: [0, 512, 5000], [false, true])
    func keysThatLMDBDoesNotTakeAreRefused(size: Int, exists: Bool) throws {
        if exists { try environment.put("a", .init(1, "x")) }
        let before = environment.lastTransaction
        let text = message(RefusedSnapshot.self) {
            try environment.merge(
                RawSnapshot().database(
                    "records", [.init("b", "b", at: 1), .init([UInt8](repeating: 65, count: size), [1], at: 1)]))
        }
        #expect(text.contains("\(size) bytes"))
        #expect(environment.lastTransaction == before)
    }

    @Test(arguments: [1, 511]) func theShortestAndTheLongestKeyAreTaken(size: Int) throws {
        let key = [UInt8](repeating: 65, count: size)
        try environment.merge(RawSnapshot().database("records", [.init(key, [1], at: 1)]))
        #expect(try environment.keys("records") == [key])
    }

    // MARK: Integer keys

    private func integers<T: FixedWidthInteger>(_ values: [T], at timestamp: UInt64 = 1) -> [RawSnapshot.Entry] {
        values.map { .init(bytes(of: $0), Array("v\($0)".utf8), at: timestamp) }
    }

    @Test(arguments: [1, 7, 300]) func integerKeysMerge(step: Int) throws {
        // More than one byte, so that the bytewise order is another one.
        let local = stride(from: 0, to: 5000, by: 3).map { UInt32($0) }
        let incoming = stride(from: 0, to: 6000, by: step).map { UInt32($0) }
        try environment.merge(RawSnapshot().database("ints", flags: .integerKey, integers(local)))
        #expect(try environment.keys("ints") == local.map { bytes(of: $0) })
        let expected = Set(local).union(incoming).sorted()
        let outcome = try environment.merge(
            RawSnapshot().database("ints", flags: .integerKey, integers(incoming)))
        #expect(outcome.written == expected.count - local.count)
        #expect(try environment.keys("ints") == expected.map { bytes(of: $0) })
        #expect(
            try environment.plan(RawSnapshot().database("ints", flags: .integerKey, integers(expected))).isEmpty)
        // Out of order it comes to the same.
        #expect(
            try environment.plan(
                RawSnapshot().database("ints", flags: .integerKey, integers(Array(expected.reversed())))
            )
            .isEmpty)
        #expect(
            try environment.merge(
                RawSnapshot().database("ints", flags: .integerKey, integers(Array(expected.reversed()), at: 2))
            )
            .written == expected.count)
        #expect(try environment.keys("ints") == expected.map { bytes(of: $0) })
    }

    @Test func integerKeysMergeIntoAnEmptyDatabase() throws {
        try environment.merge(RawSnapshot().database("ints", flags: .integerKey))
        let values: [UInt64] = [0, 1, 255, 256, 65536, .max]
        #expect(
            try environment.merge(RawSnapshot().database("ints", flags: .integerKey, integers(values))).written == 6)
        #expect(try environment.keys("ints") == values.map { bytes(of: $0) })
    }

    @Test(arguments: [3, 5, 7, 9, 16]) func integerKeysOfOtherSizesAreRefused(size: Int) throws {
        for exists in [false, true] {
            let directory = try ScratchDirectory()
            let environment = try LMDB.Environment.scratch(directory)
            if exists { try environment.merge(RawSnapshot().database("ints", flags: .integerKey)) }
            #expect(throws: RefusedSnapshot.self) {
                try environment.merge(
                    RawSnapshot().database(
                        "ints", flags: .integerKey, [.init([UInt8](repeating: 1, count: size), [1], at: 1)]))
            }
        }
    }

    @Test func integerKeysMustHaveTheSizeOfThoseHere() throws {
        try environment.merge(RawSnapshot().database("ints", flags: .integerKey, integers([UInt32(1), 2])))
        let text = message(RefusedSnapshot.self) {
            try environment.merge(RawSnapshot().database("ints", flags: .integerKey, integers([UInt64(1), 2])))
        }
        #expect(text.contains("ints"))
        #expect(text.contains("8 bytes"))
    }

    /// LMDB takes them, and then finds none of them again.
    @Test(arguments: [false, true], [false, true])
    func integerKeysOfMixedSizesAreRefused(exists: Bool, inOnePart: Bool) throws {
        if exists { try environment.merge(RawSnapshot().database("ints", flags: .integerKey)) }
        let before = environment.lastTransaction
        let (short, long) = (integers([UInt32(1), 2]), integers([UInt64(3), 4]))
        let snapshot =
            inOnePart
            ? RawSnapshot().database("ints", flags: .integerKey, short + long)
            : RawSnapshot().database("ints", flags: .integerKey, short).database("ints", flags: .integerKey, long)
        #expect(message(RefusedSnapshot.self) { try environment.merge(snapshot) }.contains("4 to 8 bytes"))
        #expect(environment.lastTransaction == before)
    }

    @Test func reversedKeysMerge() throws {
        let words = ["az", "bb", "ca", "x", "yaaa", "zb"]
        let sorted = words.sorted { String($0.reversed()) < String($1.reversed()) }
        try environment.merge(RawSnapshot().database("rev", flags: .reverseKey))
        for (index, order) in [sorted, sorted.reversed(), words].enumerated() {
            let outcome = try environment.merge(
                RawSnapshot().database(
                    "rev", flags: .reverseKey, order.map { .init($0, "v", at: UInt64(index) + 1) }))
            #expect(outcome.written == words.count)
            #expect(try environment.keys("rev") == sorted.map { Array($0.utf8) })
        }
    }

    /// Each of them is behind the last one when the plan is made, and their bytes rise.
    @Test(arguments: [false, true]) func reversedKeysInBytewiseOrderMerge(exists: Bool) throws {
        if exists { try environment.merge(RawSnapshot().database("rev", flags: .reverseKey)) }
        let words = ["az", "bb", "ca", "x", "yaaa", "zb"]
        let outcome = try environment.merge(
            RawSnapshot().database("rev", flags: .reverseKey, words.map { .init($0, "v", at: 1) }))
        #expect(outcome.written == words.count)
        let sorted = words.sorted { String($0.reversed()) < String($1.reversed()) }
        #expect(try environment.keys("rev") == sorted.map { Array($0.utf8) })
    }

    @Test func differentFlagsInTwoPartsAreRefused() throws {
        let text = message(RefusedSnapshot.self) {
            try environment.merge(
                RawSnapshot().database("new", [.init("a", "b", at: 1)])
                    .database("new", flags: .reverseKey, [.init("b", "b", at: 1)]))
        }
        #expect(text.contains("different flags"))
    }
}

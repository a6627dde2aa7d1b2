import LMDB
import Simulator
import Snapshots
import Testing

@testable import Replication

/// Merges into DBIs with shadows: what is written where, and what is refused.
@Suite struct ShadowMergeTests {
    let directory: ScratchDirectory
    let environment: LMDB.Environment
    var capture = Capture(schema: LMDB.Environment.shadows)

    init() throws {
        directory = try ScratchDirectory()
        environment = try .scratch(directory)
    }

    private static func member(_ key: String, _ value: String, at timestamp: UInt64, deleted: Bool = false)
        -> RawSnapshot.Entry
    {
        .init(transformed(key, value), deleted ? [] : Array(value.utf8), at: timestamp, flags: deleted ? 1 : 0)
    }

    private static func members(
        flags: DatabaseFlags = .duplicateSort, transform: String = "dupsort_hack_v1", _ entries: [RawSnapshot.Entry]
    ) -> RawSnapshot {
        RawSnapshot().database("members", flags: flags, transform: transform, entries)
    }

    /// Expects that a merge is refused for good, with nothing written.
    private func refusal(_ snapshot: RawSnapshot, dupSortHack: Bool = true, flags: [String: DatabaseFlags] = [:]) throws
        -> String
    {
        let (before, main) = (environment.lastTransaction, try environment.main())
        let text = message(RefusedSnapshot.self) {
            try environment.shadowMerge(snapshot, creationFlags: flags, dupSortHack: dupSortHack)
        }
        #expect(environment.lastTransaction == before)
        #expect(try environment.main() == main)
        return text
    }

    // MARK: What is written

    @Test mutating func bothAreWrittenInOneTransaction() throws {
        try environment.appPut("a", "1")
        try environment.appPut("b", "1")
        try capture.run(environment, at: 10)
        let before = environment.lastTransaction
        let outcome = try environment.shadowMerge(
            RawSnapshot().database(
                "records", [.init("a", "2", at: 20), .init("b", "", at: 20, deleted: true), .init("c", "3", at: 20)]),
            through: capture.through)
        #expect(outcome.transaction == before + 1 && environment.lastTransaction == before + 1)
        #expect(outcome.written == 3)
        #expect(try environment.main("records") == ["a": "2", "c": "3"])
        #expect(try environment.shadow("b") == .deleted(20))
        capture.ownCommitted(before + 1)
        #expect(capture.through == before + 1)
        #expect(try capture.run(environment, at: 30).transaction == nil)
    }

    /// Only the Deleted flag deletes.
    @Test mutating func emptyLiveValuesStay() throws {
        try capture.run(environment, at: 10)
        try environment.shadowMerge(
            RawSnapshot().database(
                "records", [.init("added", "", at: 20), .init("deleted", "", at: 20, deleted: true)]))
        #expect(try environment.main("records") == ["added": ""])
        try capture.run(environment, at: 30)
        #expect(try environment.shadow("added") == .init(20, ""))
        #expect(try environment.shadow("deleted") == .deleted(20))
    }

    @Test mutating func aNewTimestampAloneLeavesTheApplicationsEntry() throws {
        try environment.appPut("a", "1")
        try capture.run(environment, at: 10)
        try environment.shadowMerge(RawSnapshot().database("records", [.init("a", "1", at: 20)]))
        #expect(try environment.main("records") == ["a": "1"])
        #expect(try environment.shadow("a") == .init(20, "1"))
    }

    @Test mutating func onlyChangedValuesOfAKeyAreWritten() throws {
        for value in ["p", "q", "r"] {
            try environment.appPut(Array("k".utf8), Array(value.utf8), in: "members", flags: .duplicateSort)
        }
        try capture.run(environment, at: 10)
        let before = try environment.rawShadows()
        let outcome = try environment.shadowMerge(
            Self.members([
                Self.member("k", "p", at: 1), Self.member("k", "q", at: 30, deleted: true),
                Self.member("k", "s", at: 30),
            ]), through: capture.through)
        #expect(outcome.written == 2)
        #expect(try environment.main().values.map { String(decoding: $0, as: UTF8.self) }.sorted() == ["p", "r", "s"])
        for value in ["p", "r"] {
            let key = TestKey(database: "members", key: transformed("k", value))
            #expect(try environment.rawShadows()[key] == before[key])
        }
    }

    /// Two values that differ behind the cut are two versions of one entry.
    @Test mutating func aLongValueReplacesTheOneWithTheSameKey() throws {
        let long = String(repeating: "v", count: 510)
        try environment.appPut(Array("k".utf8), Array((long + "1").utf8), in: "members", flags: .duplicateSort)
        try capture.run(environment, at: 10)
        for through in [capture.through, nil] {
            let last = through == nil ? "3" : "2"
            try environment.shadowMerge(
                Self.members([Self.member("k", long + last, at: through == nil ? 30 : 20)]), through: through)
            #expect(try environment.main().values.map { String(decoding: $0, as: UTF8.self) } == [long + last])
        }
    }

    // MARK: What the application writes meanwhile

    @Test mutating func whatTheApplicationWroteMeanwhileIsCapturedFirst() throws {
        for key in ["changed", "deleted", "gone-newer", "left"] { try environment.appPut(key, "old") }
        try capture.run(environment, at: 10)
        let keys = ["added", "changed", "deleted", "gone-newer"]
        let plan = try environment.plan(
            RawSnapshot().database("records", keys.map { .init($0, "remote", at: $0 == "gone-newer" ? 900 : 50) }),
            rules: .init(schema: LMDB.Environment.shadows))
        #expect(plan.count == 4)
        try environment.appPut("added", "mine")
        try environment.appPut("changed", "mine")
        try environment.appDelete("deleted")
        try environment.appDelete("gone-newer")
        try environment.appPut("left", "mine")
        let outcome = try Merge.apply(
            plan, to: environment, paddingBlock: false, capturedThrough: capture.through, clock: { 100 })
        #expect(outcome.written == 1 && outcome.lost == 3)
        #expect(
            try environment.main("records") == [
                "added": "mine", "changed": "mine", "gone-newer": "remote", "left": "mine",
            ])
        #expect(try environment.shadow("added") == .init(100, "mine"))
        #expect(try environment.shadow("changed") == .init(100, "mine"))
        #expect(try environment.shadow("deleted") == .deleted(100))
        #expect(try environment.shadow("gone-newer") == .init(900, "remote"))
        // What is not in the snapshot is left for the next capture.
        #expect(try environment.shadow("left") == .init(1, "old"))
        if let transaction = outcome.transaction { capture.ownCommitted(transaction) }
        #expect(try capture.run(environment, at: 200).written == 1)
        #expect(try environment.shadow("left") == .init(200, "mine"))
    }

    @Test mutating func whatWasWrittenBetweenCaptureAndPlanIsCapturedToo() throws {
        try environment.appPut("a", "old")
        try capture.run(environment, at: 10)
        try environment.appPut("a", "mine")
        let outcome = try environment.shadowMerge(
            RawSnapshot().database("records", [.init("a", "remote", at: 50)]), through: capture.through, now: 100)
        #expect(outcome.lost == 1 && outcome.transaction == environment.lastTransaction)
        #expect(try environment.shadow("a") == .init(100, "mine"))
    }

    @Test mutating func aDBIWithoutShadowWaitsForItsCapture() throws {
        try capture.run(environment, at: 10)
        try environment.appPut("a", "mine")
        let snapshot = RawSnapshot().database("records", [.init("a", "remote", at: 50)])
        #expect(throws: ShadowIsMissing.self) { try environment.shadowMerge(snapshot) }
        try capture.run(environment, at: 20)
        #expect(try environment.shadowMerge(snapshot, through: capture.through).written == 1)
    }

    @Test mutating func aDBIMadeMeanwhileIsCapturedAndUsed() throws {
        try capture.run(environment, at: 10)
        let plan = try environment.plan(
            RawSnapshot().database("records", [.init("a", "remote", at: 50), .init("b", "remote", at: 500)]),
            rules: .init(schema: LMDB.Environment.shadows))
        for key in ["a", "b", "c"] { try environment.appPut(key, "mine") }
        let outcome = try Merge.apply(
            plan, to: environment, paddingBlock: false, capturedThrough: capture.through, clock: { 100 })
        #expect(outcome.written == 1 && outcome.lost == 1)
        #expect(try environment.main("records") == ["a": "mine", "b": "remote", "c": "mine"])
        try capture.run(environment, at: 200)
        #expect(try environment.shadow("a") == .init(100, "mine"))
        #expect(try environment.shadow("c") == .init(200, "mine"))
    }

    @Test mutating func aShadowDroppedMeanwhileStopsTheMerge() throws {
        try environment.appPut("a", "mine")
        try capture.run(environment, at: 10)
        let plan = try environment.plan(
            RawSnapshot().database("records", [.init("a", "remote", at: 50)]),
            rules: .init(schema: LMDB.Environment.shadows))
        OtherOpening(directory.path).dropDatabase("_sync_shadow_records")
        #expect(throws: MergeObstacle.self) { try Merge.apply(plan, to: environment, paddingBlock: false) }
        #expect(try environment.main("records") == ["a": "mine"])
    }

    /// As if it had deleted everything one by one.
    @Test mutating func aDroppedDBIIsMadeAnewByTheNextMerge() throws {
        try environment.appPut("a", "mine")
        try capture.run(environment, at: 10)
        OtherOpening(directory.path).dropDatabase("records")
        try environment.shadowMerge(
            RawSnapshot().database("records", [.init("a", "remote", at: 50), .init("b", "remote", at: 200)]),
            through: capture.through, now: 100)
        #expect(try environment.main("records") == ["b": "remote"])
        #expect(try environment.shadow("a") == .deleted(100))
    }

    // MARK: Flags, transforms and formats

    @Test(arguments: ShadowWorld.kinds.map(\.flags.rawValue))
    func missingDBIsAreMadeAsTheSnapshotSays(flags: UInt32) throws {
        let flags = DatabaseFlags(rawValue: flags)
        let isTransformed = flags.contains(.duplicateSort)
        let (key, value) = (bytes(of: UInt32(0)), bytes(of: UInt32(7)))
        try environment.shadowMerge(
            RawSnapshot().database(
                "records", flags: flags, transform: isTransformed ? "dupsort_hack_v1" : "",
                [.init(isTransformed ? transformed(key, value) : key, value, at: 5)]))
        #expect(try environment.databaseFlags()["records"] == flags)
        #expect(try environment.main().values.map { $0 } == [value])
        var capture = Capture(schema: LMDB.Environment.shadows)
        #expect(try capture.run(environment, at: 10).transaction == nil)
    }

    @Test func overriddenFlagsCount() throws {
        let snapshot = RawSnapshot().database("records", [.init(bytes(of: UInt64(0)), [1], at: 5)])
        try environment.shadowMerge(snapshot, creationFlags: ["records": .integerKey])
        #expect(try environment.databaseFlags() == ["records": .integerKey, "_sync_shadow_records": .integerKey])
        let text = try refusal(
            RawSnapshot().database("others", [.init("a", "b", at: 5)]), flags: ["others": .duplicateSort])
        #expect(text.contains("DBI others") && text.contains("dupsort_hack_v1"))
    }

    @Test(arguments: [1, 2] as [UInt64])
    mutating func oldFormatsGoIntoWhatIsThere(version: UInt64) throws {
        let snapshot = RawSnapshot(formatVersion: version).database(
            "records", [.init("a", "remote", at: 50), .init("b", "", at: 50, deleted: version > 1)])
        // It may come to exist.
        let text = message(MergeObstacle.self) { try environment.shadowMerge(snapshot) }
        #expect(text.contains("does not specify the flags of DBI records"))
        try environment.shadowMerge(snapshot, creationFlags: ["records": []])
        #expect(try environment.main("records") == ["a": "remote"])
        try environment.appPut("a", "mine")
        try environment.appPut("b", "mine")
        try capture.run(environment, at: 20)
        try environment.shadowMerge(
            RawSnapshot(formatVersion: version).database(
                "records", [.init("a", "later", at: 60), .init("b", "", at: 60, deleted: version > 1)]))
        #expect(try environment.main("records") == ["a": "later"])
        #expect(try environment.shadow("b") == .deleted(60))
    }

    @Test mutating func wrongTransformsAreRefused() throws {
        let several = Self.members([Self.member("a", "b", at: 5)])
        try environment.appPut("a", "b", in: "members")
        try environment.appPut([1], [2], in: "others", flags: .duplicateSort)
        try capture.run(environment, at: 10)
        let text = try refusal(several)
        #expect(text.contains("DBI members") && text.contains("but the local one is"))
        #expect(try refusal(RawSnapshot().database("others", [.init("a", "b", at: 5)])).contains("DBI others"))
        #expect(try refusal(RawSnapshot().database("others")).contains("\"\""))
    }

    @Test func withoutTheSettingSeveralValuesAreRefused() throws {
        let text = try refusal(Self.members([Self.member("a", "b", at: 5)]), dupSortHack: false)
        #expect(text.contains("DBI members") && text.contains("can only be synced with transformed keys"))
    }

    @Test func badEntriesAreRefused() throws {
        for entry in [RawSnapshot.Entry("a", "b", at: 5), .init(transformed("a", "b"), [1], at: 5)] {
            #expect(try refusal(Self.members([Self.member("0", "b", at: 5), entry])).contains("DBI members"))
        }
        #expect(try environment.databaseFlags() == [:])
    }

    /// LMDB could never take them, so they must not be tried for ever.
    @Test mutating func valuesOfAnotherSizeAreRefused() throws {
        let fixed: DatabaseFlags = [.duplicateSort, .duplicateFixed]
        let text = try refusal(
            Self.members(flags: fixed, [Self.member("a", "four", at: 5), Self.member("b", "seven..", at: 5)]))
        #expect(text.contains("DBI members") && text.contains("MDB_DUPFIXED") && text.contains("4 to 7 bytes"))
        #expect(try refusal(Self.members(flags: fixed, [Self.member("a", "", at: 5)])).contains("MDB_DUPFIXED"))
        try environment.appPut([1], [1, 2, 3, 4], in: "members", flags: fixed)
        try capture.run(environment, at: 10)
        #expect(try refusal(Self.members(flags: fixed, [Self.member("a", "seven..", at: 5)])).contains("4 to 7 bytes"))
        // What is deleted has none any more.
        #expect(
            try environment.shadowMerge(Self.members(flags: fixed, [Self.member("a", "seven..", at: 5, deleted: true)]))
                .written == 1)
        #expect(try environment.shadowMerge(Self.members(flags: fixed, [Self.member("a", "4444", at: 5)])).written == 1)
        let integers: DatabaseFlags = [.duplicateSort, .duplicateFixed, .integerDuplicates]
        #expect(
            try refusal(
                RawSnapshot().database(
                    "other", flags: integers, transform: "dupsort_hack_v1", [Self.member("a", "123", at: 5)])
            ).contains("MDB_INTEGERDUP"))
    }

    @Test mutating func integerKeysOfAnotherSizeAreRefused() throws {
        let flags: DatabaseFlags = [.duplicateSort, .integerKey]
        #expect(try refusal(Self.members(flags: flags, [Self.member("abc", "x", at: 5)])).contains("MDB_INTEGERKEY"))
        try environment.appPut(bytes(of: UInt32(1)), [1], in: "members", flags: flags)
        try environment.appPut(bytes(of: UInt32(1)), [1], in: "plain", flags: .integerKey)
        try capture.run(environment, at: 10)
        for deleted in [false, true] {
            let text = try refusal(Self.members(flags: flags, [Self.member("12345678", "x", at: 5, deleted: deleted)]))
            #expect(text.contains("DBI members") && text.contains("4 to 8 bytes"))
        }
        #expect(
            try refusal(RawSnapshot().database("plain", flags: .integerKey, [.init(bytes(of: UInt64(1)), [1], at: 5)]))
                .contains("DBI plain"))
    }

    @Test func namesWithoutRoomForAShadowAreRefused() throws {
        for length in [499, 511] {
            let name = String(repeating: "n", count: length)
            #expect(try refusal(RawSnapshot().database(name, [.init("a", "b", at: 5)])).contains("\(length) bytes"))
        }
        try environment.shadowMerge(
            RawSnapshot().database(String(repeating: "n", count: 498), [.init("a", "b", at: 5)]))
        #expect(try environment.databaseFlags().count == 2)
    }

    @Test func shadowsInASnapshotAreLeftOut() throws {
        let snapshot = RawSnapshot().database("_sync_shadow_records", [.init("a", "b", at: 5)])
        #expect(try environment.shadowMerge(snapshot).transaction == nil)
        #expect(try environment.databaseFlags() == [:])
    }
}

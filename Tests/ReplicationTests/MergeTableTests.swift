import LMDB
import Simulator
import Snapshots
import Testing

@testable import Replication

/// The merge table with real LMDBs on both sides.
@Suite struct MergeTableTests {
    let directory: ScratchDirectory
    let environment: LMDB.Environment

    init() throws {
        directory = try ScratchDirectory()
        environment = try .scratch(directory)
    }

    @Test(arguments: MergeRuleTests.table)
    func everyRowHoldsInAnLMDB(_ row: MergeRuleTests.Case) throws {
        try environment.put("key", row.local)
        let before = environment.lastTransaction
        let outcome = try environment.merge(
            RawSnapshot().database("records", [.init(Array("key".utf8), row.incoming)]))
        #expect(try environment.version("key") == (row.wins ? row.incoming : row.local))
        #expect(outcome.transaction == (row.wins ? before + 1 : nil))
        #expect(outcome.written == (row.wins ? 1 : 0))
        #expect(environment.lastTransaction == (row.wins ? before + 1 : before))
    }

    @Test(arguments: MergeRuleTests.table)
    func aNewEntryIsAdded(_ row: MergeRuleTests.Case) throws {
        try environment.put("other", .init(1, "x"))
        let outcome = try environment.merge(
            RawSnapshot().database("records", [.init(Array("key".utf8), row.incoming)]))
        #expect(try environment.version("key") == row.incoming)
        #expect(try environment.version("other") == .init(1, "x"))
        #expect(outcome.written == 1)
    }

    @Test func aWrittenHeaderHasTheOwnTransactionAndNoUnknownFlags() throws {
        try environment.put("other", .init(1, "x"))
        let outcome = try environment.merge(
            RawSnapshot().database("records", [.init(Array("key".utf8), Array("value".utf8), at: 77, flags: 0xfe)]))
        let raw = try #require(try environment.raw("records", Array("key".utf8)))
        let transaction = try #require(outcome.transaction)
        var expected = [UInt8](repeating: 0, count: 24)
        expected[7] = 77
        expected[15] = UInt8(transaction)
        expected += Array("value".utf8)
        #expect(raw == expected)
    }

    @Test func aPaddingBlockIsWrittenWhenAskedFor() throws {
        let snapshot = RawSnapshot().database(
            "records", [.init("a", "value", at: 77), .init("b", "", at: 78, deleted: true)])
        try environment.merge(snapshot, paddingBlock: true)
        let live = try #require(try environment.raw("records", Array("a".utf8)))
        #expect(live.count == 24 + 8 + 5)
        #expect(live[22..<24] == [0, 1])
        #expect(Array(live[24..<32]) == [UInt8](repeating: 0, count: 8))
        #expect(Array(live[32...]) == Array("value".utf8))
        let deleted = try #require(try environment.raw("records", Array("b".utf8)))
        #expect(deleted.count == 24 + 8)
        #expect(deleted[17] == 1)
        // It reads back as if it were not there.
        #expect(try environment.version("a") == .init(77, "value"))
        #expect(try environment.plan(snapshot).isEmpty)
    }

    @Test func aDeletedWinnerLosesItsValue() throws {
        try environment.put("key", .init(1, "old"))
        try environment.merge(RawSnapshot().database("records", [.init("key", "payload", at: 2, deleted: true)]))
        #expect(try environment.raw("records", Array("key".utf8))?.count == EntryHeader.size)
        #expect(try environment.version("key") == .deleted(2))
    }

    @Test func aLocalDeletedEntryWithPayloadCountsAsEmpty() throws {
        var value = [UInt8](repeating: 0, count: 24) + Array("zzz".utf8)
        value[7] = 5
        value[17] = 1
        try environment.putRaw("records", Array("key".utf8), value)
        for incoming in [TestVersion(5, ""), .init(5, "a"), .init(5, "zzzz"), .deleted(5)] {
            let plan = try environment.plan(RawSnapshot().database("records", [.init(Array("key".utf8), incoming)]))
            #expect(plan.isEmpty, "\(incoming)")
            #expect(plan.kept == 1)
        }
    }

    @Test func extensionBlocksAndUnknownFlagsOfLocalHeadersAreNoValue() throws {
        // Timestamp 5, flags 0xfe, reserved bytes set, two extension blocks.
        var value: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0xfe, 1, 2, 3, 4, 0, 2]
        value += [UInt8](repeating: 0xff, count: 16) + Array("m".utf8)
        try environment.putRaw("records", Array("key".utf8), value)
        #expect(try environment.version("key") == .init(5, "m"))
        #expect(try environment.plan(RawSnapshot().database("records", [.init("key", "m", at: 5)])).isEmpty)
        #expect(try environment.plan(RawSnapshot().database("records", [.init("key", "n", at: 5)])).isEmpty)
        #expect(try environment.merge(RawSnapshot().database("records", [.init("key", "l", at: 5)])).written == 1)
        #expect(try environment.raw("records", Array("key".utf8))?.count == 25)
    }

    @Test func oldDeletedEntriesAreNotBroughtBack() throws {
        try environment.put("here", .init(1, "x"))
        let rules = MergePlanner.Rules(deletedCutoff: 100)
        let snapshot = RawSnapshot()
            .database(
                "records",
                [
                    .init("here", "", at: 50, deleted: true), .init("new", "", at: 100, deleted: true),
                    .init("old", "", at: 99, deleted: true), .init("value", "v", at: 1),
                ]
            )
            .database("index", [.init("old", "", at: 99, deleted: true), .init("zero", "", at: 0)])
        let plan = try environment.plan(snapshot, rules: rules)
        #expect(plan.kept == 2)
        try Merge.apply(plan, to: environment, paddingBlock: false)
        let expected: TestContents = [
            // What is here is deleted however old the deletion is.
            TestKey(database: "records", key: Array("here".utf8)): .deleted(50),
            TestKey(database: "records", key: Array("new".utf8)): .deleted(100),
            TestKey(database: "records", key: Array("value".utf8)): TestVersion(1, "v"),
            TestKey(database: "index", key: Array("zero".utf8)): TestVersion(0, ""),
        ]
        #expect(try environment.contents() == expected)
    }

    @Test func formatVersion1TakesEmptyValuesAsDeleted() throws {
        try environment.put("key", .init(1, "x"))
        try environment.merge(RawSnapshot(formatVersion: 1).database("records", [.init("key", "", at: 2)]))
        #expect(try environment.version("key") == .deleted(2))
    }

    @Test func nothingNewTakesNoTransaction() throws {
        let snapshot = RawSnapshot().database(
            "records", (0..<1000).map { .init("key\($0 + 1000)", "value", at: UInt64($0)) })
        #expect(try environment.merge(snapshot).written == 1000)
        let before = environment.lastTransaction
        let outcome = try environment.merge(snapshot)
        #expect(outcome.transaction == nil)
        #expect(outcome.written == 0)
        #expect(outcome.lockTime == .zero)
        #expect(environment.lastTransaction == before)
    }
}

extension RawSnapshot.Entry {
    init(_ key: [UInt8], _ version: TestVersion) {
        self.init(key, version.value, at: version.timestamp, flags: version.isDeleted ? 1 : 0)
    }
}

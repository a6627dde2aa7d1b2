import LMDB
import Simulator
import Snapshots
import Testing

@testable import Replication

/// Merges that bring together what LMDB, or the order of a shadow, can't hold together.
@Suite struct ShadowSettleTests {
    let directory: ScratchDirectory
    let environment: LMDB.Environment
    var capture = Capture(schema: LMDB.Environment.shadows, startsWithNow: true)

    init() throws {
        directory = try ScratchDirectory()
        environment = try .scratch(directory)
    }

    private func member(_ key: String, _ value: String, at timestamp: UInt64, deleted: Bool = false)
        -> RawSnapshot.Entry
    {
        .init(transformed(key, value), deleted ? [] : Array(value.utf8), at: timestamp, flags: deleted ? 1 : 0)
    }

    private func members(_ entries: [RawSnapshot.Entry]) -> RawSnapshot {
        RawSnapshot().database("members", flags: .duplicateSort, transform: "dupsort_hack_v1", entries)
    }

    private func put(_ key: String, _ value: String) throws {
        try environment.appPut(Array(key.utf8), Array(value.utf8), in: "members", flags: .duplicateSort)
    }

    private func expectSettled(_ values: [String]) throws {
        #expect(try environment.main().values.map { String(decoding: $0, as: UTF8.self) }.sorted() == values)
        #expect(try environment.versions().live == environment.main())
    }

    @Test mutating func anEmptyValueGivesWayToTheOthersThatAreHere() throws {
        try put("k", "x")
        try capture.run(environment, at: 10)
        try environment.shadowMerge(members([member("k", "", at: 20)]), through: capture.through)
        try expectSettled(["x"])
        let version = try environment.versions()[TestKey(database: "members", key: transformed("k", ""))]
        #expect(version?.isDeleted == true && version?.timestamp == 1000)
    }

    @Test mutating func anEmptyValueThatIsHereGivesWayToOthers() throws {
        try put("k", "")
        try capture.run(environment, at: 10)
        try environment.shadowMerge(members([member("k", "x", at: 20)]), through: capture.through)
        try expectSettled(["x"])
    }

    @Test mutating func anEmptyValueTakesThePlaceOfADeletedOne() throws {
        try put("k", "x")
        try capture.run(environment, at: 10)
        try environment.shadowMerge(
            members([member("k", "", at: 20), member("k", "x", at: 20, deleted: true)]), through: capture.through)
        try expectSettled([""])
    }

    @Test(arguments: [("v", "v\u{0}"), ("v\u{0}", "v")])
    mutating func whatCouldNotBeCapturedTogetherIsRefused(_ here: String, _ there: String) throws {
        try put("k", here)
        try capture.run(environment, at: 10)
        let before = environment.lastTransaction
        let text = message(RefusedSnapshot.self) {
            try environment.shadowMerge(members([member("a", "1", at: 20), member("k", there, at: 20)]))
        }
        #expect(text.contains("DBI members conflicts with a local one"))
        #expect(environment.lastTransaction == before)
        try expectSettled([here])
        try capture.run(environment, at: 30)
    }

    @Test mutating func whatTakesThePlaceOfSomethingElseIsFine() throws {
        try put("k", "v")
        try capture.run(environment, at: 10)
        try environment.shadowMerge(
            members([member("k", "v\u{0}", at: 20), member("k", "v", at: 20, deleted: true)]), through: capture.through)
        try expectSettled(["v\u{0}"])
    }

    @Test mutating func integersAreNotMixedWithOtherKeys() throws {
        try environment.appPut([1, 0, 0, 0], [1], in: "numbers", flags: .integerKey)
        try capture.run(environment, at: 10)
        let snapshot = RawSnapshot().database("numbers", flags: [], [.init("old0", "x", at: 20)])
        #expect(
            message(RefusedSnapshot.self) { try environment.shadowMerge(snapshot) }.contains(
                "DBI numbers has the flags 0 in the snapshot, but MDB_INTEGERKEY here"))
        // Unless the configuration says that the DBI is what the snapshot does not tell.
        try environment.shadowMerge(snapshot, creationFlags: ["numbers": .integerKey])
        #expect(try environment.main().count == 2)
    }

    @Test mutating func whoDropsAShadowIsNoticed() throws {
        try environment.appPut("a", "1")
        try capture.run(environment, at: 10)
        _ = try ShadowRemoval.run(environment)
        #expect(try capture.run(environment, at: 20).lost == ["records"])
        try environment.appPut("a", "2")
        #expect(try capture.run(environment, at: 30).lost.isEmpty)
    }
}

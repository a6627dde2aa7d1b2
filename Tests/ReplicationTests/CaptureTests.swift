import LMDB
import Simulator
import Snapshots
import Testing

@testable import Replication

/// What an application has changed, and when: while the syncer was down, and while it runs.
@Suite struct CaptureTests {
    let directory: ScratchDirectory
    let environment: LMDB.Environment
    var capture = Capture(schema: LMDB.Environment.shadows)

    init() throws {
        directory = try ScratchDirectory()
        environment = try .scratch(directory)
    }

    private func remote(_ entries: RawSnapshot.Entry...) throws -> Merge.Outcome {
        try environment.shadowMerge(RawSnapshot().database("records", entries), through: capture.through)
    }

    // MARK: While it runs

    @Test mutating func changesGetTheTimeAndTheRestStays() throws {
        try environment.appPut("a", "1")
        try environment.appPut("b", "1")
        try capture.run(environment, at: 10)
        let before = try environment.rawShadows()
        try environment.appPut("b", "2")
        try environment.appPut("c", "1")
        let outcome = try capture.run(environment, at: 20)
        #expect(outcome.written == 2 && outcome.dropped == [])
        #expect(try environment.shadow("a") == .init(1, "1"))
        #expect(try environment.shadow("b") == .init(20, "2"))
        #expect(try environment.shadow("c") == .init(20, "1"))
        let key = TestKey(database: "records", key: Array("a".utf8))
        #expect(try environment.rawShadows()[key] == before[key])
        try environment.appDelete("b")
        try capture.run(environment, at: 30)
        #expect(try environment.shadow("b") == .deleted(30))
        try environment.appPut("b", "")
        try capture.run(environment, at: 40)
        #expect(try environment.shadow("b") == .init(40, ""))
    }

    /// Header by header: the transaction is the one that wrote it, and nothing but the value follows.
    @Test(arguments: [false, true]) mutating func headersAreThoseOfTheSettings(paddingBlock: Bool) throws {
        try environment.appPut("a", "1")
        let outcome = try capture.run(environment, paddingBlock: paddingBlock, clock: { 10 })
        let raw = try #require(try environment.raw("_sync_shadow_records", Array("a".utf8)))
        #expect(raw.count == EntryHeader.size(paddingBlock: paddingBlock) + 1)
        let header = try raw.withUnsafeBytes { try EntryHeader.parse($0).header }
        #expect(header.transactionID == outcome.transaction)
    }

    @Test mutating func aChangeIsLaterThanWhatItChangesWhateverTheClockSays() throws {
        try capture.run(environment, at: 1)
        _ = try remote(.init("changed", "x", at: 500), .init("deleted", "x", at: 500))
        try environment.appPut("changed", "y")
        try environment.appDelete("deleted")
        try environment.appPut("added", "y")
        try capture.run(environment, at: 100)
        #expect(try environment.shadow("changed") == .init(501, "y"))
        #expect(try environment.shadow("deleted") == .deleted(501))
        #expect(try environment.shadow("added") == .init(100, "y"))
        try environment.appPut("deleted", "back")
        try capture.run(environment, at: 100)
        #expect(try environment.shadow("deleted") == .init(502, "back"))
    }

    @Test mutating func theLatestTimestampIsNotSurpassed() throws {
        try capture.run(environment, at: 1)
        _ = try remote(.init("a", "x", at: .max), .init("b", "x", at: .max))
        try environment.appPut("a", "y")
        try environment.appDelete("b")
        try capture.run(environment, at: 100)
        #expect(try environment.shadow("a") == .init(.max, "y"))
        #expect(try environment.shadow("b") == .deleted(.max))
        // And the rule for equal timestamps decides, everywhere alike.
        _ = try remote(.init("a", "x", at: .max), .init("b", "x", at: .max))
        #expect(try environment.main("records") == ["a": "x"])
    }

    @Test mutating func whatBecomesAsItWasIsNoChange() throws {
        try environment.appPut("a", "1")
        try capture.run(environment, at: 10)
        try environment.appPut("a", "2")
        try environment.appPut("a", "1")
        let before = environment.lastTransaction
        #expect(try capture.run(environment, at: 20).transaction == nil)
        #expect(environment.lastTransaction == before)
        #expect(capture.through == before)
    }

    // MARK: While it was down

    @Test mutating func whatIsFoundAtTheStartLosesAgainstEverything() throws {
        try environment.appPut("a", "1")
        #expect(try capture.run(environment, at: 900).written == 1)
        #expect(try environment.shadow("a") == .init(1, "1"))
        #expect(try remote(.init("a", "0", at: 2)).written == 1)
        #expect(try environment.main("records") == ["a": "0"])
    }

    /// An addition, a change and a delete while it was down; others still have what was there before, or newer.
    @Test mutating func offlineChangesBeatWhatTheyReplacedAndNothingNewer() throws {
        try capture.run(environment, at: 1)
        let old: [RawSnapshot.Entry] = ["changed", "deleted", "changed-newer", "deleted-newer"].map {
            .init($0, "old", at: 50)
        }
        try environment.shadowMerge(RawSnapshot().database("records", old), through: capture.through)
        for key in ["changed", "changed-newer", "added", "added-newer"] { try environment.appPut(key, "mine") }
        for key in ["deleted", "deleted-newer"] { try environment.appDelete(key) }
        capture = Capture(schema: LMDB.Environment.shadows)
        try capture.run(environment, at: 900)
        #expect(try environment.shadow("changed") == .init(51, "mine"))
        #expect(try environment.shadow("deleted") == .deleted(51))
        #expect(try environment.shadow("added") == .init(1, "mine"))
        // The older versions once more, and newer ones.
        try environment.shadowMerge(RawSnapshot().database("records", old), through: capture.through)
        #expect(
            try environment.main("records") == [
                "changed": "mine", "changed-newer": "mine", "added": "mine", "added-newer": "mine",
            ])
        let newer = ["added-newer", "changed-newer", "deleted-newer"].map { RawSnapshot.Entry($0, "new", at: 52) }
        try environment.shadowMerge(RawSnapshot().database("records", newer), through: capture.through)
        #expect(
            try environment.main("records") == [
                "changed": "mine", "added": "mine", "added-newer": "new", "changed-newer": "new",
                "deleted-newer": "new",
            ])
    }

    /// An entry that is older than the retention, deleted while it was down: sweepers must leave the deletion time to spread.
    @Test mutating func anOfflineDeletionIsYoungerThanTheRetention() throws {
        try capture.run(environment, at: 1)
        let old: [RawSnapshot.Entry] = [.init("changed", "old", at: 50), .init("deleted", "old", at: 50)]
        try environment.shadowMerge(RawSnapshot().database("records", old), through: capture.through)
        try environment.appPut("changed", "mine")
        try environment.appDelete("deleted")
        capture = Capture(schema: LMDB.Environment.shadows, retention: .nanoseconds(1000))
        try capture.run(environment, at: 10_000)
        #expect(try environment.shadow("changed") == .init(51, "mine"))
        guard case let version? = try environment.shadow("deleted"), version.isDeleted else {
            Issue.record("the deletion was not captured")
            return
        }
        // Within two fifths of the retention every instance that is in sync has merged it.
        #expect(version.timestamp > DeletedCutoff(retention: .nanoseconds(1000)).timestamp(at: 10_400))
    }

    @Test func aRebuildTakesWhatItFindsForNew() throws {
        try environment.appPut("a", "1")
        var capture = Capture(schema: LMDB.Environment.shadows, startsWithNow: true)
        try capture.run(environment, at: 900)
        #expect(try environment.shadow("a") == .init(900, "1"))
    }

    // MARK: DBIs that come and go

    @Test mutating func aDroppedDBIIsDeletedOnceAndNotSent() throws {
        try environment.appPut("a", "1")
        try environment.appPut("z", "1", in: "zones")
        try capture.run(environment, at: 10)
        OtherOpening(directory.path).dropDatabase("records")
        let outcome = try capture.run(environment, at: 20)
        #expect(outcome.dropped == ["records"])
        #expect(try environment.shadow("a") == .deleted(20))
        let identity = SenderIdentity(database: "main", instance: "own", hostname: "host")
        func sent() throws -> TestContents {
            let scan = try FullScan.run(environment, identity: identity, schema: LMDB.Environment.shadows) { 5 }
            return try contents(of: #require(scan.snapshot).body)
        }
        #expect(try sent().keys.map(\.database) == ["zones"])
        // Once told is enough.
        try environment.appPut("z", "2", in: "zones")
        #expect(try capture.run(environment, at: 30).dropped == [])
        try environment.appPut("b", "1")
        try capture.run(environment, at: 40)
        #expect(try environment.shadow("a") == .deleted(20))
        #expect(try environment.shadow("b") == .init(40, "1"))
        #expect(try sent().count == 3)
    }

    @Test mutating func aDBIMadeAnewWithOtherFlagsIsToldWithTheCure() throws {
        try environment.appPut(bytes(of: UInt32(7)), [1], flags: .integerKey)
        try capture.run(environment, at: 10)
        OtherOpening(directory.path).dropDatabase("records")
        try environment.appPut("a", "1")
        let before = environment.lastTransaction
        let text = message(LocalContentError.self) { try capture.run(environment, at: 20) }
        #expect(text.contains("_sync_shadow_records") && text.contains("recreated with different flags"))
        #expect(environment.lastTransaction == before)
    }

    @Test mutating func integerKeysOfAnotherSizeAreToldWithTheCure() throws {
        try environment.appPut(bytes(of: UInt32(7)), [1], flags: .integerKey)
        try capture.run(environment, at: 10)
        try environment.appEmpty("records")
        try environment.appPut(bytes(of: UInt64(7)), [1], flags: .integerKey)
        let text = message(LocalContentError.self) { try capture.run(environment, at: 20) }
        #expect(text.contains("DBI records have 8 bytes") && text.hasSuffix("of its shadow 4"))
    }

    @Test mutating func aShadowDroppedWhileItRunsIsMadeAnewAsAtTheStart() throws {
        try environment.appPut("a", "1")
        try environment.appPut("z", "1", in: "zones")
        try capture.run(environment, at: 10)
        try environment.appPut("a", "2")
        try capture.run(environment, at: 20)
        OtherOpening(directory.path).dropDatabase("_sync_shadow_records")
        try environment.appPut("z", "2", in: "zones")
        try capture.run(environment, at: 30)
        // When it was changed is not known any more.
        #expect(try environment.shadow("a") == .init(1, "2"))
        #expect(try environment.shadow("z", in: "zones") == .init(30, "2"))
    }

    @Test mutating func aDBIMadeWhileItRunsIsNew() throws {
        try capture.run(environment, at: 10)
        try environment.appPut("a", "1")
        try capture.run(environment, at: 20)
        #expect(try environment.shadow("a") == .init(20, "1"))
    }

    @Test mutating func anEmptyDBIGetsItsShadow() throws {
        try environment.appPut("a", "1")
        try environment.appEmpty("records")
        let outcome = try capture.run(environment, at: 10)
        #expect(outcome.transaction == environment.lastTransaction && outcome.written == 0)
        #expect(try environment.databaseFlags()["_sync_shadow_records"] == [])
    }

    @Test(arguments: ShadowWorld.kinds.map(\.flags.rawValue))
    func theOnlyFlagOfAShadowIsThatOfIntegerKeys(flags: UInt32) throws {
        let flags = DatabaseFlags(rawValue: flags)
        var capture = Capture(schema: LMDB.Environment.shadows)
        try environment.appPut(bytes(of: UInt32(0)), bytes(of: UInt32(0)), flags: flags)
        try capture.run(environment, at: 10)
        let isInteger = flags.contains(.integerKey) && !flags.contains(.duplicateSort)
        #expect(try environment.databaseFlags()["_sync_shadow_records"] == (isInteger ? .integerKey : []))
        #expect(try environment.versions().live == environment.main())
    }

    // MARK: What can't be captured

    @Test(arguments: [[], [1], [UInt8](repeating: 0, count: 23)] as [[UInt8]])
    mutating func aBrokenHeaderIsNamed(value: [UInt8]) throws {
        for key in ["a", "bad", "c"] { try environment.appPut(key, "1") }
        try capture.run(environment, at: 10)
        try environment.putRaw("_sync_shadow_records", Array("bad".utf8), value)
        let before = environment.lastTransaction
        for _ in 0..<2 {
            let text = message(LocalContentError.self) { try capture.run(environment, at: 20) }
            #expect(
                text.contains("key bad in DBI _sync_shadow_records")
                    && text.contains("only this program may write there"))
        }
        #expect(environment.lastTransaction == before)
        let merge = message(LocalContentError.self) { _ = try remote(.init("bad", "x", at: 50)) }
        #expect(merge.contains("key bad in DBI _sync_shadow_records"))
    }

    @Test func severalValuesNeedTheSetting() throws {
        try environment.appPut([1], [2], in: "members", flags: .duplicateSort)
        var capture = Capture(schema: .shadow(dupSortHack: false))
        let text = message(LocalContentError.self) { try capture.run(environment, at: 10) }
        #expect(text.contains("DBI members") && text.contains("can only be synced with transformed keys"))
        #expect(try environment.databaseFlags() == ["members": .duplicateSort])
    }

    @Test mutating func aNameWithoutRoomForTheShadowIsTold() throws {
        let longest = 511 - Schema.shadowPrefix.utf8.count
        try environment.appPut("a", "1", in: String(repeating: "n", count: longest))
        try capture.run(environment, at: 10)
        try environment.appPut("a", "1", in: String(repeating: "m", count: longest + 1))
        let text = message(LocalContentError.self) { try capture.run(environment, at: 20) }
        #expect(text.contains("mmm") && text.contains("\(longest + 1) bytes"))
        #expect(text.count < 300)
    }
}

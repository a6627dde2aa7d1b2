import Dispatch
import LMDB
import Simulator
import Snapshots
import Synchronization
import Testing

@testable import Replication

/// What happens between plan and apply, and who waits for whom.
@Suite struct MergeLockTests {
    let directory: ScratchDirectory
    let environment: LMDB.Environment
    /// What the application does happens between the transactions of the merge.
    var application: LMDB.Environment { environment }

    init() throws {
        directory = try ScratchDirectory()
        environment = try .scratch(directory)
    }

    /// Runs `body` on a thread of its own while another one holds the write lock.
    ///
    /// - Returns: whether it ended with the lock still held.
    private func endsWhileLocked(_ body: @escaping @Sendable () -> Void) -> Bool {
        let (locked, release, done) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0), DispatchGroup())
        let ended = DispatchSemaphore(value: 0)
        DispatchQueue(label: "application").async(group: done) { [path = directory.path] in
            OtherOpening(path).withWriteLock {
                locked.signal()
                release.wait()
            }
        }
        locked.wait()
        DispatchQueue(label: "merge").async(group: done) {
            body()
            ended.signal()
        }
        // It is over, or it waits for the lock and will not be over before that is released.
        var isEnded = false
        while !isEnded, !environment.activity.waitsForLock { isEnded = ended.wait(timeout: .now() + 0.01) == .success }
        release.signal()
        done.wait()
        return isEnded
    }

    @Test func aMergeWithNothingNewDoesNotWaitForTheWriteLock() throws {
        let snapshot = RawSnapshot().database(
            "records", (0..<100).map { .init("key\($0)", "value", at: 5) })
        try environment.merge(snapshot)
        let outcome = Mutex<Merge.Outcome?>(nil)
        let ended = endsWhileLocked { [environment] in
            let result = try? environment.merge(snapshot)
            outcome.withLock { $0 = result }
        }
        #expect(ended)
        #expect(outcome.withLock { $0 }?.transaction == nil)
        #expect(outcome.withLock { $0 } != nil)
    }

    @Test func aMergeWithNewsWaitsForTheWriteLock() throws {
        try environment.put("key", .init(1, "a"))
        let ended = endsWhileLocked { [environment] in
            _ = try? environment.merge(RawSnapshot().database("records", [.init("key", "b", at: 2)]))
        }
        #expect(!ended)
        #expect(try environment.version("key") == .init(2, "b"))
    }

    @Test func aRefusedSnapshotDoesNotWaitForTheWriteLock() throws {
        let ended = endsWhileLocked { [environment] in
            _ = try? environment.merge(
                RawSnapshot().database("records", [.init("a", "b", at: 2), .init("", "b", at: 2)]))
        }
        #expect(ended)
        #expect(try environment.contents().isEmpty)
    }

    @Test func whatWasWrittenBetweenPlanAndApplyIsComparedAgain() throws {
        try application.put("newer", .init(1, "old"))
        try application.put("older", .init(1, "old"))
        try application.put("gone", .init(1, "old"))
        let plan = try environment.plan(
            RawSnapshot().database(
                "records",
                [
                    .init("added", "b", at: 5), .init("gone", "b", at: 5), .init("newer", "b", at: 5),
                    .init("older", "b", at: 5), .init("zz-tie", "b", at: 5),
                ]))
        #expect(plan.count == 5)
        try application.put("newer", .init(6, "application"))
        try application.put("older", .init(4, "application"))
        try application.put("added", .init(9, "application"))
        try application.put("zz-tie", .init(5, "a"))
        try application.write { transaction in
            let database = try transaction.database("records", creating: [])
            _ = try Array("gone".utf8).withUnsafeBytes { try transaction.delete(database, $0) }
            return .commit(())
        }
        let outcome = try Merge.apply(plan, to: environment, paddingBlock: false)
        #expect(outcome.written == 2)
        #expect(outcome.lost == 3)
        #expect(try environment.version("newer") == .init(6, "application"))
        #expect(try environment.version("older") == .init(5, "b"))
        #expect(try environment.version("added") == .init(9, "application"))
        #expect(try environment.version("zz-tie") == .init(5, "a"))
        #expect(try environment.version("gone") == .init(5, "b"))
    }

    @Test func aPlanThatHasLostEverythingCommitsNothing() throws {
        try application.put("key", .init(1, "a"))
        let plan = try environment.plan(RawSnapshot().database("records", [.init("key", "b", at: 2)]))
        let transaction = try application.put("key", .init(3, "c"))
        let outcome = try Merge.apply(plan, to: environment, paddingBlock: false)
        #expect(outcome.transaction == nil)
        #expect(outcome.lost == 1)
        #expect(environment.lastTransaction == transaction)
        #expect(try environment.version("key") == .init(3, "c"))
    }

    @Test func keysThatWereBehindTheLastOneMayNotBeAnyMore() throws {
        try application.put("a", .init(1, "a"))
        let plan = try environment.plan(
            RawSnapshot().database("records", (0..<100).map { .init("k\($0 + 100)", "b", at: 2) }))
        try application.put("z", .init(1, "z"))
        try application.put("k150", .init(3, "z"))
        let outcome = try Merge.apply(plan, to: environment, paddingBlock: false)
        #expect(outcome.written == 99)
        #expect(try environment.keys("records").count == 102)
        #expect(try environment.version("k150") == .init(3, "z"))
    }

    @Test func aDatabaseMadeMeanwhileIsUsed() throws {
        let plan = try environment.plan(RawSnapshot().database("records", [.init("key", "b", at: 2)]))
        try application.put("key", .init(3, "c"))
        #expect(try Merge.apply(plan, to: environment, paddingBlock: false).transaction == nil)
        #expect(try environment.version("key") == .init(3, "c"))
    }

    @Test func anEmptyDatabaseMadeMeanwhileIsNoNews() throws {
        let plan = try environment.plan(RawSnapshot().database("records", []))
        #expect(!plan.isEmpty)
        try application.write { transaction in
            _ = try transaction.database("records", creating: [])
            return .commit(())
        }
        let before = environment.lastTransaction
        #expect(try Merge.apply(plan, to: environment, paddingBlock: false).transaction == nil)
        #expect(environment.lastTransaction == before)
    }

    @Test func aDatabaseMadeMeanwhileWithOtherFlagsStopsTheMerge() throws {
        let plan = try environment.plan(RawSnapshot().database("records", [.init("key", "b", at: 2)]))
        try application.putRaw("records", bytes(of: UInt32(7)), [UInt8](repeating: 0, count: 24), flags: .integerKey)
        let before = environment.lastTransaction
        let text = message(MergeObstacle.self) { try Merge.apply(plan, to: environment, paddingBlock: false) }
        #expect(text.contains("records"))
        #expect(environment.lastTransaction == before)
    }

    @Test func integerKeysOfAnotherSizeMadeMeanwhileStopTheMerge() throws {
        let plan = try environment.plan(
            RawSnapshot().database("records", flags: .integerKey, [.init(bytes(of: UInt64(7)), [1], at: 2)]))
        try application.putRaw("records", bytes(of: UInt32(7)), [UInt8](repeating: 0, count: 24), flags: .integerKey)
        let text = message(MergeObstacle.self) { try Merge.apply(plan, to: environment, paddingBlock: false) }
        #expect(text.contains("records"))
        #expect(try environment.keys("records") == [bytes(of: UInt32(7))])
    }

    /// Our handle of the database outlives it.
    @Test func aDatabaseThatTheApplicationDropsIsMadeAnew() throws {
        let snapshot = RawSnapshot().database("records", (0..<500).map { .init("key\($0)", "value", at: 5) })
        try environment.merge(snapshot)
        try environment.merge(RawSnapshot().database("other", [.init("a", "b", at: 5)]))
        OtherOpening(directory.path).dropDatabase("records")
        #expect(try environment.databaseFlags() == ["other": []])
        #expect(try environment.keys("records").isEmpty)
        let scan = try FullScan.run(environment, identity: FullScanTests.identity) { 5 }.snapshot
        #expect(scan?.entries == 1)
        #expect(try environment.merge(snapshot).written == 500)
        #expect(try application.contents().count == 501)
        #expect(try environment.contents().count == 501)
        // And once more, between plan and apply.
        let plan = try environment.plan(RawSnapshot().database("records", [.init("key1", "new", at: 6)]))
        OtherOpening(directory.path).dropDatabase("records")
        #expect(throws: MergeObstacle.self) { try Merge.apply(plan, to: environment, paddingBlock: false) }
        #expect(try application.contents().count == 1)
    }

    @Test func aDatabaseThatIsDroppedAndMadeAnewWithOtherFlagsIsSeenAsItIs() throws {
        try environment.merge(RawSnapshot().database("records", [.init("key", "value", at: 5)]))
        OtherOpening(directory.path).dropDatabase("records")
        try application.putRaw("records", bytes(of: UInt32(7)), [UInt8](repeating: 0, count: 24), flags: .integerKey)
        #expect(try environment.databaseFlags() == ["records": .integerKey])
        #expect(
            try environment.merge(
                RawSnapshot().database("records", flags: .integerKey, [.init(bytes(of: UInt32(9)), [1], at: 5)])
            )
            .written == 1)
    }

    @Test func aBadHeaderWrittenMeanwhileStopsTheMerge() throws {
        try application.put("a", .init(1, "a"))
        let plan = try environment.plan(
            RawSnapshot().database("records", [.init("a", "b", at: 2), .init("b", "b", at: 2)]))
        try application.putRaw("records", Array("b".utf8), [1, 2, 3])
        let text = message(LocalContentError.self) { try Merge.apply(plan, to: environment, paddingBlock: false) }
        #expect(text.contains("key b in DBI records"))
        #expect(try environment.raw("records", Array("a".utf8))?.last == UInt8(ascii: "a"))
    }
}

import LMDB
import Simulator
import Snapshots
import Support
import Testing

@testable import Replication

/// A capture compares the pages that have changed since the one before, and finds what a comparison of everything finds.
@Suite struct CapturePagesTests {
    let directory: ScratchDirectory
    let environment: LMDB.Environment
    let tracker: CaptureTracker
    var capture: Capture

    init() throws {
        directory = try ScratchDirectory()
        environment = try .scratch(directory, mapSize: 256 << 20)
        tracker = CaptureTracker(environment)
        capture = Capture(schema: LMDB.Environment.shadows, tracker: tracker)
    }

    /// Writes many entries in one transaction.
    private func fill(_ database: String, flags: DatabaseFlags = [], count: Int) throws {
        try environment.write { transaction in
            let database = try transaction.database(database, creating: flags)
            for index in 0..<count {
                let key = Array("key\(flags.contains(.duplicateSort) ? index / 10 : index)".utf8)
                let value = Array("value\(index % 10)".utf8)
                try key.withUnsafeBytes { key in try value.withUnsafeBytes { try transaction.put(database, key, $0) } }
            }
            return .commit(())
        }
    }

    /// Captures by comparing pages, and expects that nothing is left to capture.
    @discardableResult
    private mutating func captureByPages(at now: UInt64) throws -> Capture.Outcome {
        let outcome = try capture.run(environment, at: now)
        #expect(outcome.comparison?.pages != nil && outcome.comparison?.fallback == nil)
        #expect(outcome.comparison?.proof?.isSound != false)
        try expectNothingLeft()
        return outcome
    }

    private func expectNothingLeft() throws {
        var other = Capture(schema: LMDB.Environment.shadows)
        #expect(try other.run(environment, at: 1_000_000).transaction == nil)
    }

    /// The begins and ends of transactions, and every 1024th step of a cursor.
    private func steps<R>(_ body: () throws -> R) rethrows -> (result: R, steps: Int) {
        let before = environment.activity.steps
        let result = try body()
        return (result, environment.activity.steps - before)
    }

    // MARK: Costs

    @Test mutating func oneChangeCostsAFewPages() throws {
        try fill("records", count: 100_000)
        try fill("members", flags: .duplicateSort, count: 100_000)
        let whole = try steps { try capture.run(environment, at: 10) }
        #expect(whole.steps > 190 && whole.result.comparison?.fallback == .start)
        // The first one is proved.
        try environment.appPut("key50000", "x")
        #expect(try captureByPages(at: 20).comparison?.proof?.isSound == true)
        for (index, change) in ["x", "y", nil].enumerated() {
            if let change { try environment.appPut("key7", change) } else { try environment.appDelete("key7") }
            let run = try steps { try capture.run(environment, at: 30 + UInt64(index)) }
            #expect(run.result.written == 1 && run.result.comparison?.proof == nil)
            // Old and new ones on the way from the root.
            #expect((2...8).contains(try #require(run.result.comparison?.pages)))
            #expect(run.steps < 60)
        }
        #expect(try environment.shadow("key7") == .deleted(32))
        try expectNothingLeft()
    }

    @Test mutating func ofSeveralValuesOnlyTheirDBIIsCompared() throws {
        try fill("records", count: 100_000)
        try fill("members", flags: .duplicateSort, count: 20_000)
        try capture.run(environment, at: 10)
        try environment.appPut("key1", "x")
        try captureByPages(at: 20)
        try environment.appPut(Array("key1".utf8), Array("x".utf8), in: "members", flags: .duplicateSort)
        try environment.appDelete(Array("key2".utf8), in: "members")
        let run = try steps { try capture.run(environment, at: 30) }
        #expect(run.result.written == 11 && run.result.comparison?.pages == 0)
        #expect((39..<120).contains(run.steps))
        try expectNothingLeft()
    }

    @Test mutating func whatHasNotChangedTakesNoLock() throws {
        for key in ["a", "b"] { try environment.appPut(key, "1") }
        try capture.run(environment, at: 10)
        try environment.appPut("a", "2")
        try captureByPages(at: 20)
        // It is looked up, because a merge has changed both.
        try environment.appPut("a", "2")
        let merged = try environment.shadowMerge(
            RawSnapshot().database("records", [.init("b", "2", at: 500), .init("c", "2", at: 500)]),
            through: capture.through)
        capture.ownCommitted(try #require(merged.transaction))
        let before = environment.lastTransaction
        let outcome = try captureByPages(at: 30)
        #expect(outcome.transaction == nil && outcome.lockTime == .zero && environment.lastTransaction == before)
        #expect(capture.through == before && tracker.state.transaction == before)
    }

    /// A comparison of pages is short, so that it is repeated more often before it has to run under the lock.
    @Test mutating func aWriterThatNeverPausesCostsOnePassUnderTheLock() throws {
        try environment.appPut("a", "0")
        try capture.run(environment, at: 10)
        try environment.appPut("a", "1")
        var comparisons = 0
        let outcome = try capture.run(environment, at: 20) {
            comparisons += 1
            try environment.appPut("a", "busy \(comparisons)")
        }
        #expect(comparisons == Capture.freePageAttempts && outcome.written == 1)
        #expect(try environment.shadow("a") == .init(20, "busy \(comparisons)"))
        try environment.appPut("b", "1")
        try captureByPages(at: 30)
    }

    // MARK: What is found

    @Test mutating func changesOfAllKinds() throws {
        let large = String(repeating: "large", count: 5000)
        try environment.appPut("large", large)
        try environment.appPut("same", large)
        for key in ["changed", "deleted", "same again"] { try environment.appPut(key, "1") }
        try environment.appPut(bytes(of: UInt32(0)), [1], in: "integers", flags: .integerKey)
        try environment.appPut(Array("ab".utf8), [1], in: "reverse", flags: .reverseKey)
        try capture.run(environment, at: 10)
        try environment.appPut("large", large + "r")
        try environment.appPut("changed", "2")
        try environment.appPut("same again", "1")
        try environment.appPut("added", "")
        try environment.appDelete("deleted")
        try environment.appPut(bytes(of: UInt32(0)), [2], in: "integers", flags: .integerKey)
        try environment.appPut(bytes(of: UInt32(256)), [2], in: "integers", flags: .integerKey)
        try environment.appPut(Array("ba".utf8), [1], in: "reverse", flags: .reverseKey)
        try environment.appDelete(Array("ab".utf8), in: "reverse")
        try environment.appPut("a", "1", in: "made just now")
        let outcome = try captureByPages(at: 20)
        #expect(outcome.written == 9)
        #expect(try environment.shadow("deleted") == .deleted(20) && environment.shadow("same")?.timestamp == 1)
    }

    /// Between two captures a merge has changed it, and then the application has turned it back: its pages say that nothing has
    /// happened.
    @Test mutating func whatIsTurnedBackAfterAMergeIsFound() throws {
        try environment.appPut("a", "1")
        try environment.appPut("c", "1")
        try capture.run(environment, at: 10)
        let pinned = tracker.state.transaction
        // Not captured, so that what is pinned cannot move.
        try environment.appPut("other", "x")
        let merged = try environment.shadowMerge(
            RawSnapshot().database(
                "records", [.init("a", "2", at: 500), .init("b", "2", at: 500), .init("c", "", at: 500, deleted: true)]),
            through: capture.through)
        capture.ownCommitted(try #require(merged.transaction))
        #expect(tracker.state.transaction == pinned && merged.written == 3)
        try environment.appPut("a", "1")
        try environment.appDelete("b")
        try environment.appPut("c", "1")
        #expect(try captureByPages(at: 20).written == 4)
        #expect(try environment.shadow("a") == .init(501, "1"))
        #expect(try environment.shadow("b") == .deleted(501))
        #expect(try environment.shadow("c") == .init(501, "1"))
    }

    @Test mutating func whatOthersWriteToAShadowIsFound() throws {
        for key in ["a", "b", "c"] { try environment.appPut(key, "1") }
        for value in ["p", "q"] {
            try environment.appPut([1], Array(value.utf8), in: "members", flags: .duplicateSort)
        }
        try capture.run(environment, at: 10)
        let shadow = Schema.shadowPrefix + "records"
        let other = try #require(try environment.raw(shadow, Array("b".utf8))) + [1]
        try environment.putRaw(shadow, Array("a".utf8), other)
        try environment.putRaw(shadow, Array("d".utf8), other)
        try environment.appDelete(Array("c".utf8), in: shadow)
        try environment.appDelete(transformed([1], Array("p".utf8)), in: Schema.shadowPrefix + "members")
        #expect(try captureByPages(at: 20).written == 4)
        #expect(try environment.shadow("a") == .init(20, "1") && environment.shadow("c") == .init(20, "1"))
        #expect(try environment.shadow("d") == .deleted(20))
        try environment.putRaw(shadow, Array("a".utf8), [1, 2, 3])
        let text = message(LocalContentError.self) { try capture.run(environment, at: 30) }
        #expect(text.contains("key a in DBI _sync_shadow_records"))
    }

    // MARK: DBIs that come and go

    /// Another process drops a DBI. One of this process would free the slot in the reader table as it closes.
    private func dropElsewhere(_ name: String) async {
        await #expect(processExitsWith: .success) { [path = directory.path as String, name = name as String] in
            OtherOpening(path).dropDatabase(name)
        }
    }

    @Test mutating func aDroppedDBIIsDeletedOnce() async throws {
        try fill("zones", count: 50_000)
        for name in ["records", "members"] {
            try environment.appPut([1], [1], in: name, flags: name == "members" ? .duplicateSort : [])
        }
        try capture.run(environment, at: 10)
        await dropElsewhere("members")
        await dropElsewhere("zones")
        #expect(try captureByPages(at: 20).dropped == ["members", "zones"])
        #expect(try environment.shadow("key7", in: "zones") == .deleted(20))
        // Its shadow is not read again.
        try environment.appPut("b", "1")
        try capture.run(environment, at: 30)
        try environment.appPut("b", "2")
        let run = try steps { try capture.run(environment, at: 40) }
        #expect(run.result.dropped == [] && run.result.comparison?.pages != nil && run.steps < 40)
        // It exists again.
        try environment.appPut("key7", "back", in: "zones")
        try capture.run(environment, at: 50)
        #expect(try environment.shadow("key7", in: "zones") == .init(50, "back"))
        try expectNothingLeft()
    }

    @Test mutating func aDBIRecreatedBetweenTwoCaptures() throws {
        for key in ["a", "b"] { try environment.appPut(key, "1") }
        try capture.run(environment, at: 10)
        OtherOpening(directory.path).recreate("records", key: "b", value: "2")
        let outcome = try capture.run(environment, at: 20)
        #expect(outcome.written == 2 && outcome.dropped == [])
        #expect(try environment.shadow("a") == .deleted(20) && environment.shadow("b") == .init(20, "2"))
        try expectNothingLeft()
    }

    @Test mutating func aDBIRecreatedWithOtherFlags() throws {
        try environment.appPut("a", "1")
        try capture.run(environment, at: 10)
        OtherOpening(directory.path).recreate("records", flags: .integerKey, key: "four", value: "2")
        let text = message(LocalContentError.self) { try capture.run(environment, at: 20) }
        #expect(text.contains("recreated with different flags"))
    }

    @Test mutating func integersOfAnotherSize() throws {
        try environment.appPut(bytes(of: UInt32(5)), [1], in: "integers", flags: .integerKey)
        try capture.run(environment, at: 10)
        try environment.appEmpty("integers")
        try environment.appPut(bytes(of: UInt64(5)), [1], in: "integers", flags: .integerKey)
        for _ in 0..<2 {
            let text = message(LocalContentError.self) { try capture.run(environment, at: 20) }
            #expect(text.contains("integer keys of DBI integers have 8 bytes"))
        }
        #expect(tracker.state.transaction != nil)
    }

    @Test mutating func aDroppedShadowIsLost() async throws {
        for key in ["a", "b"] { try environment.appPut(key, "1") }
        try environment.appPut("a", "1", in: "zones")
        try capture.run(environment, at: 10)
        await dropElsewhere(Schema.shadowPrefix + "records")
        let outcome = try captureByPages(at: 20)
        #expect(outcome.lost == ["records"] && outcome.written == 2)
        #expect(try environment.shadow("a") == .init(1, "1"))
    }
}

import LMDB
import Simulator
import Support
import Synchronization
import Testing

@testable import Replication

/// What a capture pins, when it is given up, and what happens then: everything is compared.
@Suite struct CaptureTrackerTests {
    private struct Site {
        let directory: ScratchDirectory
        let environment: LMDB.Environment
        let tracker: CaptureTracker
        var capture: Capture

        init(
            mapSize: Int = 16 << 20,
            compare: @escaping ChangeTracker.Comparison = { try PageDiff.run(from: &$0, to: &$1, includes: $2, $3) }
        ) throws {
            directory = try ScratchDirectory()
            environment = try .scratch(directory, mapSize: mapSize)
            tracker = CaptureTracker(environment, compare: compare)
            capture = Capture(schema: LMDB.Environment.shadows, tracker: tracker)
            try environment.appPut("a", "1")
            let first = try capture.run(environment, at: 10)
            #expect(first.comparison?.fallback == .start)
        }

        /// Expects that everything is compared for a reason, and pages the next time.
        mutating func expectFallback(_ reason: ChangeTracker.Fallback, isPinned: Bool = true) throws {
            try environment.appPut("a", "\(reason) \(environment.lastTransaction)")
            let outcome = try capture.run(environment, at: 20)
            #expect(outcome.written == 1 && outcome.comparison?.pages == nil)
            #expect(outcome.comparison?.fallback == reason)
            #expect((tracker.state.transaction == outcome.transaction) == isPinned)
            guard isPinned else { return }
            try environment.appPut("a", "after")
            let next = try capture.run(environment, at: 30)
            #expect(next.written == 1 && next.comparison?.pages != nil && next.comparison?.fallback == nil)
        }
    }

    @Test func itMovesWithCapturesAndOurOwnTransactions() throws {
        var site = try Site()
        #expect(site.tracker.state.transaction == site.capture.through && site.tracker.state.age == 0)
        try site.environment.appPut("a", "2")
        #expect(site.tracker.state.age == 1)
        // Nothing to write.
        try site.environment.appPut("a", "1")
        try site.capture.run(site.environment, at: 20)
        #expect(site.tracker.state.transaction == site.environment.lastTransaction)
        let merged = try site.environment.shadowMerge(
            RawSnapshot().database("records", [.init("b", "1", at: 5)]), through: site.capture.through)
        site.capture.ownCommitted(try #require(merged.transaction))
        #expect(site.tracker.state.transaction == merged.transaction)
    }

    @Test func tooManyTransactions() throws {
        var site = try Site(mapSize: 256 << 20)
        for _ in 0..<PinRules.mostTransactions { try site.environment.appPut("b", "1") }
        site.tracker.check()
        #expect(site.tracker.state.age == PinRules.mostTransactions)
        try site.environment.appDelete("b")
        site.tracker.check()
        #expect(site.tracker.state.transaction == nil)
        try site.expectFallback(.tooManyTransactions)
    }

    @Test func theMapIsNearlyFull() throws {
        var site = try Site(mapSize: 1 << 20)
        try site.environment.appPut(Array("large".utf8), [UInt8](repeating: 1, count: 448 << 10))
        try site.capture.run(site.environment, at: 20)
        #expect(site.tracker.state.transaction == nil)
        try site.expectFallback(.mapNearlyFull, isPinned: false)
        try site.expectFallback(.mapNearlyFull, isPinned: false)
    }

    @Test func theMapBecomesNearlyFull() throws {
        var site = try Site(mapSize: 1 << 20)
        try site.environment.appPut(Array("large".utf8), [UInt8](repeating: 1, count: 950 << 10))
        site.tracker.check()
        #expect(site.tracker.state.transaction == nil)
        try site.environment.appDelete("large")
        try site.expectFallback(.mapNearlyFull)
    }

    @Test(
        arguments: [
            (.mapResized, PinnedReader.Loss.mapResized), (.slotTaken, PinnedReader.Loss.slotTaken),
            (.busy, PageDiff.Failure.busy), (.recreated, PageDiff.Failure.recreated("records")),
            (.damaged, PageDiff.Failure.damaged(.kind(7), database: "records")),
        ] as [(ChangeTracker.Fallback, any Error & Sendable)])
    func aComparisonThatFails(reason: ChangeTracker.Fallback, error: any Error & Sendable) throws {
        let fails = Mutex(true)
        var site = try Site { earlier, later, includes, visit in
            let outcome = try PageDiff.run(from: &earlier, to: &later, includes: includes, visit)
            if fails.withLock({ $0 }) { throw error }
            return outcome
        }
        try site.environment.appPut("a", "2")
        let outcome = try site.capture.run(site.environment, at: 20)
        #expect(outcome.written == 1 && outcome.comparison?.fallback == reason && outcome.comparison?.pages == nil)
        fails.withLock { $0 = false }
        try site.environment.appPut("a", "3")
        #expect(try site.capture.run(site.environment, at: 30).comparison?.pages != nil)
    }

    @Test func aCancelledComparisonChangesNothing() throws {
        var site = try Site()
        let pinned = site.tracker.state.transaction
        try site.environment.appPut("a", "2")
        let signal = CancellationSignal()
        signal.cancel()
        #expect(throws: CancellationError.self) {
            try site.capture.run(site.environment, paddingBlock: false, clock: { 20 }, signal: signal)
        }
        #expect(site.tracker.state.transaction == pinned)
        #expect(try site.capture.run(site.environment, at: 20).comparison?.pages != nil)
    }

    // MARK: With sends

    private func database(
        _ environment: LMDB.Environment, comparesPages: Bool, receiveOnly: Bool = false
    ) -> SyncedDatabase {
        SyncedDatabase(
            settings: SyncSettings(
                identity: SenderIdentity(database: "main", instance: "a", hostname: "test"),
                environment: environment.options,
                machine: .init(
                    instance: "a", receiveOnly: receiveOnly, storagePollInterval: .seconds(1),
                    receiver: .init(concurrentDownloads: 2, retryInterval: .seconds(1)),
                    sender: .init(
                        minimumInterval: .seconds(1), forceInterval: .zero, retryInterval: .seconds(1), retryLimit: nil),
                    deltas: comparesPages ? .init(fullInterval: nil) : nil),
                lmdbPollInterval: .seconds(1), schema: LMDB.Environment.shadows),
            environment: environment, clock: SyncClock())
    }

    private func captured(_ database: SyncedDatabase) throws -> Capture.Outcome {
        var outcome: Capture.Outcome?
        database.capture { if case .captured(let found, _) = $0 { outcome = found } }
        return try #require(outcome)
    }

    @Test(arguments: [false, true]) func aDatabaseComparesPages(receiveOnly: Bool) throws {
        let site = try Site()
        let database = database(site.environment, comparesPages: true, receiveOnly: receiveOnly)
        #expect(try captured(database).comparison?.fallback == .start)
        try site.environment.appPut("a", "2")
        #expect(database.pinAge == 1)
        let outcome = try captured(database)
        #expect(outcome.comparison?.pages != nil && outcome.written == 1 && database.pinAge == 0)
    }

    @Test func withoutDeltasEverythingIsCompared() throws {
        let site = try Site()
        let database = database(site.environment, comparesPages: false)
        for value in ["2", "3"] {
            try site.environment.appPut("a", value)
            let outcome = try captured(database)
            #expect(outcome.comparison == nil && outcome.written == 1)
        }
    }

    @Test func aWrongComparisonOfASendEndsThoseOfCaptures() throws {
        let site = try Site()
        let database = database(site.environment, comparesPages: true)
        _ = try captured(database)
        database.tracker.distrust()
        try site.environment.appPut("a", "2")
        let outcome = try captured(database)
        #expect(outcome.written == 1 && outcome.comparison?.fallback == .broken)
        #expect(database.captureTracker?.state.transaction == nil)
    }

    // MARK: Proof

    @Test func everyThousandthComparisonIsProved() throws {
        var site = try Site()
        func proof(_ value: String) throws -> ChangeTracker.Proof? {
            try site.environment.appPut("a", value)
            return try site.capture.run(site.environment, at: 20).comparison?.proof
        }
        #expect(try proof("first")?.isSound == true)
        for index in 0..<PinRules.comparisonsBetweenProofs { #expect(try proof("\(index)") == nil) }
        let last = try #require(try proof("last"))
        #expect(last.isSound && last.found == 1 && last.expected == 1)
    }

    enum Tampering: CaseIterable {
        case misses, missesEverything
    }

    @Test(arguments: Tampering.allCases) func aWrongComparisonIsFound(tampering: Tampering) throws {
        var site = try Site { earlier, later, includes, visit in
            try PageDiff.run(from: &earlier, to: &later, includes: includes) { change in
                if tampering == .misses && change.key.count != 2 { try visit(change) }
            }
        }
        for key in ["a", "bb", "c"] { try site.environment.appPut(key, "2") }
        let outcome = try site.capture.run(site.environment, at: 20)
        let proof = try #require(outcome.comparison?.proof)
        #expect(!proof.isSound && proof.expected == 3)
        // Nothing is missing.
        #expect(outcome.written == 3)
        #expect(site.tracker.state.isBroken && site.tracker.state.transaction == nil)
        for _ in 0..<2 { try site.expectFallback(.broken, isPinned: false) }
    }
}

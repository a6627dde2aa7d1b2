import Dispatch
import LMDB
import Simulator
import Synchronization
import Testing

@testable import Replication

/// Who waits for whom while changes are captured.
@Suite struct CaptureLockTests {
    let directory: ScratchDirectory
    let environment: LMDB.Environment
    var capture = Capture(schema: LMDB.Environment.shadows)

    init() throws {
        directory = try ScratchDirectory()
        environment = try .scratch(directory)
        try environment.appPut("a", "1")
        try capture.run(environment, at: 10)
    }

    /// Captures while another opening holds the write lock.
    ///
    /// - Returns: what came of it, nil when it had to wait.
    private func captureWhileLocked(_ start: Capture) -> Capture.Outcome? {
        let (locked, release, done) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0), DispatchGroup())
        let ended = DispatchSemaphore(value: 0)
        let outcome = Mutex<Capture.Outcome?>(nil)
        DispatchQueue(label: "application").async(group: done) { [path = directory.path] in
            OtherOpening(path).withWriteLock {
                locked.signal()
                release.wait()
            }
        }
        locked.wait()
        DispatchQueue(label: "capture").async(group: done) { [environment] in
            var capture = start
            let result = try? capture.run(environment, at: 20)
            outcome.withLock { $0 = result }
            ended.signal()
        }
        // It is over, or it waits for the lock and will not be over before that is released.
        var isEnded = false
        while !isEnded, !environment.activity.waitsForLock { isEnded = ended.wait(timeout: .now() + 0.01) == .success }
        release.signal()
        done.wait()
        return isEnded ? outcome.withLock { $0 } : nil
    }

    @Test mutating func aComparisonThatFindsNothingTakesNoLock() throws {
        let before = environment.lastTransaction
        // Nothing has happened; something that changed nothing; and a start.
        #expect(captureWhileLocked(capture)?.through == before)
        try environment.appPut("a", "1")
        #expect(captureWhileLocked(capture)?.through == before + 1)
        let outcome = captureWhileLocked(Capture(schema: LMDB.Environment.shadows))
        #expect(outcome?.through == before + 1 && outcome?.lockTime == .zero && outcome?.transaction == nil)
        #expect(environment.lastTransaction == before + 1)
    }

    @Test mutating func aChangeTakesTheLock() throws {
        try environment.appPut("a", "2")
        #expect(captureWhileLocked(capture) == nil)
        #expect(try environment.shadow("a") == .init(20, "2"))
    }

    /// The lock is let go at once, and the comparison made again.
    @Test mutating func whatIsWrittenMeanwhileIsComparedAgain() throws {
        try environment.appPut("a", "2")
        var comparisons = 0
        let outcome = try capture.run(environment, at: 20) {
            comparisons += 1
            if comparisons == 1 { try environment.appPut("b", "1") }
        }
        #expect(comparisons == 2 && outcome.written == 2)
        #expect(try environment.versions().live == environment.main())
        #expect(outcome.transaction == environment.lastTransaction)
    }

    /// In the end the pass runs under the lock, once.
    @Test mutating func aWriterThatNeverPausesCostsOnePassUnderTheLock() throws {
        try environment.appPut("a", "0")
        var comparisons = 0
        let counter = Mutex(0)
        let before = environment.lastTransaction
        @Sendable func clock() -> UInt64 {
            counter.withLock { $0 += 1 }
            return 20
        }
        let outcome = try capture.run(
            environment, paddingBlock: false, clock: clock,
            whenCompared: {
                comparisons += 1
                try environment.appPut("a", "busy \(comparisons)")
            })
        let timesOfDay = counter.withLock { $0 }
        #expect(comparisons == Capture.freeAttempts)
        #expect(timesOfDay == 1)
        #expect(outcome.written == 1 && outcome.transaction == before + UInt64(Capture.freeAttempts) + 1)
        #expect(try environment.shadow("a") == .init(20, "busy \(Capture.freeAttempts)"))
    }

    @Test mutating func aPassUnderTheLockThatFindsNothingCommitsNothing() throws {
        try environment.appPut("a", "0")
        var comparisons = 0
        let outcome = try capture.run(environment, at: 20) {
            comparisons += 1
            // In the end it is what it was.
            try environment.appPut("a", comparisons == Capture.freeAttempts ? "1" : "2")
        }
        #expect(comparisons == Capture.freeAttempts)
        #expect(outcome.transaction == nil && outcome.through == environment.lastTransaction)
        #expect(try environment.shadow("a") == .init(1, "1"))
        // The next change is found.
        try environment.appPut("a", "3")
        #expect(try capture.run(environment, at: 30).written == 1)
    }

    @Test mutating func whatIsKnownToBeCapturedIsNotComparedAgain() throws {
        var comparisons = 0
        try capture.run(environment, at: 20) { comparisons += 1 }
        let snapshot = RawSnapshot().database("records", [.init("b", "1", at: 5)])
        let merged = try environment.shadowMerge(snapshot, through: capture.through)
        capture.ownCommitted(try #require(merged.transaction))
        let outcome = try capture.run(environment, at: 20) { comparisons += 1 }
        #expect(outcome.through == merged.transaction && comparisons == 0)
        // A transaction of ours behind one of the application's says nothing.
        try environment.appPut("c", "1")
        let second = try environment.shadowMerge(
            RawSnapshot().database("records", [.init("b", "2", at: 6)]), through: capture.through)
        capture.ownCommitted(try #require(second.transaction))
        #expect(try capture.run(environment, at: 20).written == 1)
        #expect(try environment.shadow("c") == .init(20, "1"))
    }
}

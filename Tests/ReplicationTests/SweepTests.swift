import LMDB
import Simulator
import TestSupport
import Testing

@testable import Replication

@Suite struct SweepTests {
    private let directory: ScratchDirectory
    private let environment: LMDB.Environment

    init() throws {
        directory = try ScratchDirectory()
        environment = try .scratch(directory)
    }

    /// Runs a sweep to its end.
    private func sweep(
        below limit: UInt64, deletionTime: Duration = .seconds(1), scanTime: Duration = .seconds(1),
        between: () throws -> Void = {}
    ) throws -> (report: Sweep.Report, transactions: [UInt64], slices: Int) {
        var run = Sweep(limit: limit)
        var (transactions, slices): ([UInt64], Int) = ([], 0)
        while !run.isComplete {
            let (transaction, _) = try run.slice(environment, deletionTime: deletionTime, scanTime: scanTime)
            if let transaction { transactions.append(transaction) }
            slices += 1
            try between()
            #expect(slices < 10_000)
            if slices >= 10_000 { break }
        }
        return (run.finished(after: .zero), transactions, slices)
    }

    @Test func removesOldDeletedEntriesOnly() throws {
        try environment.put("live", TestVersion(10, "a"))
        try environment.put("old", .deleted(99))
        try environment.put("young", .deleted(100))
        try environment.put("other", .deleted(5), in: "zones")
        let (report, transactions, _) = try sweep(below: 100)
        #expect(try environment.keys("records") == [Array("live".utf8), Array("young".utf8)])
        #expect(try environment.keys("zones") == [])
        #expect(report.cleaned == 2 && report.entries == 2 && report.deleted == 1)
        #expect(report.unreadable == 0 && report.problem == nil)
        #expect(transactions.last == environment.lastTransaction)
    }

    @Test func nothingToRemoveTakesNoLock() throws {
        try environment.put("live", TestVersion(10, "a"))
        try environment.put("young", .deleted(100))
        let before = environment.lastTransaction
        var run = Sweep(limit: 100)
        let (transaction, lock) = try run.slice(environment, deletionTime: .seconds(1))
        #expect(transaction == nil && lock == nil && run.isComplete)
        #expect(environment.lastTransaction == before)
    }

    @Test func anEmptyLMDBIsSweptAtOnce() throws {
        let (report, _, slices) = try sweep(below: 100)
        #expect(report == Sweep.Report() && slices == 1)
    }

    @Test func privateDatabasesAreLeftAlone() throws {
        try environment.put("old", .deleted(1), in: "_sync_state")
        let (report, transactions, _) = try sweep(below: 100)
        #expect(report.entries == 0 && transactions.isEmpty)
        #expect(try environment.raw("_sync_state", Array("old".utf8)) != nil)
    }

    /// Slices of the shortest kind, with others writing in between.
    @Test(arguments: 0..<20)
    func slicesFindEverything(round: UInt64) throws {
        var random = SeededGenerator(seed: round)
        var expected: [[UInt8]] = []
        var entries: [(TestKey, TestVersion)] = []
        for number in 0..<UInt32(3000) {
            let isOld = random.chance(0.5)
            let key = bytes(of: number.byteSwapped)
            if !isOld { expected.append(key) }
            entries.append(
                (TestKey(database: "records", key: key), isOld ? .deleted(5) : TestVersion(5, "x")))
        }
        try environment.applicationWrite(entries.shuffled(using: &random))
        try environment.applicationWrite(
            (0..<UInt32(2000)).map { (TestKey(database: "integers", key: bytes(of: $0)), .deleted(7)) },
            flags: .integerKey)
        try environment.applicationWrite(
            (0..<1000).map { (TestKey(database: "reverse", key: Array("key\($0)".utf8)), .deleted(7)) },
            flags: .reverseKey)
        let (report, transactions, slices) = try sweep(below: 100, deletionTime: .zero, scanTime: .zero) {
            // The application removes the very entries that the sweeper stands on.
            let number = UInt32.random(in: 0..<3000, using: &random)
            guard random.chance(0.3) else { return }
            try environment.write { transaction in
                guard let database = try transaction.database("records") else { return .abort(()) }
                for number in number..<number + 3 {
                    try bytes(of: number.byteSwapped).withUnsafeBytes { key in
                        guard let value = try transaction.get(database, key), value[17] == 1 else { return }
                        try transaction.delete(database, key)
                    }
                }
                return .commit(())
            }
        }
        #expect(slices > 500 && transactions.count > 500)
        #expect(try environment.keys("records") == expected)
        #expect(try environment.keys("integers") == [] && environment.keys("reverse") == [])
        #expect(report.deleted == 0 && report.entries == expected.count)
    }

    @Test func whatChangedSinceTheLookIsKept() throws {
        for number in 0..<100 { try environment.put("key\(number)", .deleted(5)) }
        var isFirst = true
        let (report, _, _) = try sweep(below: 100, deletionTime: .zero) {
            guard isFirst else { return }
            isFirst = false
            // Written anew, deleted anew, and something that can't be read.
            try environment.put("key97", TestVersion(200, "back"))
            try environment.put("key98", .deleted(200))
            try environment.putRaw("records", Array("key99".utf8), [1, 2, 3])
        }
        #expect(try environment.keys("records") == ["key97", "key98", "key99"].map { Array($0.utf8) })
        #expect(report.cleaned == 97)
    }

    @Test func aDatabaseThatIsDroppedMeanwhileIsLeft() throws {
        for number in 0..<100 { try environment.put("key\(number)", .deleted(5)) }
        try environment.put("old", .deleted(5), in: "zones")
        var isFirst = true
        let path = directory.path
        _ = try sweep(below: 100, deletionTime: .zero) {
            guard isFirst else { return }
            isFirst = false
            OtherOpening(path).dropDatabase("records")
        }
        #expect(try environment.keys("zones") == [])
        #expect(try environment.databaseFlags().keys.sorted() == ["zones"])
    }

    @Test func entriesThatCannotBeReadAreNamedAndLeft() throws {
        try environment.putRaw("records", Array("bad".utf8), [1, 2, 3])
        try environment.putRaw("several", Array("bad".utf8), [1], flags: .duplicateSort)
        try environment.put("old", .deleted(5))
        try environment.put("old", .deleted(5), in: "zones")
        let (report, _, _) = try sweep(below: 100)
        #expect(report.cleaned == 2 && report.unreadable == 2)
        let problem = try #require(report.problem)
        #expect(problem.contains("bad") && problem.contains("records"))
        #expect(try environment.keys("records") == [Array("bad".utf8)])
        #expect(try environment.keys("several") == [Array("bad".utf8)])
    }
}

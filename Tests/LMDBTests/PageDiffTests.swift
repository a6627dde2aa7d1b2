import CLMDB
import Foundation
import TestSupport
import Testing

@testable import LMDB

/// What the comparison of pages finds is what a comparison of all entries finds.
@Suite(.timeLimit(.minutes(5))) struct PageDiffTests {
    struct Case: CustomTestStringConvertible {
        var pageSize: Int
        var seed: UInt64
        var mapSize = 64 << 20
        var testDescription: String { "\(pageSize) bytes a page, seed \(seed), map of \(mapSize >> 10) KiB" }
    }

    /// Small pages make deep trees; pages of more than the system's are at any address; in a small map pages are used again
    /// at once, and transactions fail.
    static let cases =
        [512, 1024, 4096, 8192, 32768].map { Case(pageSize: $0, seed: 1) } + [
            Case(pageSize: 4096, seed: 2), Case(pageSize: 512, seed: 3),
            Case(pageSize: 4096, seed: 4, mapSize: 1 << 20),
            Case(pageSize: 512, seed: 5, mapSize: 300 << 10),
        ]

    @Test(arguments: cases) func randomHistories(_ history: Case) throws {
        let scratch = try Scratch()
        createLMDB(scratch.file, pageSize: history.pageSize, mapSize: history.mapSize)
        let environment = try scratch.open(mapSize: history.mapSize)
        mdb_env_set_flags(environment.pointer, UInt32(MDB_NOSYNC), 1)
        #expect(environment.info.pageSize == history.pageSize)
        var writer = RandomWriter(seed: history.seed, pageSize: history.pageSize, drops: false)
        for _ in 0..<20 { try writer.round(environment) }
        var base = try DiffBase(environment)
        var before = try base.contents()
        var found = 0
        for round in 0..<300 {
            try writer.round(environment)
            // Sometimes the earlier transaction stays longer.
            var later = try DiffBase(environment)
            let after = try later.contents()
            let (changes, _) = try base.changes(to: &later)
            expectSame(changes, before, after, "round \(round)")
            found += changes.count
            guard round % 3 != 0 else { continue }
            base = later
            before = after
        }
        #expect(found > 1000)
    }

    /// The pages read do not grow with the size of the LMDB.
    @Test func oneChangeReadsFewPages() throws {
        let scratch = try Scratch()
        let environment = try scratch.open(mapSize: 256 << 20)
        mdb_env_set_flags(environment.pointer, UInt32(MDB_NOSYNC), 1)
        try environment.put((0..<50_000).map { (key($0), "value of some length \($0)") })
        try environment.put((0..<50_000).map { (key($0), "other") }, database: "b")
        var base = try DiffBase(environment)
        try environment.put([(key(777), "changed"), (key(60_000), "added")])
        var later = try DiffBase(environment)
        let (changes, outcome) = try base.changes(to: &later)
        #expect(
            changes.map(\.description)
                == [
                    DiffChange(
                        database: "a", key: Array(key(777).utf8), old: Array("value of some length 777".utf8),
                        new: Array("changed".utf8)),
                    DiffChange(database: "a", key: Array(key(60_000).utf8), old: nil, new: Array("added".utf8)),
                ].map(\.description))
        // Two leaves and their parents, of either transaction.
        #expect(outcome.pages <= 12)
        var same = try DiffBase(environment)
        let (nothing, none) = try later.changes(to: &same)
        #expect(nothing.isEmpty && none.pages == 0)
    }

    @Test func keysAreInTheOrderOfTheDBI() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("x", "0")], database: "seed")
        var base = try DiffBase(environment)
        func put(_ name: String, _ flags: DatabaseFlags, _ keys: [[UInt8]]) throws {
            try environment.write { transaction in
                let database = try transaction.database(name, creating: flags)
                for key in keys { try key.withUnsafeBytes { try transaction.put(database, $0, $0) } }
                return .commit(())
            }
        }
        try put("bytes", [], [[1, 2], [1], [0, 9]])
        try put("integer", .integerKey, [[0, 1, 0, 0], [255, 0, 0, 0]])
        try put("reverse", .reverseKey, [[1, 2], [9, 1], [2]])
        var later = try DiffBase(environment)
        let found = try base.changes(to: &later).changes
        func keys(_ name: String) -> [[UInt8]] { found.filter { $0.database == name }.map(\.key) }
        #expect(keys("bytes") == [[0, 9], [1], [1, 2]])
        #expect(keys("integer") == [[255, 0, 0, 0], [0, 1, 0, 0]])
        #expect(keys("reverse") == [[9, 1], [2], [1, 2]])
    }

    @Test func aDroppedDBIIsAllRemoved() async throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "1")])
        try environment.put([("l", "1")], database: "b")
        var base = try DiffBase(environment)
        // By another process: this one would give up the earlier transaction to close the handle.
        await #expect(processExitsWith: .success) { [file = scratch.file as String] in RawEnvironment(file).drop("b") }
        var later = try DiffBase(environment)
        #expect(
            try base.changes(to: &later).changes == [
                DiffChange(database: "b", key: Array("l".utf8), old: Array("1".utf8), new: nil)
            ])
    }

    @Test func severalValuesAreNotCompared() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "1")], database: "several", flags: .duplicateSort)
        try environment.put([("k", "1")], database: "untouched", flags: .duplicateSort)
        var base = try DiffBase(environment)
        try environment.put([("k", "2")], database: "several", flags: .duplicateSort)
        try environment.put([("k", "2")])
        var later = try DiffBase(environment)
        let (changes, outcome) = try base.changes(to: &later)
        #expect(changes.map(\.database) == ["a"])
        #expect(outcome.uncompared == ["several"])
    }

    @Test func onlyIncludedDBIsAreCompared() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "1")])
        var base = try DiffBase(environment)
        try environment.put([("k", "2")])
        try environment.put([("k", "2")], database: "b")
        var later = try DiffBase(environment)
        var names: [String] = []
        let isIncluded = { (database: Database) in database.name == "b" }
        _ = try PageDiff.run(from: &base, to: &later, includes: isIncluded) { names.append($0.database.name) }
        #expect(names == ["b"])
    }

    @Test func theLaterTransactionIsLater() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "1")])
        var base = try DiffBase(environment)
        try environment.put([("k", "2")])
        var later = try DiffBase(environment)
        #expect(throws: PageDiff.Failure.order) { _ = try later.changes(to: &base) }
    }

    /// The transactions stay valid for a comparison while the caller's own fails.
    @Test func anErrorOfTheCallerEndsIt() throws {
        struct Stop: Error {}
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([("k", "1"), ("l", "1")])
        var base = try DiffBase(environment)
        try environment.put([("k", "2"), ("l", "2")])
        var later = try DiffBase(environment)
        var calls = 0
        #expect(throws: Stop.self) {
            _ = try PageDiff.run(from: &base, to: &later) { _ in
                calls += 1
                throw Stop()
            }
        }
        #expect(calls == 1)
        #expect(try base.changes(to: &later).changes.count == 2)
    }
}

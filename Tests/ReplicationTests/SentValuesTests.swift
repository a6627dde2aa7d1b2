import LMDB
import Simulator
import Snapshots
import Support
import Synchronization
import TestSupport
import Testing

@testable import Replication

/// The inspection of a send gets old values from a comparison of pages.
@Suite(.timeLimit(.minutes(5))) struct SentValuesTests {
    private func begun(
        _ entries: [String: String?], compare: ChangeTracker.Comparison? = nil
    ) throws -> (TrackedLMDB, SentNotes) {
        let (world, notes) = (try TrackedLMDB(compare: compare), SentNotes())
        for (key, value) in entries { try world.put(key, value) }
        let full = try world.read(from: nil)
        world.own.sent(through: full.transaction)
        world.inspection = notes
        return (world, notes)
    }

    @Test func eachChangeHasItsOldVersion() throws {
        let (world, notes) = try begun(["changed": "1", "gone": "1", "back": nil, "same": "1", "untouched": "1"])
        try world.put("changed", "2")
        try world.put("gone", nil)
        try world.put("back", "2")
        try world.put("same", "1")
        try world.put("new", "2")
        try world.readNext()
        #expect(
            notes.taken == [
                "begins", "records back: Deleted to 2", "records changed: 1 to 2", "records gone: 1 to Deleted",
                "records new: nothing to 2", "records same: 1 to 1",
            ])
    }

    /// A live entry is removed by the application only, a Deleted one by the sweeper.
    @Test func removedEntriesAreReported() throws {
        let (world, notes) = try begun(["a": "1", "b": "2", "deleted": nil])
        try world.put("c", "3", in: "zones")
        try world.readNext()
        _ = notes.taken
        for key in ["a", "deleted"] { try world.remove(Array(key.utf8)) }
        try world.remove(Array("c".utf8), in: "zones")
        let delta = try world.readNext()
        #expect(notes.taken == ["begins", "records a: 1 to nothing", "zones c: 3 to nothing"])
        // They are not sent, nor are their DBIs mentioned.
        var reader = SnapshotReader(try #require(delta.snapshot).body, maximumEntrySize: 1 << 20)
        #expect(try reader.next() == .end)
        #expect(delta.changes?.removed == 3 && delta.changes?.lost == 2)
    }

    /// A removal between entries that are written does not end their DBI.
    @Test func removedEntriesBetweenChangedOnes() throws {
        let (world, notes) = try begun(["a": "1", "b": "1", "c": "1"])
        try world.put("a", "2")
        try world.remove(Array("b".utf8))
        try world.put("c", "2")
        let delta = try world.readNext()
        #expect(notes.taken == ["begins", "records a: 1 to 2", "records b: 1 to nothing", "records c: 1 to 2"])
        #expect(try delta.entries() == ["records/a": "2", "records/c": "2"])
    }

    @Test func aDeltaThatIsWrittenAgainReportsNothingAgain() throws {
        let (world, notes) = try begun(["a": "1"])
        let from = world.position
        // Nothing is stored meanwhile: the state of local changes stays.
        for (old, new) in [("1", "2"), ("2", "3")] {
            try world.put("a", new)
            #expect(try world.read(from: from).entries() == ["records/a": new])
            #expect(notes.taken == ["begins", "records a: \(old) to \(new)"])
        }
        try world.read(from: from)
        #expect(notes.taken == ["begins"])
    }

    @Test func mergesAreNotReported() throws {
        let (world, notes) = try begun(["a": "1", "b": "1"])
        let now = world.timestamp()
        try world.merge(
            RawSnapshot().database("records", [.init("a", "theirs", at: now), .init("c", "theirs", at: now)]))
        try world.put("b", "2")
        try world.readNext()
        #expect(notes.taken == ["begins", "records b: 1 to 2"])
    }

    /// What was reported before the comparison failed is to be discarded: everything is reported again, without old versions.
    @Test func aFallbackDoesNotKnowOldVersions() throws {
        let fails = Mutex(true)
        let (world, notes) = try begun(["a": "1", "b": "1"]) { earlier, later, includes, visit in
            let outcome = try PageDiff.run(from: &earlier, to: &later, includes: includes, visit)
            let isFirst = fails.withLock { fails in
                defer { fails = false }
                return fails
            }
            if isFirst { throw PageDiff.Failure.damaged(.freeList, database: nil) }
            return outcome
        }
        try world.put("a", "2")
        try world.remove(Array("b".utf8))
        #expect(try world.readNext().fallback == .damaged)
        #expect(
            notes.taken == ["begins", "records a: 1 to 2", "records b: 1 to nothing", "begins", "records a: 2"])
    }

    /// Whatever the application and others do, each reading reports the differences to the last one that are the application's.
    @Test(arguments: 1...4) func nativeHistories(seed: UInt64) throws {
        let (world, notes) = try begun([:])
        var random = SeededGenerator(seed: seed)
        try world.put("a", "1")
        try world.read(from: nil)
        _ = notes.taken
        var merged: Set<TestKey> = []
        var before = try world.environment.contents()
        for round in 0..<100 {
            for _ in 0..<Int.random(in: 0...5, using: &random) {
                let name = "key\(Int.random(in: 0...30, using: &random))"
                let database = "dbi\(Int.random(in: 0...2, using: &random))"
                let key = TestKey(database: database, key: Array(name.utf8))
                let value = "\(Int.random(in: 0...3, using: &random))"
                switch Int.random(in: 0..<10, using: &random) {
                case 0..<6:
                    try world.put(name, Int.random(in: 0...3, using: &random) == 0 ? nil : value, in: database)
                    merged.remove(key)
                case 6..<8:
                    try world.merge(
                        RawSnapshot().database(database, [.init(name, value, at: world.timestamp())]))
                    merged.insert(key)
                default:
                    try world.remove(key.key, in: database)
                    merged.remove(key)
                }
            }
            guard Bool.random(using: &random) else { continue }
            let from = Bool.random(using: &random) ? world.position : world.openedAt ?? world.position
            let reading = try world.read(from: from)
            #expect(reading.fallback == nil, "round \(round)")
            if Bool.random(using: &random) { world.own.sent(through: reading.transaction) }
            let after = try world.environment.contents()
            #expect(
                notes.taken == ["begins"] + Self.differences(before, after, without: merged), "round \(round)")
            (before, merged) = (after, [])
        }
    }

    @Test(arguments: 1...3) func shadowHistories(seed: UInt64) throws {
        let (world, notes) = (try TrackedLMDB(schema: LMDB.Environment.shadows), SentNotes())
        var random = SeededGenerator(seed: seed)
        var capture = Capture(schema: world.schema)
        try world.environment.appPut("a", "1")
        try capture.run(world.environment, at: 50)
        let full = try world.read(from: nil)
        world.own.sent(through: full.transaction)
        world.inspection = notes
        var before = try world.environment.versions()
        for round in 0..<100 {
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let name = "key\(Int.random(in: 0...20, using: &random))"
                let database = "dbi\(Int.random(in: 0...2, using: &random))"
                if Int.random(in: 0..<3, using: &random) == 0 {
                    try world.environment.appDelete(name, in: database)
                } else {
                    try world.environment.appPut(name, "\(Int.random(in: 0...3, using: &random))", in: database)
                }
            }
            try capture.run(world.environment, at: UInt64(round + 1) * 100)
            #expect(try world.readNext().fallback == nil, "round \(round)")
            let after = try world.environment.versions()
            #expect(notes.taken == ["begins"] + Self.differences(before, after, without: []), "round \(round)")
            before = after
        }
    }

    /// What differs between two states, as ``SentNotes`` writes it, except for these keys.
    private static func differences(
        _ before: TestContents, _ after: TestContents, without merged: Set<TestKey>
    ) -> [String] {
        func text(_ version: TestVersion?) -> String {
            guard let version else { return "nothing" }
            return version.isDeleted ? "Deleted" : String(decoding: version.value, as: UTF8.self)
        }
        return Set(before.keys).union(after.keys).sorted().compactMap { key in
            let (old, new) = (before[key], after[key])
            if old == new || merged.contains(key) || new == nil && old?.isDeleted == true { return nil }
            return "\(key.database) \(String(decoding: key.key, as: UTF8.self)): \(text(old)) to \(text(new))"
        }
    }
}

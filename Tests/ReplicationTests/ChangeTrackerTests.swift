import LMDB
import Simulator
import Snapshots
import Support
import TestSupport
import Testing

@testable import Replication

/// Deltas contain what has changed, and full snapshots everything.
@Suite struct ChangeTrackerTests {
    @Test func aDeltaContainsWhatHasChanged() throws {
        let world = try TrackedLMDB()
        for index in 0..<500 { try world.put("key\(index)", "old") }
        let full = try world.read(from: nil)
        #expect(full.from == nil && full.fallback == nil && full.snapshot?.entries == 500)
        try world.put("key7", "new")
        try world.put("key8", nil)
        try world.put("added", "x")
        let delta = try world.read(from: full.to)
        #expect(try delta.entries() == ["records/key7": "new", "records/key8": "Deleted", "records/added": "x"])
        #expect(delta.fallback == nil && delta.from == full.to && delta.to > full.to)
        #expect(delta.snapshot?.entries == 3 && delta.changes?.written == 3 && delta.changes?.found == 3)
        #expect(try #require(delta.changes).pages < 20)
        #expect(try world.received() == world.environment.contents())
    }

    @Test func nameAndMetaSayTheSame() throws {
        let world = try TrackedLMDB()
        let first = try world.put("a", "1")
        let full = try world.read(from: nil, positions: ["ns2": 7])
        let fullMeta = try full.meta()
        #expect(fullMeta.from == 0 && fullMeta.positions == ["ns2": 7] && fullMeta.readsDeltas)
        #expect(full.snapshot?.name.timestamp == full.to && fullMeta.timestamp == full.to)
        try world.put("a", "2")
        try world.read(from: full.to, positions: ["ns2": 8])
        let last = try world.put("a", "3")
        let delta = try world.read(from: full.to, positions: ["ns2": 9])
        let name = try #require(delta.snapshot).name
        #expect(name == SnapshotName(database: "main", instance: "ns1", timestamp: full.to, fileExtension: "delta"))
        let meta = try delta.meta()
        #expect(
            meta
                == SnapshotMeta(
                    instanceID: "ns1", hostname: "host.example", transactionID: Int64(last), timestamp: delta.to,
                    databaseName: "main", fromTransactionID: Int64(first), from: full.to, positions: ["ns2": 9],
                    readsDeltas: true))
        #expect(meta.problem(asDelta: name) == nil)
        #expect(delta.transaction == last)
    }

    @Test func anOpenDeltaContainsEverythingSinceItsBeginning() throws {
        let world = try TrackedLMDB()
        try world.put("a", "1")
        let full = try world.read(from: nil)
        try world.put("b", "2")
        try world.read(from: full.to)
        try world.put("c", "3")
        try world.put("b", "4")
        let second = try world.read(from: full.to)
        #expect(try second.entries() == ["records/b": "4", "records/c": "3"])
        #expect(second.snapshot?.entries == 2 && second.changes?.written == 2)
        #expect(world.tracker.state.size == second.snapshot?.body.count)
        // Nothing new: the same up to a later position.
        let third = try world.read(from: full.to)
        #expect(try third.entries() == second.entries())
        #expect(third.to > second.to && third.changes?.found == 0 && third.changes?.pages == 0)
    }

    @Test func theNextDeltaBeginsWhereTheLastOneEnds() throws {
        let world = try TrackedLMDB()
        try world.put("a", "1")
        let full = try world.read(from: nil)
        try world.put("b", "2")
        let first = try world.read(from: full.to)
        try world.put("c", "3")
        let second = try world.read(from: first.to)
        #expect(try second.entries() == ["records/c": "3"])
        #expect(second.from == first.to && second.fallback == nil)
        #expect(try second.meta().fromTransactionID == Int64(first.transaction))
        #expect(try world.received() == world.environment.contents())
    }

    @Test func positionsRise() throws {
        let world = try TrackedLMDB()
        try world.put("a", "1")
        let far: UInt64 = 1_900_000_000_000_000_000
        let full = try world.read(from: nil, floor: far)
        #expect(full.to == far)
        // Although the clock is behind, and the order has no floor.
        let delta = try world.read(from: full.to)
        #expect(delta.to > far)
        #expect(try world.read(from: nil).to > delta.to)
    }

    @Test func aNewEmptyDBIIsInTheDelta() throws {
        let world = try TrackedLMDB()
        try world.put("a", "1", in: "m")
        let full = try world.read(from: nil)
        for name in ["a", "z"] {
            try world.environment.write { transaction in
                _ = try transaction.database(name, creating: .integerKey)
                return .commit(())
            }
        }
        try world.put("b", "1", in: "m")
        let delta = try world.read(from: full.to)
        let other = try LMDB.Environment.scratch(try ScratchDirectory())
        let plan = try MergePlanner.plan(try #require(delta.snapshot).body, for: other, rules: .init()).plan
        try Merge.apply(plan, to: other, paddingBlock: false)
        #expect(try other.databaseFlags() == ["a": .integerKey, "m": [], "z": .integerKey])
        // They are not new any more.
        try world.put("c", "1", in: "m")
        let next = try world.read(from: delta.to)
        var reader = SnapshotReader(try #require(next.snapshot).body, maximumEntrySize: 1 << 20)
        var names: Set<String> = []
        while try reader.next() != .end { names.insert(reader.databaseName) }
        #expect(names == ["m"])
    }

    @Test func removedEntriesAndPrivateDBIsAreNotInTheDelta() throws {
        let world = try TrackedLMDB()
        try world.put("a", "1")
        try world.put("b", "1")
        let full = try world.read(from: nil)
        try world.remove(Array("a".utf8))
        try world.environment.putRaw("_sync_state", [1], [1])
        let delta = try world.read(from: full.to)
        #expect(delta.fallback == nil && delta.changes?.removed == 1 && delta.changes?.found == 1)
        #expect(delta.snapshot?.entries == 0)
        #expect(try delta.entries() == [:])
    }

    @Test func mergesAreLeftOut() throws {
        let world = try TrackedLMDB()
        try world.put("a", "1")
        let full = try world.read(from: nil)
        try world.merge(RawSnapshot().database("records", [.init("b", "theirs", at: 5)]))
        try world.put("c", "ours")
        let delta = try world.read(from: full.to)
        #expect(try delta.entries() == ["records/c": "ours"])
        #expect(delta.changes?.merged == 1)
    }

    /// The transaction that could not be committed may be the application's now.
    @Test func onlyCommittedMergesAreLeftOut() throws {
        let world = try TrackedLMDB()
        try world.put("a", "1")
        let full = try world.read(from: nil)
        let delta = try world.own.noting { willCommit in
            willCommit(world.environment.lastTransaction + 1)
            try world.put("b", "2")
            return try world.read(from: full.to)
        }
        #expect(try delta.entries() == ["records/b": "2"])
    }

    @Test func mergesThatAreNotKnownAreSent() throws {
        let world = try TrackedLMDB()
        try world.put("a", "1")
        let full = try world.read(from: nil)
        try world.environment.merge(RawSnapshot().database("records", [.init("b", "theirs", at: 5)]))
        #expect(try world.read(from: full.to).entries() == ["records/b": "theirs"])
    }

    @Test func theInspectionGetsWhatTheApplicationHasWritten() throws {
        let world = try TrackedLMDB()
        let notes = SentNotes()
        world.inspection = notes
        try world.put("a", "1")
        let full = try world.read(from: nil)
        world.own.sent(through: full.transaction)
        #expect(notes.taken == ["begins"])
        try world.put("b", "2", in: "zones")
        try world.merge(RawSnapshot().database("records", [.init("c", "theirs", at: 5)]))
        let delta = try world.read(from: full.to)
        #expect(notes.taken == ["begins", "zones b: nothing to 2"])
        world.own.sent(through: delta.transaction)
        try world.put("d", "3")
        // Once only, although the delta contains the earlier change as well.
        let next = try world.read(from: full.to)
        #expect(notes.taken == ["begins", "records d: nothing to 3"])
        #expect(next.snapshot?.entries == 2)
    }

    @Test func aFullSnapshotOfTheLastReadingHasItsPosition() throws {
        let world = try TrackedLMDB()
        #expect(try world.tracker.readFull()?.to == nil)
        try world.put("a", "1")
        let full = try world.read(from: nil)
        try world.put("b", "2")
        let delta = try world.read(from: full.to, positions: ["ns2": 3])
        try world.put("c", "later")
        let again = try #require(try world.tracker.readFull())
        #expect(again.to == delta.to && again.transaction == delta.transaction && again.from == nil)
        let snapshot = try #require(again.snapshot)
        #expect(snapshot.name.isFullSnapshot && snapshot.name.timestamp == delta.to && snapshot.entries == 2)
        #expect(try again.meta().positions == ["ns2": 3] && again.meta().readsDeltas)
        // The delta goes on beside it.
        let next = try world.read(from: delta.to)
        #expect(try next.entries() == ["records/c": "later"])
    }

    @Test func whatCannotBeSentIsReadAgain() throws {
        let world = try TrackedLMDB()
        try world.put("a", "1")
        let full = try world.read(from: nil)
        try world.put("b", "2")
        try world.environment.putRaw("records", [1], [1, 2, 3])
        #expect(throws: LocalContentError.self) { try world.read(from: full.to) }
        #expect(world.tracker.state.transaction == full.transaction)
        try world.remove([1])
        let delta = try world.read(from: full.to)
        #expect(delta.fallback == nil)
        #expect(try delta.entries() == ["records/b": "2"])
    }

    @Test func aCancelledReadingChangesNothing() throws {
        let world = try TrackedLMDB()
        try world.put("a", "1")
        let signal = CancellationSignal()
        signal.cancel()
        #expect(throws: CancellationError.self) {
            try world.tracker.read(
                .init(floor: 0, from: nil, positions: [:]), changes: LocalChanges.init, signal: signal)
        }
        #expect(world.tracker.state == ChangeTracker.State())
        let full = try world.read(from: nil)
        #expect(throws: CancellationError.self) { try world.tracker.readFull(signal: signal) }
        try world.put("b", "1")
        #expect(try world.read(from: full.to).fallback == nil)
    }

    @Test func anEmptyLMDBIsNothing() throws {
        let world = try TrackedLMDB()
        let reading = try world.read(from: nil)
        #expect(reading.snapshot == nil && reading.transaction == 0 && world.tracker.state.transaction == nil)
        let transaction = try world.put("a", "1")
        let full = try world.read(from: nil)
        #expect(full.snapshot?.entries == 1 && full.transaction == transaction)
    }

    @Test func whenItIsDisabledThereAreFullSnapshotsOnly() throws {
        let world = try TrackedLMDB(isEnabled: false)
        try world.put("a", "1")
        for order in [nil, 5] as [UInt64?] {
            let reading = try world.read(from: order, positions: ["ns2": 3])
            #expect(reading.from == nil && reading.fallback == nil && reading.snapshot?.entries == 1)
            let meta = try reading.meta()
            #expect(!meta.readsDeltas && meta.positions == [:])
            #expect(world.tracker.state == ChangeTracker.State())
        }
        #expect(try world.tracker.readFull()?.to == nil)
    }
}

import LMDB
import Simulator
import Snapshots
import Support
import Synchronization
import TestSupport
import Testing

@testable import Replication

/// Comparisons of pages are compared with comparisons of all entries.
@Suite struct ChangeTrackerProofTests {
    @Test func theFirstComparisonIsProved() throws {
        let world = try TrackedLMDB()
        for index in 0..<300 { try world.put("key\(index)", "old", in: "dbi\(index % 3)") }
        let full = try world.read(from: nil)
        #expect(!world.tracker.needsProof)
        // Without a change there is nothing to prove.
        let same = try world.readNext()
        #expect(same.changes?.pages == 0 && !world.tracker.needsProof)
        try world.put("key7", "new", in: "dbi1")
        try world.put("key7", "new", in: "dbi3")
        try world.remove(Array("key3".utf8), in: "dbi0")
        let delta = try world.readNext()
        #expect(world.tracker.needsProof)
        // Others go on meanwhile.
        try world.put("key9", "new", in: "dbi0")
        #expect(try world.readNext().fallback == nil)
        let proof = try #require(try world.tracker.prove())
        #expect(
            proof
                == .init(
                    earlier: full.transaction, later: delta.transaction, found: 3, expected: 3, isSound: true))
        #expect(!world.tracker.needsProof && !world.tracker.state.isBroken)
        #expect(try world.tracker.prove() == nil)
        try world.put("key9", "newer", in: "dbi0")
        #expect(try world.readNext().fallback == nil)
        #expect(!world.tracker.needsProof)
    }

    @Test func everyThousandthComparisonIsProved() throws {
        let world = try TrackedLMDB()
        try world.put("a", "1")
        try world.readNext()
        try world.put("a", "2")
        try world.readNext()
        #expect(try world.tracker.prove()?.isSound == true)
        for index in 0..<PinRules.comparisonsBetweenProofs {
            try world.put("a", "\(index)")
            try world.readNext()
            #expect(!world.tracker.needsProof)
        }
        try world.put("a", "last")
        try world.readNext()
        #expect(world.tracker.needsProof)
    }

    enum Tampering: CaseIterable {
        case omits, adds
    }

    @Test(arguments: Tampering.allCases) func aWrongComparisonIsFound(tampering: Tampering) throws {
        let world = try TrackedLMDB { earlier, later, includes, visit in
            try PageDiff.run(from: &earlier, to: &later, includes: includes) { change in
                let isTampered = change.key.count == 2
                if tampering == .adds || !isTampered { try visit(change) }
                if tampering == .adds && isTampered { try visit(change) }
            }
        }
        for key in ["a", "bb", "c"] { try world.put(key, "1") }
        try world.readNext()
        for key in ["a", "bb", "c"] { try world.put(key, "2") }
        try world.readNext()
        let proof = try #require(try world.tracker.prove())
        #expect(!proof.isSound && proof.expected == 3)
        #expect(world.tracker.state.isBroken && world.tracker.state.transaction == nil)
        // There are no more deltas, and the full snapshots have what was missing.
        for _ in 0..<2 {
            let next = try world.readNext()
            #expect(next.fallback == .broken && next.snapshot?.name.isFullSnapshot == true)
            #expect(try next.meta().readsDeltas)
            #expect(world.tracker.state.transaction == nil)
        }
        #expect(try world.received() == world.environment.contents())
    }

    @Test func aProofThatIsGivenUpIsMadeLater() throws {
        let world = try TrackedLMDB(mapSize: 256 << 20)
        try world.put("a", "1")
        try world.readNext()
        try world.put("a", "2")
        try world.readNext()
        world.tracker.release()
        #expect(!world.tracker.needsProof)
        #expect(try world.tracker.prove() == nil)
        try world.readNext()
        try world.put("a", "3")
        try world.readNext()
        #expect(world.tracker.needsProof)
        // Too many transactions later it costs too much, while the pin has moved.
        for _ in 0...PinRules.mostTransactions { try world.put("a", "3") }
        try world.readNext()
        world.tracker.check()
        #expect(!world.tracker.needsProof && world.tracker.state.transaction != nil)
        try world.put("a", "4")
        #expect(try world.readNext().fallback == nil)
        #expect(world.tracker.needsProof)
    }

    @Test func aCancelledProofIsMadeLater() throws {
        let world = try TrackedLMDB()
        try world.put("a", "1")
        try world.readNext()
        try world.put("a", "2")
        try world.readNext()
        let signal = CancellationSignal()
        signal.cancel()
        #expect(throws: CancellationError.self) { try world.tracker.prove(signal: signal) }
        try world.put("a", "3")
        try world.readNext()
        #expect(try world.tracker.prove()?.isSound == true)
    }
}

import Snapshots
import Testing

@testable import Replication

/// What is read of an instance that writes deltas: full snapshots are `full(…)`, deltas `delta(from:…)`.
@Suite struct InstanceChainTests {
    private func full(_ time: UInt64) -> SnapshotName {
        SnapshotName(database: "main", instance: "a", timestamp: time)
    }

    private func delta(_ from: UInt64) -> SnapshotName {
        SnapshotName(
            database: "main", instance: "a", timestamp: from, fileExtension: SnapshotName.deltaExtension)
    }

    private func listed(_ from: UInt64, _ version: String = "1", size: Int = 10) -> Catalog.Delta {
        Catalog.Delta(name: delta(from), size: size, version: version)
    }

    /// Reads a delta to its end.
    private func read(_ chain: inout InstanceChain, _ from: UInt64, to end: UInt64, at position: inout UInt64?) {
        chain.requested(delta(from))
        position = chain.merged(delta(from), to: end, from: position, isWhole: true) ?? position
    }

    @Test func nothingIsReadOfAnEmptyStorage() {
        let chain = InstanceChain()
        #expect(chain.next(from: nil, refused: []) == nil)
        #expect(chain.isEmpty)
    }

    @Test func theNewestFullSnapshotIsReadFirst() {
        var chain = InstanceChain()
        chain.listed([full(10), full(20)], [listed(10), listed(20)])
        #expect(chain.next(from: nil, refused: []) == full(20))
        #expect(chain.merged(full(20), to: 20, from: nil, isWhole: true) == 20)
        #expect(chain.next(from: 20, refused: []) == delta(20))
    }

    @Test func deltasAreReadOneAfterTheOther() {
        var chain = InstanceChain()
        var position: UInt64? = 20
        chain.listed([full(20)], [listed(10), listed(20), listed(30), listed(40)])
        read(&chain, 20, to: 30, at: &position)
        #expect(position == 30)
        #expect(chain.next(from: position, refused: []) == delta(30))
        read(&chain, 30, to: 40, at: &position)
        read(&chain, 40, to: 45, at: &position)
        #expect(position == 45)
        #expect(chain.next(from: position, refused: []) == nil)
        #expect(chain.isRead(to: position))
    }

    @Test func aDeltaIsReadAgainOnlyWhenItsVersionChanges() {
        var chain = InstanceChain()
        var position: UInt64? = 20
        chain.listed([full(20)], [listed(20, "1")])
        read(&chain, 20, to: 25, at: &position)
        chain.listed([full(20)], [listed(20, "1")])
        #expect(chain.next(from: position, refused: []) == nil)
        chain.listed([full(20)], [listed(20, "2")])
        #expect(!chain.isRead(to: position))
        #expect(chain.next(from: position, refused: []) == delta(20))
        // An older version has landed late.
        read(&chain, 20, to: 22, at: &position)
        #expect(position == 25)
    }

    @Test func aFullSnapshotOfAKnownPositionIsNotRead() {
        var chain = InstanceChain()
        var position: UInt64? = 20
        chain.listed([full(20), full(30)], [listed(20), listed(30)])
        read(&chain, 20, to: 30, at: &position)
        read(&chain, 30, to: 31, at: &position)
        #expect(chain.next(from: position, refused: []) == nil)
    }

    @Test func aFullSnapshotBeyondTheDeltasIsRead() {
        var chain = InstanceChain()
        var position: UInt64? = 20
        chain.listed([full(20), full(40)], [listed(20)])
        read(&chain, 20, to: 30, at: &position)
        #expect(chain.next(from: position, refused: []) == full(40))
        // Go programs write nothing else.
        chain.listed([full(20), full(40), full(50)])
        #expect(chain.next(from: 40, refused: []) == full(50))
    }

    @Test func aGapIsClosedByAFullSnapshot() {
        var chain = InstanceChain()
        chain.listed([full(50)], [listed(40), listed(50)])
        #expect(chain.next(from: 30, refused: []) == full(50))
    }

    @Test func whatComesAfterAGapIsMergedWithoutReachingItsPosition() {
        var chain = InstanceChain()
        var position: UInt64? = 20
        chain.listed([full(20)], [listed(20), listed(40), listed(50)])
        read(&chain, 20, to: 30, at: &position)
        #expect(chain.next(from: position, refused: []) == delta(40))
        read(&chain, 40, to: 50, at: &position)
        #expect(position == 30)
        read(&chain, 50, to: 55, at: &position)
        #expect(position == 30)
        #expect(chain.next(from: position, refused: []) == nil)
        // The missing version arrives.
        chain.listed([full(20)], [listed(20, "2"), listed(40), listed(50)])
        read(&chain, 20, to: 40, at: &position)
        #expect(position == 55)
    }

    @Test func manyDeltasAreReplacedByASmallerFullSnapshot() {
        var chain = InstanceChain()
        let deltas = [listed(20, size: 60), listed(30, size: 60)]
        chain.listed([full(20), full(40)], deltas, sizes: [full(40): 100])
        #expect(chain.next(from: 20, refused: []) == full(40))
        chain.listed([full(20), full(40)], deltas, sizes: [full(40): 120])
        #expect(chain.next(from: 20, refused: []) == delta(20))
        // An older one does not help.
        chain.listed([full(20)], deltas, sizes: [full(20): 1])
        #expect(chain.next(from: 20, refused: []) == delta(20))
    }

    @Test func aRefusedDeltaIsReplacedByALaterFullSnapshot() {
        var chain = InstanceChain()
        chain.listed([full(20)], [listed(20)])
        chain.requested(delta(20))
        chain.refused(delta(20))
        #expect(chain.next(from: 20, refused: []) == nil)
        chain.listed([full(20), full(30)], [listed(20)])
        #expect(chain.next(from: 20, refused: []) == full(30))
        chain.listed([full(20)], [listed(20, "2")])
        #expect(chain.next(from: 20, refused: []) == delta(20))
    }

    @Test func heldEntriesAreComparedWithTheNextFullSnapshot() {
        var chain = InstanceChain()
        chain.listed([full(20)], [listed(20)])
        chain.requested(delta(20))
        #expect(chain.merged(delta(20), to: 30, from: 20, isWhole: false) == 30)
        #expect(chain.isIncomplete)
        // One from before may not have what was held.
        chain.listed([full(20), full(25)], [listed(20)])
        #expect(chain.next(from: 30, refused: []) == full(25))
        #expect(chain.merged(full(25), to: 25, from: 30, isWhole: true) == 30)
        #expect(chain.isIncomplete)
        #expect(chain.next(from: 30, refused: []) == nil)
        chain.listed([full(25), full(30)], [listed(20)])
        #expect(chain.next(from: 30, refused: []) == full(30))
        #expect(chain.merged(full(30), to: 30, from: 30, isWhole: false) == 30)
        #expect(chain.next(from: 30, refused: []) == nil)
        chain.listed([full(31)], [listed(20)])
        #expect(chain.next(from: 35, refused: []) == full(31))
        #expect(chain.merged(full(31), to: 31, from: 35, isWhole: true) == 35)
        #expect(!chain.isIncomplete)
    }

    @Test func aRequiredFullSnapshotIsReadThoughItsPositionIsKnown() {
        var chain = InstanceChain()
        chain.listed([full(20)], [])
        #expect(chain.merged(full(20), to: 20, from: nil, isWhole: true) == 20)
        chain.requireFull(from: 40)
        #expect(chain.next(from: 40, refused: []) == nil)
        // It may have what is missing, or not.
        chain.listed([full(20), full(30)], [])
        #expect(chain.next(from: 40, refused: []) == full(30))
        #expect(chain.merged(full(30), to: 30, from: 40, isWhole: true) == 40)
        #expect(chain.isIncomplete)
        chain.listed([full(30), full(40)], [])
        #expect(chain.next(from: 45, refused: []) == full(40))
        #expect(chain.merged(full(40), to: 40, from: 45, isWhole: true) == 45)
        #expect(!chain.isIncomplete)
        // Nothing is known of those that were read by an earlier process.
        var other = InstanceChain()
        other.listed([full(20)], [])
        other.requireFull(from: 40)
        #expect(other.next(from: 40, refused: []) == full(20))
    }

    @Test func deltasAreReadWhereNoFullSnapshotCanBe() {
        var chain = InstanceChain()
        chain.listed([full(20)], [listed(20)])
        #expect(chain.next(from: nil, refused: [full(20)]) == delta(20))
        chain.requested(delta(20))
        #expect(chain.merged(delta(20), to: 30, from: nil, isWhole: true) == nil)
        #expect(chain.next(from: nil, refused: [full(20)]) == nil)
    }
}

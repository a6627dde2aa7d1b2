import Snapshots
import Testing

@testable import Replication

@Suite struct OwnChainTests {
    func full(_ time: UInt64, size: Int = 1_000_000, took: Duration = .milliseconds(5)) -> OwnChain.Stored {
        .init(
            name: SnapshotName(database: "main", instance: "own", timestamp: time), position: time, size: size,
            version: nil, time: took)
    }

    func delta(_ from: UInt64, to end: UInt64, size: Int = 100, version: String? = "1") -> OwnChain.Stored {
        .init(name: name(from), position: end, size: size, version: version)
    }

    func name(_ from: UInt64) -> SnapshotName {
        SnapshotName(database: "main", instance: "own", timestamp: from, fileExtension: SnapshotName.deltaExtension)
    }

    func begin(_ chain: inout OwnChain, wantsFull: Bool = false) -> OwnChain.Send {
        chain.begin(wantsFull: wantsFull, mayUseDeltas: true)
    }

    /// A chain whose full snapshot was stored at 10.
    func started(_ settings: OwnChain.Settings = .init(), size: Int = 1_000_000) -> OwnChain {
        var chain = OwnChain(settings: settings)
        chain.stored(full(10, size: size), at: .seconds(1))
        return chain
    }

    @Test func aFullSnapshotComesFirst() {
        var chain = OwnChain(settings: .init())
        #expect(begin(&chain) == .full)
        chain.failed()
        #expect(begin(&chain) == .full)
        chain.stored(full(10), at: .seconds(1))
        #expect(begin(&chain) == .delta(from: 10))
    }

    @Test func theOpenDeltaIsOverwrittenUntilItIsLarge() {
        var chain = started()
        chain.stored(delta(10, to: 20), at: .seconds(2))
        #expect(begin(&chain) == .delta(from: 10))
        chain.stored(delta(10, to: 30, size: OwnChain.closingSize - 1), at: .seconds(3))
        #expect(begin(&chain) == .delta(from: 10))
        chain.stored(delta(10, to: 40, size: OwnChain.closingSize), at: .seconds(4))
        #expect(begin(&chain) == .delta(from: 40))
        chain.stored(delta(40, to: 50), at: .seconds(5))
        #expect(chain.deltas.map(\.name) == [name(10), name(40)])
    }

    @Test func aFullSnapshotFollowsADelta() {
        var chain = started()
        #expect(begin(&chain, wantsFull: true) == .delta(from: 10))
        chain.stored(delta(10, to: 20), at: .seconds(2))
        #expect(begin(&chain) == .fullBehindDelta)
        chain.stored(full(20), at: .seconds(3))
        #expect(begin(&chain) == .delta(from: 20))
        #expect(chain.deltas.isEmpty)
    }

    @Test func afterAFailureTheDeltaComesFirstAgain() {
        var chain = started()
        #expect(begin(&chain, wantsFull: true) == .delta(from: 10))
        chain.failed()
        #expect(begin(&chain, wantsFull: true) == .delta(from: 10))
        chain.stored(delta(10, to: 20), at: .seconds(2))
        #expect(begin(&chain) == .fullBehindDelta)
        chain.failed()
        // The delta was closed, because the full snapshot was to follow.
        #expect(begin(&chain) == .delta(from: 20))
    }

    @Test func aFullSnapshotIsDueSomeTimeAfterAChange() {
        var chain = started()
        #expect(chain.fullDue(isReadByFullOnly: false) == nil)
        chain.stored(delta(10, to: 20), at: .seconds(5))
        #expect(chain.fullDue(isReadByFullOnly: false) == .seconds(6))
        chain.stored(delta(10, to: 30), at: .seconds(5.5))
        #expect(chain.fullDue(isReadByFullOnly: false) == .seconds(6))
        #expect(chain.fullDue(isReadByFullOnly: true) == .seconds(5))
        chain.stored(full(30, took: .milliseconds(500)), at: .seconds(7))
        #expect(chain.fullDue(isReadByFullOnly: true) == nil)
        chain.stored(delta(30, to: 40), at: .seconds(8))
        #expect(chain.fullDue(isReadByFullOnly: false) == .seconds(58))
    }

    @Test func theIntervalCanBeSet() {
        var chain = started(.init(fullInterval: .seconds(3600)))
        chain.stored(delta(10, to: 20), at: .seconds(5))
        #expect(chain.fullDue(isReadByFullOnly: false) == .seconds(3605))
    }

    @Test func aFullSnapshotIsDueWhenTheDeltasAreLarge() {
        var chain = started(.init(fullInterval: .seconds(3600)), size: 400)
        chain.stored(delta(10, to: 20, size: 60), at: .seconds(5))
        #expect(chain.fullDue(isReadByFullOnly: false) == .seconds(3605))
        chain.stored(delta(20, to: 30, size: 41), at: .seconds(6))
        #expect(chain.fullDue(isReadByFullOnly: false) == .seconds(5))
    }

    @Test func withoutDeltasEachSendIsFull() {
        var chain = started()
        #expect(chain.begin(wantsFull: false, mayUseDeltas: false) == .full)
        // What other hosts of that name have written since may be between.
        #expect(begin(&chain) == .full)
    }

    // MARK: Uploads that land late

    @Test func whatLiesThereIsWhatWasStored() {
        var chain = started()
        chain.stored(delta(10, to: 20, version: "1"), at: .seconds(2))
        #expect(chain.listed([name(10): "1"], began: .seconds(3)) == .none)
        // An earlier listing may not show it yet.
        #expect(chain.listed([:], began: .seconds(1)) == .none)
    }

    @Test func theOpenDeltaIsStoredAgainIfAnotherVersionLiesThere() {
        var chain = started()
        chain.stored(delta(10, to: 20, version: "1"), at: .seconds(2))
        chain.stored(delta(10, to: 30, version: "2"), at: .seconds(3))
        #expect(chain.listed([name(10): "1"], began: .seconds(4)) == .delta)
        #expect(chain.listed([:], began: .seconds(4)) == .delta)
    }

    @Test func aFullSnapshotReplacesAClosedDeltaThatWasOverwritten() {
        var chain = started()
        chain.stored(delta(10, to: 20, size: OwnChain.closingSize, version: "2"), at: .seconds(2))
        #expect(chain.listed([name(10): "1"], began: .seconds(4)) == .full)
        chain.stored(delta(20, to: 30, version: "1"), at: .seconds(5))
        #expect(chain.listed([name(10): "1", name(20): "1"], began: .seconds(6)) == .full)
        // Then nobody needs it any more.
        chain.stored(full(30), at: .seconds(7))
        #expect(chain.listed([:], began: .seconds(8)) == .none)
    }

    @Test func aStorageThatListsOtherVersionsThanItGivesIsNotBelievedForLong() {
        var chain = started()
        var repairs = 0
        for number in 0..<20 {
            chain.stored(delta(10, to: 20 + UInt64(number), version: "given \(number)"), at: .seconds(2 * number + 2))
            let repair = chain.listed([name(10): "listed \(number)"], began: .seconds(2 * number + 3))
            if repair != .none { repairs += 1 }
        }
        #expect(repairs == 6)
    }

    @Test func aStorageWithoutVersionsIsBelieved() {
        var chain = started()
        chain.stored(delta(10, to: 20, version: nil), at: .seconds(2))
        #expect(chain.listed([name(10): "7"], began: .seconds(3)) == .none)
        #expect(chain.listed([:], began: .seconds(3)) == .delta)
    }
}

extension OwnChainTests {
    @Test func aFullSnapshotOfWhatTheLastDeltaHasNeedsNoOtherDelta() {
        var chain = OwnChain(settings: .init())
        chain.stored(full(10), at: .seconds(1))
        // Nothing has been stored since.
        #expect(chain.begin(wantsFull: true, mayUseDeltas: true, isUnchanged: true) == .delta(from: 10))
        chain.failed()
        chain.stored(delta(10, to: 20), at: .seconds(2))
        #expect(chain.begin(wantsFull: true, mayUseDeltas: true, isUnchanged: true) == .fullBehindDelta)
        chain.stored(full(20), at: .seconds(3))
        #expect(begin(&chain) == .delta(from: 20))
    }

    // MARK: Widening

    @Test func sixteenDeltasOfAboutTheSameSizeBecomeOne() throws {
        var chain = started()
        for index in 0..<16 {
            #expect(chain.nextWidening(at: .seconds(9)) == nil)
            let from = UInt64(10 + index)
            chain.stored(delta(from, to: from + 1, size: OwnChain.closingSize * (1 + index % 4)), at: .seconds(2))
        }
        let next = chain.nextWidening(at: .seconds(9))
        let deltas = try #require(next)
        #expect(deltas.map(\.name) == (10..<26).map(name))
        // Not twice, and what is overwritten meanwhile is not repaired.
        #expect(chain.nextWidening(at: .seconds(9)) == nil)
        #expect(chain.listed([:], began: .seconds(10)) == .none)
        let whole = delta(10, to: 26, size: 600_000, version: "w")
        chain.widened(whole, at: .seconds(11))
        #expect(chain.deltas == [whole])
        #expect(chain.listed([name(10): "w"], began: .seconds(12)) == .none)
        #expect(begin(&chain) == .delta(from: 26))
    }

    @Test func deltasOfOtherSizesAndTheOpenOneStay() {
        var chain = started()
        for index in 0..<16 {
            let from = UInt64(10 + index)
            let size = index == 8 ? OwnChain.closingSize * 5 : OwnChain.closingSize
            chain.stored(delta(from, to: from + 1, size: size), at: .seconds(2))
        }
        #expect(chain.nextWidening(at: .seconds(9)) == nil)
        var other = started()
        for index in 0..<15 {
            let from = UInt64(10 + index)
            other.stored(delta(from, to: from + 1, size: OwnChain.closingSize), at: .seconds(2))
        }
        other.stored(delta(25, to: 26, size: OwnChain.closingSize - 1), at: .seconds(2))
        #expect(other.nextWidening(at: .seconds(9)) == nil)
    }

    @Test func afterAFailureTheNextTryWaits() {
        var chain = started()
        for index in 0..<16 {
            let from = UInt64(10 + index)
            chain.stored(delta(from, to: from + 1, size: OwnChain.closingSize), at: .seconds(2))
        }
        #expect(chain.nextWidening(at: .seconds(9)) != nil)
        chain.wideningFailed(retryAt: .seconds(20))
        #expect(chain.nextWidening(at: .seconds(19)) == nil)
        #expect(chain.nextWidening(at: .seconds(20)) != nil)
        // The first one may have been overwritten, but not the others removed.
        chain.wideningFailed(retryAt: .seconds(30))
        let versions = Dictionary(uniqueKeysWithValues: (10..<26).map { (name($0), $0 == 10 ? "w" : "1") })
        #expect(chain.listed(versions, began: .seconds(31)) == .full)
    }

    @Test func oneOfTheOthersThatComesBackCallsForAFullSnapshot() {
        var chain = started()
        for index in 0..<16 {
            let from = UInt64(10 + index)
            #expect(begin(&chain) == .delta(from: from))
            chain.stored(delta(from, to: from + 1, size: OwnChain.closingSize), at: .seconds(2))
        }
        #expect(chain.nextWidening(at: .seconds(9)) != nil)
        chain.widened(delta(10, to: 26, size: 200_000, version: "w"), at: .seconds(11))
        #expect(chain.listed([name(10): "w"], began: .seconds(12)) == .none)
        // A reader beyond its beginning would not see the whole one.
        #expect(chain.listed([name(10): "w", name(15): "1"], began: .seconds(13)) == .full)
        // Those of earlier processes, and those that a full snapshot has replaced, do no harm.
        #expect(chain.listed([name(10): "w", name(7): "1"], began: .seconds(14)) == .none)
        chain.stored(full(26), at: .seconds(15))
        #expect(chain.listed([name(15): "1"], began: .seconds(16)) == .none)
    }

    @Test func nothingFollowsWhereNothingIsLeft() {
        var chain = started()
        chain.stored(delta(10, to: 20), at: .seconds(2))
        #expect(begin(&chain, wantsFull: true) == .delta(from: 10))
        chain.restart()
        #expect(!chain.fullFollows && chain.fullDue(isReadByFullOnly: true) == nil)
        #expect(begin(&chain) == .full)
    }

    /// As changes come one by one, and each makes the open delta larger.
    private func deltas(after changes: Int, of size: Int) -> Int {
        var chain = started(size: 1 << 40)
        var (time, open): (UInt64, Int) = (10, 0)
        var most = 0
        for _ in 0..<changes {
            guard case .delta(let from) = begin(&chain) else { return .max }
            time += 1
            open = chain.deltas.last?.name.timestamp == from ? open + size : size
            chain.stored(delta(from, to: time, size: open), at: .seconds(time))
            if let run = chain.nextWidening(at: .seconds(time)), let first = run.first, let last = run.last {
                let sum = run.reduce(0) { $0 + $1.size }
                chain.widened(delta(first.name.timestamp, to: last.position, size: sum), at: .seconds(time))
            }
            most = max(most, chain.deltas.count)
        }
        return most
    }

    @Test(arguments: [50, 100, 300, 1000]) func aThousandChangesLeaveFewDeltas(size: Int) {
        #expect(deltas(after: 1000, of: size) < 20 + (size == 1000 ? 16 : 0))
        // About 16 for each power of 16 of what has changed.
        #expect(deltas(after: 100_000, of: size) <= 16 * 4)
    }
}

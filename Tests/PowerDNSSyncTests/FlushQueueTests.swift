import PowerDNSFormat
import Snapshots
import Synchronization
import Testing

@testable import PowerDNSSync

/// Which zones are flushed when; the times are made up.
@Suite struct FlushQueueTests {
    /// A merge of records, or of zones, keys and metadata.
    private static func change(_ zones: MergedZones.Set, role: PowerDNSRole = .shard) throws -> MergedZones {
        MergedZones(
            database: "db", role: role,
            snapshot: try #require(SnapshotName("db__a__20261121-131932-850359279__GX.pb.gz")), zones: zones)
    }

    private static func change(_ names: String..., role: PowerDNSRole = .shard) throws -> MergedZones {
        try change(.some(try names.map { MergedZones.Zone(id: 1, name: try ZoneName($0)) }), role: role)
    }

    private static func numbered(_ range: Range<Int>, role: PowerDNSRole = .shard) throws -> MergedZones {
        try change(.some(try range.map { MergedZones.Zone(id: 1, name: try ZoneName("zone\($0).org")) }), role: role)
    }

    /// Sends until there is nothing to send, and returns what that was.
    private static func drain(_ queue: inout FlushQueue, at now: Duration = .zero) -> [FlushQueue.Target] {
        var sent: [FlushQueue.Target] = []
        while case .send(let target) = queue.next(at: now) {
            sent.append(target)
            queue.ended(.done, at: now, random: 0)
        }
        return sent
    }

    @Test func eachZoneOnceInTheOrderOfTheChanges() throws {
        var queue = FlushQueue()
        queue.add(try Self.change("b.org", "a.org"), areNamed: true, at: .zero)
        queue.add(try Self.change("A.org", "c.org"), areNamed: true, at: .seconds(1))
        let expected = try ["b.org", "a.org", "c.org"].map { FlushQueue.Target.zone(try ZoneName($0)) }
        #expect(Self.drain(&queue) == expected)
        #expect(queue.next(at: .zero) == .idle)
    }

    @Test func aVariantIsFlushedWithItsZone() throws {
        var queue = FlushQueue()
        queue.add(try Self.change("a.org..inside"), areNamed: true, at: .zero)
        #expect(Self.drain(&queue) == [.zone(try ZoneName("a.org")), .zone(try ZoneName("a.org..inside"))])
    }

    @Test func aChangeWhileItsZoneIsFlushedIsFlushedAgain() throws {
        var queue = FlushQueue()
        let change = try Self.change("a.org")
        queue.add(change, areNamed: true, at: .zero)
        let step = FlushQueue.Step.send(.zone(try ZoneName("a.org")))
        #expect(queue.next(at: .zero) == step)
        queue.add(change, areNamed: true, at: .zero)
        queue.ended(.done, at: .zero, random: 0)
        #expect(queue.next(at: .zero) == step)
    }

    @Test func manyZonesAreFlushedWithEverything() throws {
        var queue = FlushQueue()
        queue.add(try Self.numbered(0..<FlushQueue.most), areNamed: true, at: .zero)
        var other = queue
        #expect(Self.drain(&queue).count == FlushQueue.most)
        // One of those that wait already changes nothing, one more does.
        other.add(try Self.numbered(0..<1), areNamed: true, at: .zero)
        #expect(other.count == FlushQueue.most)
        other.add(try Self.numbered(500..<501), areNamed: true, at: .zero)
        #expect(Self.drain(&other) == [.everything])
        other.add(try Self.change(.all), areNamed: true, at: .zero)
        other.add(try Self.numbered(0..<50), areNamed: true, at: .zero)
        #expect(Self.drain(&other) == [.everything])
    }

    @Test func whatIsMoreThanAnswersIsFlushedByNameWhateverElseIs() throws {
        var queue = FlushQueue()
        queue.add(try Self.numbered(0..<FlushQueue.mostByName, role: .main), areNamed: true, at: .zero)
        queue.add(try Self.numbered(2000..<2050), areNamed: true, at: .zero)
        var other = queue
        // So many are no reason to flush everything for the sake of a few others.
        #expect(!Self.drain(&queue).contains(.everything))
        other.add(try Self.numbered(5000..<5001, role: .main), areNamed: true, at: .zero)
        let sent = Self.drain(&other)
        #expect(sent.first == .everything)
        #expect(sent.count == 1 + FlushQueue.mostByName)
        #expect(!sent.contains(.zone(try ZoneName("zone2000.org"))))
    }

    @Test func aZoneWhoseKeysChangeAfterItsRecordsIsFlushedByName() throws {
        var queue = FlushQueue()
        queue.add(try Self.change("a.org"), areNamed: true, at: .zero)
        queue.add(try Self.change("a.org", role: .main), areNamed: true, at: .zero)
        queue.add(try Self.change(.all), areNamed: true, at: .zero)
        #expect(Self.drain(&queue) == [.everything, .zone(try ZoneName("a.org"))])
    }

    @Test func aZoneWithoutNameIsNewOrAnyZone() throws {
        var queue = FlushQueue()
        let change = try Self.change(.some([MergedZones.Zone(id: 7, name: nil)]))
        queue.add(change, areNamed: true, at: .zero)
        #expect(queue.next(at: .zero) == .idle)
        queue.add(change, areNamed: false, at: .zero)
        #expect(queue.next(at: .zero) == .send(.everything))
    }

    @Test func pausesGrowAndEndWithSuccess() throws {
        var queue = FlushQueue()
        queue.add(try Self.numbered(0..<2), areNamed: true, at: .zero)
        var (now, pauses) = (Duration.zero, [Duration]())
        for _ in 0..<9 {
            guard case .send = queue.next(at: now) else {
                Issue.record("nothing to send at \(now)")
                return
            }
            queue.ended(.failed, at: now, random: 1)
            guard case .wait(let end) = queue.next(at: now) else {
                Issue.record("no pause at \(now)")
                return
            }
            pauses.append(end - now)
            now = end
        }
        #expect(pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30].map { Duration.seconds($0) })
        #expect(Self.drain(&queue, at: now).count == 2)
        queue.add(try Self.numbered(0..<1), areNamed: true, at: now)
        _ = queue.next(at: now)
        queue.ended(.failed, at: now, random: 0)
        #expect(queue.next(at: now) == .wait(until: now + .milliseconds(250)))
    }

    @Test func whatIsRejectedIsNotTriedAgain() throws {
        var queue = FlushQueue()
        queue.add(try Self.numbered(0..<2), areNamed: true, at: .zero)
        _ = queue.next(at: .zero)
        queue.ended(.rejected, at: .zero, random: 0)
        #expect(Self.drain(&queue) == [.zone(try ZoneName("zone1.org"))])
    }

    @Test func whatWaitsForTooLongIsGivenUp() throws {
        var queue = FlushQueue()
        queue.add(try Self.change("old.org", "again.org"), areNamed: true, at: .zero)
        queue.add(try Self.change("again.org"), areNamed: true, at: .seconds(10))
        #expect(queue.giveUp(at: FlushQueue.patience) == 0)
        #expect(queue.giveUp(at: FlushQueue.patience + .seconds(1)) == 1)
        #expect(Self.drain(&queue) == [.zone(try ZoneName("again.org"))])
        queue.add(try Self.change(.all), areNamed: true, at: .zero)
        #expect(queue.giveUp(at: FlushQueue.patience + .seconds(1)) == 1)
        #expect(queue.next(at: .zero) == .idle)
    }

    /// A failed request keeps its age, and makes way for one of everything.
    @Test func failedOnesWaitWithTheOthers() throws {
        var queue = FlushQueue()
        queue.add(try Self.change("a.org"), areNamed: true, at: .zero)
        _ = queue.next(at: .zero)
        queue.add(try Self.change(.all), areNamed: true, at: .seconds(1))
        queue.ended(.failed, at: .seconds(1), random: 0)
        #expect(queue.count == 1)
        #expect(Self.drain(&queue, at: .seconds(60)) == [.everything])
        queue.add(try Self.change("a.org"), areNamed: true, at: .zero)
        _ = queue.next(at: .seconds(60))
        queue.ended(.failed, at: .seconds(60), random: 0)
        #expect(queue.giveUp(at: .seconds(301)) == 1)
    }

    // MARK: What waits for it

    /// How many of the holds have ended.
    private final class Ends: Sendable {
        let count = Atomic(0)
        var value: Int { count.load(ordering: .relaxed) }
        func hold() -> FlushHold { FlushHold { [count = self] in count.count.add(1, ordering: .relaxed) } }
    }

    private static func held(_ names: String..., role: PowerDNSRole = .shard, by ends: Ends) throws -> MergedZones {
        var change = try change(.some(try names.map { MergedZones.Zone(id: 1, name: try ZoneName($0)) }), role: role)
        change.hold = ends.hold()
        return change
    }

    @Test func aMergeIsVisibleWhenAllItsZonesAreFlushed() throws {
        var queue = FlushQueue()
        let (first, second) = (Ends(), Ends())
        queue.add(try Self.held("a.org", "b.org", by: first), areNamed: true, at: .zero)
        #expect(queue.next(at: .zero) == .send(.zone(try ZoneName("a.org"))))
        // A request in progress may be too early for this one.
        queue.add(try Self.held("a.org", by: second), areNamed: true, at: .zero)
        queue.ended(.done, at: .zero, random: 0)
        #expect(first.value == 0 && second.value == 0)
        _ = queue.next(at: .zero)
        queue.ended(.rejected, at: .zero, random: 0)
        #expect(first.value == 1 && second.value == 0)
        _ = queue.next(at: .zero)
        #expect(second.value == 0)
        queue.ended(.done, at: .zero, random: 0)
        #expect(second.value == 1)
        // Nothing to flush.
        queue.add(try Self.held(by: first), areNamed: true, at: .zero)
        #expect(first.value == 2)
    }

    @Test func everythingIsFlushedForWhatIsReplaced() throws {
        var queue = FlushQueue()
        let ends = Ends()
        queue.add(try Self.held("a.org", by: ends), areNamed: true, at: .zero)
        queue.add(try Self.held("main.org", role: .main, by: ends), areNamed: true, at: .zero)
        queue.add(try Self.numbered(0..<FlushQueue.most), areNamed: true, at: .zero)
        queue.add(try Self.held("b.org", by: ends), areNamed: true, at: .zero)
        #expect(queue.next(at: .zero) == .send(.everything))
        #expect(ends.value == 0)
        queue.ended(.done, at: .zero, random: 0)
        #expect(ends.value == 2)
        _ = Self.drain(&queue)
        #expect(ends.value == 3)
        var all = try Self.change(.all)
        all.hold = ends.hold()
        queue.add(all, areNamed: true, at: .zero)
        all.hold = nil
        #expect(queue.giveUp(at: FlushQueue.patience + .seconds(1)) == 1)
        #expect(ends.value == 4)
    }

    @Test func nothingWaitsForAServerThatFails() throws {
        var queue = FlushQueue()
        let ends = Ends()
        queue.add(try Self.held("a.org", by: ends), areNamed: true, at: .zero)
        queue.add(try Self.held("b.org", by: ends), areNamed: true, at: .zero)
        _ = queue.next(at: .zero)
        // It may flush yet, and the next try may succeed.
        queue.ended(.late, at: .zero, random: 0)
        #expect(ends.value == 0)
        _ = queue.next(at: .seconds(10))
        queue.ended(.failed, at: .seconds(10), random: 0)
        #expect(ends.value == 2)
        queue.add(try Self.held("c.org", by: ends), areNamed: true, at: .seconds(10))
        #expect(ends.value == 3)
        // Until it works again.
        #expect(Self.drain(&queue, at: .seconds(60)).count == 3)
        queue.add(try Self.held("d.org", by: ends), areNamed: true, at: .seconds(60))
        #expect(ends.value == 3)
    }
}

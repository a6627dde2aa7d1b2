import Glibc
import LMDB
import Simulator
import Snapshots
import Support
import Synchronization
import TestSupport
import Testing

@testable import Replication

/// Whatever prevents a delta, a full snapshot is read instead.
@Suite struct ChangeTrackerFallbackTests {
    private typealias Fallback = ChangeTracker.Fallback

    /// Expects a full snapshot for a reason, and a delta after it.
    private func expectFallback(
        _ reason: ChangeTracker.Fallback, _ world: TrackedLMDB, from: UInt64? = nil, isPinned: Bool = true
    ) throws {
        let reading = try world.read(from: from ?? world.position)
        #expect(reading.fallback == reason)
        #expect(reading.snapshot?.name.isFullSnapshot == true && reading.from == nil)
        #expect(try world.received() == world.environment.contents())
        #expect(try reading.meta().readsDeltas)
        #expect((world.tracker.state.transaction == reading.transaction) == isPinned)
        guard isPinned else { return }
        try world.put("after", "\(reason)")
        let next = try world.readNext()
        #expect(next.fallback == nil && next.snapshot?.entries == 1)
    }

    private func begun(mapSize: Int = 16 << 20, compare: ChangeTracker.Comparison? = nil) throws -> TrackedLMDB {
        let world = try TrackedLMDB(mapSize: mapSize, compare: compare)
        try world.put("a", "1")
        try world.read(from: nil)
        try world.put("b", "2")
        return world
    }

    @Test func afterTheStart() throws {
        let world = try TrackedLMDB()
        try world.put("a", "1")
        try expectFallback(.start, world, from: 5)
    }

    @Test func otherPosition() throws {
        let world = try begun()
        let first = try #require(world.position)
        try world.readNext()
        try world.put("c", "3")
        try expectFallback(.otherPosition, world, from: first - 1)
    }

    @Test func aClosedDeltaIsNotContinued() throws {
        let world = try begun()
        let first = try #require(world.position)
        try world.readNext()
        try world.readNext()
        try expectFallback(.otherPosition, world, from: first)
    }

    @Test func release() throws {
        let world = try begun()
        world.tracker.release()
        #expect(world.tracker.state == ChangeTracker.State())
        try expectFallback(.released, world)
    }

    @Test func aReleaseDuringAReadingTakesEffectAtItsEnd() throws {
        let holder = Mutex<ChangeTracker?>(nil)
        let world = try begun { earlier, later, includes, visit in
            holder.withLock { $0?.release() }
            return try PageDiff.run(from: &earlier, to: &later, includes: includes, visit)
        }
        holder.withLock { $0 = world.tracker }
        #expect(try world.readNext().fallback == nil)
        #expect(world.tracker.state.transaction == nil)
        holder.withLock { $0 = nil }
        try expectFallback(.released, world)
    }

    @Test func tooManyTransactions() throws {
        let world = try begun(mapSize: 256 << 20)
        for _ in 1..<PinRules.mostTransactions { try world.put("c", "3") }
        world.tracker.check()
        #expect(world.tracker.state.age == PinRules.mostTransactions)
        try world.put("c", "4")
        world.tracker.check()
        try expectFallback(.tooManyTransactions, world)
    }

    @Test func nothingWasStoredForLong() throws {
        let world = try begun()
        world.times.wait(.seconds(61))
        // The delta is small.
        for index in 0..<200 { try world.put("key\(index)", "random \(SystemRandomNumberGenerator.number())") }
        world.tracker.check()
        let delta = try world.readNext()
        #expect(delta.fallback == nil)
        // It was read now, and stored since.
        world.tracker.stored()
        world.times.wait(.seconds(61))
        world.tracker.check()
        #expect(world.tracker.state.transaction == delta.transaction)
        let next = try world.read(from: delta.from)
        world.times.wait(.seconds(60))
        world.tracker.check()
        #expect(world.tracker.state.transaction == next.transaction)
        world.times.wait(.seconds(1))
        world.tracker.check()
        try expectFallback(.notStored, world)
    }

    @Test func theMapIsNearlyFull() throws {
        let world = try begun(mapSize: 1 << 20)
        // In one transaction, so that few pages become free.
        let count = 116
        try world.environment.applicationWrite(
            (0..<count).map { index in
                let key = TestKey(database: "large", key: Array("large\(index)".utf8))
                return (key, TestVersion(1, String(repeating: "x", count: 8000)))
            })
        world.tracker.check()
        try expectFallback(.mapNearlyFull, world, isPinned: false)
        // Again and again, until there is space.
        try expectFallback(.mapNearlyFull, world, isPinned: false)
        for index in 0..<count { try world.remove(Array("large\(index)".utf8), in: "large") }
        try world.put("c", "3")
        let reading = try world.readNext()
        #expect(reading.fallback == .mapNearlyFull && world.tracker.state.transaction == reading.transaction)
        // The space is below the last page.
        #expect(world.environment.info.usedBytes > world.environment.info.mapSize * 9 / 10)
        world.tracker.check()
        try world.put("d", "4")
        #expect(try world.readNext().fallback == nil)
    }

    @Test func aDroppedDBI() throws {
        let world = try begun()
        try world.put("c", "3", in: "zones")
        try world.readNext()
        try world.environment.write { transaction in
            if let database = try transaction.database("zones") { try transaction.drop(database) }
            return .commit(())
        }
        let reading = try world.readNext()
        #expect(reading.fallback == .handleClosed && reading.snapshot?.entries == 2)
    }

    /// Some of its versions are older than the delta.
    @Test func aShadowWhoseDBIExistsAgain() async throws {
        let world = try TrackedLMDB(schema: LMDB.Environment.shadows)
        var capture = Capture(schema: world.schema)
        for name in ["records", "zones"] { try world.environment.appPut("a", "1", in: name) }
        try capture.run(world.environment, at: 1000)
        try world.read(from: nil)
        await #expect(processExitsWith: .success) { [path = world.directory.path as String] in
            OtherOpening(path).dropDatabase("zones")
        }
        try capture.run(world.environment, at: 2000)
        #expect(try world.readNext().fallback == nil)
        try world.environment.appPut("b", "1", in: "zones")
        try capture.run(world.environment, at: 3000)
        let reading = try world.readNext()
        #expect(reading.fallback == .recreated && reading.cause == "DBI zones")
        #expect(try world.received() == world.environment.versions())
    }

    @Test(
        arguments: [
            (.mapResized, PinnedReader.Loss.mapResized), (.handleClosed, PinnedReader.Loss.handleClosed),
            (.slotTaken, PinnedReader.Loss.slotTaken), (.fileReplaced, PinnedReader.Loss.fileReplaced),
            (.unsupported, PageDiff.Failure.unsupportedMachine), (.busy, PageDiff.Failure.busy),
            (.fileReplaced, PageDiff.Failure.order), (.recreated, PageDiff.Failure.recreated("records")),
            (.damaged, PageDiff.Failure.damaged(.kind(7), database: "records")),
            (.damaged, PageDiff.Failure.damaged(.freeList, database: nil)),
        ] as [(ChangeTracker.Fallback, any Error & Sendable)])
    func aComparisonThatFails(reason: ChangeTracker.Fallback, error: any Error & Sendable) throws {
        let fails = Mutex(true)
        let world = try begun { earlier, later, includes, visit in
            let outcome = try PageDiff.run(from: &earlier, to: &later, includes: includes, visit)
            let isFirst = fails.withLock { fails in
                defer { fails = false }
                return fails
            }
            if isFirst { throw error }
            return outcome
        }
        try expectFallback(reason, world)
    }

    @Test func severalValues() throws {
        let isFirst = Mutex(true)
        let world = try begun { earlier, later, includes, visit in
            var outcome = try PageDiff.run(from: &earlier, to: &later, includes: includes, visit)
            isFirst.withLock { isFirst in
                if isFirst { outcome.uncompared = ["records"] }
                isFirst = false
            }
            return outcome
        }
        try expectFallback(.severalValues, world)
    }

    /// The earlier part of the delta has keys in the wrong order.
    @Test func aDamagedDelta() throws {
        let world = try begun { earlier, later, includes, visit in
            var changes: [PageDiff.Change] = []
            let outcome = try PageDiff.run(from: &earlier, to: &later, includes: includes) { changes.append($0) }
            for change in changes.reversed() { try visit(change) }
            return outcome
        }
        try world.put("c", "3")
        let from = world.position
        let delta = try world.read(from: from)
        #expect(delta.fallback == nil)
        try world.put("d", "4")
        let reading = try world.read(from: from)
        #expect(reading.fallback == .damagedDelta && reading.cause?.contains("records") == true)
        #expect(reading.snapshot?.entries == 4 && reading.snapshot?.name.isFullSnapshot == true)
    }

    @Test func noFreeReaderSlot() throws {
        let world = try begun()
        try takingAllSlots(world.environment) {
            // The slot of the pinned transaction is used for the scan.
            let reading = try world.readNext()
            #expect(reading.fallback == .readersFull && reading.snapshot?.entries == 2)
            #expect(world.tracker.state.transaction == nil)
        }
        try expectFallback(.readersFull, world)
    }

    private func takingAllSlots(_ environment: LMDB.Environment, _ body: () throws -> Void) throws {
        guard let pin = try? environment.pin() else { return try body() }
        try takingAllSlots(environment, body)
        pin.release()
    }

    @Test func aReplacedFile() throws {
        let world = try begun()
        let (old, new) = (world.directory.path + "/data.mdb", world.directory.path + "/other.mdb")
        rename(old, new)
        defer { rename(new, old) }
        let reading = try world.readNext()
        #expect(reading.fallback == .fileReplaced && world.tracker.state.transaction == nil)
        #expect(reading.snapshot?.entries == 2)
    }

    @Test func aResizedMap() async throws {
        let world = try begun()
        await #expect(processExitsWith: .success) { [path = world.directory.path as String] in
            let environment = try LMDB.Environment(EnvironmentOptions(path: path, mapSize: 64 << 20))
            try environment.write { transaction in
                _ = try transaction.database("larger", creating: [])
                return .commit(())
            }
        }
        #expect(try world.environment.growsMap())
        try expectFallback(.mapResized, world)
    }
}

extension SystemRandomNumberGenerator {
    fileprivate static func number() -> UInt64 {
        var generator = Self()
        return generator.next()
    }
}

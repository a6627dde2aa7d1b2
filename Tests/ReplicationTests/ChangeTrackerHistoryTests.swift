import Dispatch
import LMDB
import Simulator
import Snapshots
import Support
import Synchronization
import TestSupport
import Testing

@testable import Replication

/// Whoever merges the full snapshots and the last version of each delta misses nothing.
@Suite(.timeLimit(.minutes(5))) struct ChangeTrackerHistoryTests {
    @Test(arguments: 1...4) func nativeHistories(seed: UInt64) throws {
        var history = try NativeHistory(seed: seed)
        for round in 0..<120 { try history.round(round) }
        #expect(history.deltas > 40)
    }

    @Test(arguments: 1...3) func shadowHistories(seed: UInt64) throws {
        let world = try TrackedLMDB(schema: LMDB.Environment.shadows)
        var random = SeededGenerator(seed: seed)
        var capture = Capture(schema: world.schema)
        var deltas = 0
        for round in 0..<100 {
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let several = Bool.random(using: &random)
                let database = several ? "several" : "dbi\(Int.random(in: 0...2, using: &random))"
                let key = Array("key\(Int.random(in: 0...40, using: &random))".utf8)
                if Int.random(in: 0..<4, using: &random) == 0 {
                    try world.environment.appDelete(key, in: database)
                } else {
                    let value = [UInt8](repeating: UInt8.random(in: 0...9, using: &random), count: 30)
                    try world.environment.appPut(key, value, in: database, flags: several ? .duplicateSort : [])
                }
            }
            if round % 7 == 3 {
                try world.environment.shadowMerge(
                    RawSnapshot().database(
                        "dbi1", [.init("key\(round)", "theirs", at: UInt64(round) * 50)]), through: capture.through)
            }
            try capture.run(world.environment, at: UInt64(round + 1) * 100)
            guard Bool.random(using: &random) else { continue }
            let reading = try round % 10 == 0 ? world.readNext() : world.read(from: world.openedAt ?? world.position)
            if reading.from != nil { deltas += 1 }
            #expect(try world.received() == world.environment.versions(), "round \(round)")
        }
        #expect(deltas > 25)
    }

    /// Proofs run beside readings, and what is pinned may be given up at any time.
    @Test func othersMayCallMeanwhile() throws {
        // Only one thread uses more of it than the tracker.
        nonisolated(unsafe) let world = try TrackedLMDB(mapSize: 64 << 20)
        for index in 0..<500 { try world.put("key\(index)", "old") }
        let isOver = Atomic(false)
        DispatchQueue.concurrentPerform(iterations: 2) { iteration in
            guard iteration == 0 else {
                for round in 0..<200_000 where !isOver.load(ordering: .relaxed) {
                    if let proof = try? world.tracker.prove() { #expect(proof.isSound) }
                    if round % 500 == 0 { world.tracker.release() }
                    world.tracker.check()
                    world.tracker.stored()
                }
                return
            }
            defer { isOver.store(true, ordering: .relaxed) }
            for round in 0..<500 {
                do {
                    try world.put("key\(round * 7 % 600)", "\(round)")
                    let reading = try round % 50 == 9 ? world.tracker.readFull() : world.readNext()
                    if let reading { world.keep(reading) }
                } catch {
                    Issue.record(error)
                }
            }
        }
        try world.readNext()
        #expect(try world.received() == world.environment.contents())
        #expect(!world.tracker.state.isBroken)
    }
}

/// An application and other instances write at random.
private struct NativeHistory {
    let world: TrackedLMDB
    private var random: SeededGenerator
    /// What other instances have sent.
    private var merged: TestContents = [:]
    private var removed: Set<TestKey> = []
    /// The keys that the application has written last.
    private var local: Set<TestKey> = []
    private(set) var deltas = 0

    init(seed: UInt64) throws {
        world = try TrackedLMDB()
        random = SeededGenerator(seed: seed)
    }

    mutating func round(_ round: Int) throws {
        for _ in 0..<Int.random(in: 0...4, using: &random) { try step() }
        let reading: ChangeTracker.Reading
        switch Int.random(in: 0..<20, using: &random) {
        case 0: reading = try world.read(from: nil)
        case 1: return world.tracker.release()
        case 2...6: reading = try world.readNext()
        case 7...14: reading = try world.read(from: world.openedAt ?? world.position)
        case 15:
            // As of the last reading, not of now.
            if let full = try world.tracker.readFull() { world.keep(full) }
            return
        default: return
        }
        if reading.from != nil { deltas += 1 }
        if Bool.random(using: &random) { world.own.sent(through: reading.transaction) }
        if world.tracker.needsProof { #expect(try world.tracker.prove()?.isSound == true) }
        try check("round \(round)")
    }

    private mutating func step() throws {
        let key = key()
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<55:
            for _ in 0..<Int.random(in: 1...3, using: &random) { try put(self.key()) }
        case 55..<60:
            for _ in 0..<200 { try put(self.key()) }
        case 60..<85: try merge()
        case 85..<97:
            try world.remove(key.key, in: key.database)
            removed.insert(key)
            local.remove(key)
        case 97: try drop(key.database)
        default: try world.environment.putRaw("_sync_state", [1], [UInt8.random(in: 0...255, using: &random)])
        }
    }

    private mutating func key() -> TestKey {
        let number = Int.random(in: 0..<300, using: &random)
        return TestKey(
            database: "dbi\(Int.random(in: 0...3, using: &random))",
            key: Array("\(number)".utf8) + [UInt8](repeating: 7, count: number % 50))
    }

    private func version(_ timestamp: UInt64, _ random: inout SeededGenerator) -> TestVersion {
        let isDeleted = Int.random(in: 0..<5, using: &random) == 0
        let size = Int.random(in: 0..<60, using: &random) == 0 ? 9000 : Int.random(in: 0...40, using: &random)
        let value = [UInt8](repeating: UInt8.random(in: 0...3, using: &random), count: size)
        return TestVersion(timestamp: timestamp, isDeleted: isDeleted, value: isDeleted ? [] : value)
    }

    private mutating func put(_ key: TestKey) throws {
        try world.environment.applicationWrite([(key, version(world.timestamp(), &random))])
        local.insert(key)
    }

    private mutating func merge() throws {
        let now = world.timestamp()
        var entries: TestContents = [:]
        let database = key().database
        for _ in 0..<Int.random(in: 1...5, using: &random) {
            var key = key()
            key.database = database
            entries[key] = version(UInt64.random(in: now / 2...now, using: &random), &random)
        }
        let before = try world.environment.contents()
        try world.merge(
            RawSnapshot().database(
                database,
                entries.sorted { $0.key < $1.key }.map {
                    .init($0.key.key, $0.value.value, at: $0.value.timestamp, flags: $0.value.isDeleted ? 1 : 0)
                }))
        let after = try world.environment.contents()
        for key in entries.keys where before[key] != after[key] { local.remove(key) }
        join(&merged, with: entries)
    }

    /// Ends the pinned transaction, as the handle is closed.
    private mutating func drop(_ name: String) throws {
        let lost = try world.environment.contents().keys.filter { $0.database == name }
        removed.formUnion(lost)
        local.subtract(lost)
        try world.environment.write { transaction in
            if let database = try transaction.database(name) { try transaction.drop(database) }
            return .commit(())
        }
    }

    /// All that the application has written is in the bucket, and all else came from others.
    private func check(_ what: String) throws {
        let received = try world.received()
        var all = received
        join(&all, with: merged)
        for (key, version) in try world.environment.contents() {
            if local.contains(key) {
                #expect(received[key] == version, "\(what): \(key)")
            } else if !removed.contains(key) {
                #expect(all[key] == version, "\(what): \(key)")
            }
        }
    }
}

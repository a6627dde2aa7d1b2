import Foundation
import TestSupport
import Testing

@testable import Replication

/// Whatever happens, in whatever order: what was deleted everywhere and swept does not come back, and nothing else is
/// lost.
@Suite(.serialized) struct StaleRejoinTests {
    private static let retention = Duration.seconds(2000)

    // Always the same ones: see the limits in docs/deletions.md.
    @Test(arguments: UInt64(0)..<60)
    func nothingThatWasDeletedComesBack(seed: UInt64) async throws { try await run(seed: seed) }

    // Histories that once went wrong.
    @Test(arguments: [100, 123, 387, 482, 610, 134_383, 134_560, 886_262, 986_916] as [UInt64])
    func knownHistoriesGoWell(seed: UInt64) async throws { try await run(seed: seed) }

    /// As many others as you like: `LIGHTNINGSTREAM_REJOIN_SEEDS=1000-1999`.
    @Test(.enabled(if: StaleRejoinTests.environment["LIGHTNINGSTREAM_REJOIN_SEEDS"] != nil)) func moreHistoriesGoWell()
        async throws
    {
        let numbers = (Self.environment["LIGHTNINGSTREAM_REJOIN_SEEDS"] ?? "").split(separator: "-").compactMap {
            UInt64($0)
        }
        let (first, last) = (try #require(numbers.first), try #require(numbers.last))
        for seed in first...max(first, last) {
            try await run(seed: seed)
            if seed % 100 == 99 { print("StaleRejoinTests: up to seed \(seed)") }
        }
    }

    private static var environment: [String: String] { ProcessInfo.processInfo.environment }

    @Test(arguments: [false, true])
    func whoComesBackAfterTheRetentionBringsNothingBack(othersRestart: Bool) async throws {
        let simulation = try Simulation(
            seed: 1, instances: 3, retention: Self.retention, pollInterval: .seconds(10))
        simulation.faults = .init(listing: 0, download: 0, store: 0)
        let key = TestKey(database: "records_v5", key: Array("key".utf8))
        let (first, late) = (simulation.nodes[0], simulation.nodes[2])
        func isLive(_ node: Simulation.Node) throws -> Bool {
            try node.environment.contents()[key].map { !$0.isDeleted } ?? false
        }
        try first.environment.applicationWrite([(key, TestVersion(first.clock(at: simulation.now), "x"))])
        for index in 0..<3 { simulation.start(index) }
        try simulation.run(until: .seconds(200))
        #expect(try simulation.nodes.allSatisfy(isLive))
        simulation.stop(2)
        try first.environment.applicationWrite([(key, .deleted(first.clock(at: simulation.now)))])
        try simulation.run(until: Self.retention * 3)
        #expect(try first.environment.contents()[key] == nil)
        // They must not take it from the old snapshot in the bucket either.
        if othersRestart { for index in 0..<2 { try simulation.restart(index, index == 0 ? .wiping : .keeping) } }
        try simulation.comeBack(2, .keeping)
        try simulation.run(until: simulation.now + .seconds(300))
        #expect(late.machine.fence?.reason != nil)
        #expect(try simulation.nodes.map(isLive) == [false, false, true])
        try await simulation.resync(2, fails: true)
        try simulation.run(until: simulation.now + .seconds(300))
        #expect(late.machine.fence?.reason != nil)
        try await simulation.resync(2, fails: false)
        try simulation.run(until: simulation.now + .seconds(300))
        #expect(late.machine.fence?.reason == nil)
        #expect(try simulation.nodes.map(isLive) == [false, false, false])
    }

    private func run(seed: UInt64) async throws {
        let instances = Int(seed % 3) + 2
        let simulation = try Simulation(
            seed: seed, instances: instances, retention: Self.retention, pollInterval: .seconds(10))
        simulation.faults = .init(listing: 0.05, download: 0.05, store: 0.05)
        for index in 0..<instances {
            simulation.nodes[index].clockError = Int64(index) * 4_000_000_000 - 8_000_000_000
            for _ in 0..<4 { try simulation.change(index, deletes: false) }
            simulation.start(index)
        }
        var random = SeededGenerator(seed: seed ^ 0xabcdef)
        for _ in 0..<150 {
            await Task.yield()
            let step =
                random.chance(0.8) ? Int64.random(in: 1...60, using: &random) : .random(in: 60...600, using: &random)
            try simulation.run(until: simulation.now + .seconds(step))
            let index = Int.random(in: 0..<instances, using: &random)
            let node = simulation.nodes[index]
            switch Int.random(in: 0..<20, using: &random) {
            case 0, 1: simulation.stop(index)
            case 2, 3, 4:
                guard !node.isRunning else { break }
                // One that has nothing yet, and gets nothing, knows of no absence either.
                if random.chance(0.15) {
                    node.isCutOff = false
                    try simulation.comeBack(index, .wiping)
                } else {
                    try simulation.comeBack(index, .keeping)
                }
            case 5: node.isCutOff = try SyncRecord.read(node.environment).lastSync != nil
            case 6: node.isCutOff = false
            case 7: try simulation.restart(index, .keeping)
            case 8: simulation.clean()
            case 9, 10:
                guard node.machine.fence?.reason != nil, !node.isCutOff else { break }
                try await simulation.resync(index, fails: random.chance(0.3))
            case 11..<16: try simulation.change(index, deletes: true)
            default: try simulation.change(index, deletes: false)
            }
        }
        // In the end everybody is there, and whoever is fenced is rebuilt.
        simulation.faults = .init(listing: 0, download: 0, store: 0)
        for (index, node) in simulation.nodes.enumerated() {
            node.isCutOff = false
            if !node.isRunning { try simulation.comeBack(index, .keeping) }
        }
        for _ in 0..<6 {
            try simulation.run(until: simulation.now + .seconds(200))
            for (index, node) in simulation.nodes.enumerated() where node.machine.fence?.reason != nil {
                try await simulation.resync(index, fails: false)
            }
        }
        for (key, winner) in simulation.stored {
            for node in simulation.nodes {
                let version = try node.environment.contents()[key]
                if winner.isDeleted {
                    #expect(version?.isDeleted != false, "seed \(seed): \(node.name) has \(key.key) back")
                } else if let version, !version.isDeleted || simulation.deletions[key] ?? 0 < winner.timestamp {
                    #expect(version == winner, "seed \(seed): \(node.name) has another \(key.key)")
                } else {
                    // One that was deleted and swept where nobody could hear of it may be gone, too.
                    #expect(
                        simulation.deletions[key] ?? 0 > winner.timestamp, "seed \(seed): \(node.name) lacks \(key.key)"
                    )
                }
            }
        }
        for node in simulation.nodes {
            #expect(node.machine.fence?.reason == nil, "seed \(seed): \(node.name) is still fenced")
        }
        #expect(simulation.busyLoops == 0, "seed \(seed)")
    }
}

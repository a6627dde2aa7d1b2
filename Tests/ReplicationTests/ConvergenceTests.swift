import LMDB
import TestSupport
import Testing

@testable import Replication

/// The promise that everything else is built on: whatever happens on the way, all instances end equal, with
/// nothing newer lost.
/// One after another, and with breaks, so that tests in real time get their turn on the threads of the task pool.
@Suite(.serialized) struct ConvergenceTests {
    @Test(arguments: 0..<40)
    func randomHistoriesConverge(history: Int) async throws {
        let seed = UInt64.random(in: 0..<1_000_000)
        print("ConvergenceTests: history \(history), seed \(seed)")
        try await converge(seed: seed)
    }

    // Histories that once went wrong.
    @Test(arguments: [1, 2, 3, 523078, 156549] as [UInt64])
    func knownHistoriesConverge(seed: UInt64) async throws { try await converge(seed: seed) }

    /// With applications that keep no headers.
    @Test(arguments: 0..<20)
    func randomHistoriesWithShadowsConverge(history: Int) async throws {
        let seed = UInt64.random(in: 0..<1_000_000)
        print("ConvergenceTests: history \(history) with shadows, seed \(seed)")
        try await converge(seed: seed, schema: LMDB.Environment.shadows)
    }

    /// With an application that has the write lock for long most of the time.
    @Test(arguments: 0..<20)
    func randomHistoriesWithALockThatIsTakenConverge(history: Int) async throws {
        let seed = UInt64.random(in: 0..<1_000_000)
        print("ConvergenceTests: history \(history) with locks, seed \(seed)")
        try await converge(seed: seed, locks: 0.7)
    }

    @Test func thingsGoOnBesideAMergeThatWaits() async throws {
        let simulation = try await converge(seed: 4, locks: 0.7)
        #expect(simulation.waits > 10 && simulation.besides > 10)
    }

    @discardableResult
    private func converge(seed: UInt64, schema: Schema = .native, locks: Double = 0.1) async throws -> Simulation {
        let instances = Int(seed % 4) + 2
        let simulation = try Simulation(
            seed: seed, instances: instances, receivers: Int(seed / 4 % 2), schema: schema)
        simulation.faults.lock = locks
        // Some come later.
        var late = Set((1..<instances).filter { (seed >> UInt64($0)).isMultiple(of: 5) })
        // What one instance has at start differs from what the others have.
        for index in 0..<instances where seed.isMultiple(of: 3) || index == 0 {
            try simulation.write(index, clockStep: 1)
        }
        for index in simulation.nodes.indices where !late.contains(index) { simulation.start(index) }

        var random = SeededGenerator(seed: seed ^ 0xabcdef)
        for _ in 0..<60 {
            await Task.yield()
            try simulation.run(until: simulation.now + .milliseconds(Int64.random(in: 10...4000, using: &random)))
            let index = Int.random(in: 0..<instances, using: &random)
            switch Int.random(in: 0..<20, using: &random) {
            case 0: try simulation.restart(index, .keeping)
            case 1: try simulation.restart(index, .wiping)
            case 2: try simulation.storeDamaged(of: index)
            case 3: simulation.clean()
            case 4: try simulation.backUp(index)
            case 5 where simulation.nodes[index].backup != nil: try simulation.restart(index, .restoring)
            case 6: simulation.nodes[index].clockError = Int64.random(in: -3600...60, using: &random) * 1_000_000_000
            case 7:
                if let index = late.popFirst() { simulation.start(index) }
            default:
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    try simulation.write(index, clockStep: 2_000_000_000)
                }
            }
        }
        for index in late { simulation.start(index) }
        simulation.faults = .init(listing: 0, download: 0, store: 0, capture: 0)
        try simulation.run(until: simulation.now + .seconds(120))

        // One that only runs once gets everything, adds its own and ends.
        let once = try simulation.add(once: true)
        try simulation.write(once, clockStep: 1)
        simulation.start(once)
        try simulation.run(until: simulation.now + .seconds(60))
        #expect(simulation.nodes[once].isFinished, "seed \(seed)")

        let first = try simulation.versions(simulation.nodes[0])
        for node in simulation.nodes {
            let contents = try simulation.versions(node)
            #expect(contents == first, "seed \(seed): \(node.name) differs")
            if schema.hasShadows {
                #expect(try node.environment.main() == contents.live, "seed \(seed): \(node.name), its application")
            }
            #expect(node.isStarted, "seed \(seed): \(node.name) never completed its start-up")
            #expect(
                node.receiveOnly || node.machine.sender.isDone, "seed \(seed): \(node.name) has something left to send")
            // Nobody sends because of what it received.
            let most = node.receiveOnly ? 0 : node.reasonsToSend
            #expect(node.sends <= most, "seed \(seed): \(node.name)")
        }
        #expect(simulation.busyLoops == 0, "seed \(seed)")
        // Everything that ever reached the storage is there, or something newer is.
        #expect(first == simulation.stored, "seed \(seed): something newer was lost")

        // Applying everything once more changes nothing, not even the transaction ID.
        for node in simulation.nodes {
            let before = node.environment.info.lastTransactionID
            for (_, body) in simulation.storage.sorted(by: { $0.key < $1.key }) {
                guard let plan = try? MergePlanner.plan(body, for: node.environment, rules: .init(schema: schema)).plan
                else {
                    continue
                }
                #expect(plan.isEmpty, "seed \(seed)")
                #expect(try Merge.apply(plan, to: node.environment, paddingBlock: false).transaction == nil)
            }
            #expect(node.environment.info.lastTransactionID == before)
        }
        return simulation
    }
}

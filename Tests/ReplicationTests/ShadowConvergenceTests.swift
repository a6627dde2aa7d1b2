import LMDB
import TestSupport
import Testing

@testable import Replication

/// What the application has is always the live part of the shadows, and all instances end equal, whatever the kinds of
/// keys, and whenever applications write.
@Suite(.serialized) struct ShadowConvergenceTests {
    @Test(arguments: 0..<30)
    func randomHistoriesConverge(history: Int) async throws {
        let seed = UInt64.random(in: 0..<1_000_000)
        print("ShadowConvergenceTests: history \(history), seed \(seed)")
        try await converge(seed: seed, comparesPages: !history.isMultiple(of: 3))
    }

    @Test(arguments: [1, 2, 3] as [UInt64], [false, true])
    func knownHistoriesConverge(seed: UInt64, comparesPages: Bool) async throws {
        let counts = try await converge(seed: seed, comparesPages: comparesPages)
        #expect((counts["captures by pages"] ?? 0 > 10) == comparesPages)
        for what in ["disturbed captures", "disturbed merges", "fast merges", "restarts", "dropped", "emptied"] {
            #expect(counts[what] ?? 0 > 0, "seed \(seed): no \(what)")
        }
    }

    @discardableResult
    private func converge(seed: UInt64, comparesPages: Bool) async throws -> [String: Int] {
        let world = try ShadowWorld(seed: seed, instances: Int(seed % 3) + 2, comparesPages: comparesPages)
        // What was there before the first start.
        for node in world.nodes where seed.isMultiple(of: 2) {
            for _ in 0..<10 { try world.applicationWrites(node) }
            try world.fill(node)
        }
        for _ in 0..<150 {
            await Task.yield()
            try world.step()
        }
        try world.settle()
        return world.counts
    }
}

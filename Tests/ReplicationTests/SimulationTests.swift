import Simulator
import Support
import Testing

/// Whole histories in simulated time: docs/testing.md. `make simulate` runs many more.
@Suite struct SimulationTests {
    /// A history blocks its thread, and waits for tasks: it must not take one of Swift's own pool.
    private static let threads = BlockingPool(label: "simulation", width: 2)

    @Test(arguments: UInt64(0)..<300)
    func historiesKeepAllPromises(seed: UInt64) async throws {
        try await Self.threads.run { _ in try World(.drawn(seed: seed)).run() }
    }

    /// An application that has the write lock for long most of the time.
    @Test func readersGoOnBesideAMergeThatWaits() async throws {
        let counts = try await Self.threads.run { _ in try Self.countsWithLocks() }
        #expect(counts["waits for the lock"] ?? 0 > 10)
        #expect(counts["readers beside a writer"] ?? 0 > 10)
    }

    private static func countsWithLocks() throws -> [String: Int] {
        var counts: [String: Int] = [:]
        for seed in UInt64(0)..<10 {
            var scenario = Scenario.drawn(seed: seed)
            scenario.usesShadows = false
            scenario.faults.lock = 0.7
            let world = try World(scenario)
            try world.run()
            counts.merge(world.counts, uniquingKeysWith: +)
        }
        return counts
    }

    private static func step(_ number: Int, _ pause: Duration, _ member: Int, _ action: Scenario.Action)
        -> Scenario.Step
    {
        var step = Scenario.drawn(seed: 0).steps[0]
        (step.number, step.pause, step.member, step.action) = (number, pause, member, action)
        return step
    }

    /// Who was away for longer than deletions are kept sends nothing until it has been rebuilt.
    @Test(arguments: [false, true])
    func whoComesBackAfterTheRetentionBringsNothingBack(othersRestart: Bool) async throws {
        let isFenced = try await Self.threads.run { _ in try Self.absence(othersRestart: othersRestart) }
        #expect(isFenced == [true, false])
    }

    /// - Returns: whether sending was blocked before and after it was rebuilt.
    private static func absence(othersRestart: Bool) throws -> [Bool] {
        var scenario = Scenario(seed: 1)
        scenario.retention = .seconds(2000)
        scenario.members = [Scenario.Member(), Scenario.Member(), Scenario.Member()]
        let world = try World(scenario)
        try world.begin()
        try world.perform(step(0, .seconds(100), 0, .write(40)))
        try world.perform(step(1, .seconds(100), 2, .stop))
        // Deletions, which are swept before it comes back.
        try world.perform(step(2, .seconds(10), 0, .write(60)))
        try world.perform(step(3, .seconds(6000), 1, othersRestart ? .wipe : .restart))
        if othersRestart { try world.perform(step(4, .seconds(1), 0, .restart)) }
        try world.perform(step(5, .seconds(10), 2, .comeBack))
        try world.perform(step(6, .seconds(300), 2, .resync(fails: true)))
        let before = world.isFenced(2)
        try world.perform(step(7, .seconds(300), 2, .resync(fails: false)))
        try world.perform(step(8, .seconds(300), 0, .restart))
        let after = world.isFenced(2)
        try world.settle()
        return [before, after]
    }

    /// A log shows what happens, and a script says how it came about.
    @Test func aHistoryCanBeFollowed() async throws {
        let scenario = Scenario.drawn(seed: 8)
        let lines = try await Self.threads.run { _ in
            var lines: [String] = []
            try World(scenario) { lines.append($0) }.run()
            return lines
        }
        #expect(lines.contains { $0.contains("stored a snapshot") })
        #expect(scenario.script.hasPrefix("seed 8"))
    }

    /// The same seed is the same history.
    @Test func aSeedRepeatsItsHistory() throws {
        #expect(Scenario.drawn(seed: 12).script == Scenario.drawn(seed: 12).script)
        #expect(Scenario.drawn(seed: 12).script != Scenario.drawn(seed: 13).script)
    }
}

import Testing

@testable import Simulator

/// Two hosts of one name in one bucket, for hours of simulated time.
@Suite struct NamesakePairTests {
    private func pair() throws -> World {
        // Both have something at the start.
        var scenario = Scenario(seed: 3)
        scenario.members = [.init(), .init()]
        scenario.members[0].cleans = true
        scenario.members[1].isNamesake = true
        scenario.pollsEvery = .seconds(10)
        let world = try World(scenario)
        try world.begin()
        return world
    }

    private func perform(_ world: World, _ action: Scenario.Action, by member: Int, _ number: Int) throws {
        try world.perform(.init(number: number, pause: .zero, member: member, action: action))
    }

    private func run(_ world: World, _ seconds: Int) throws { try world.run(until: world.time.now + .seconds(seconds)) }

    /// Whether others get what both have.
    private func isWhole(_ world: World) -> Bool {
        world.published == world.contents(of: 0) && world.published == world.contents(of: 1)
    }

    @Test func twoHostsOfOneNameSendEverMoreRarelyAndAreReportedAllTheTime() throws {
        let world = try pair()
        try run(world, 120)
        #expect(isWhole(world) && !world.published.isEmpty)
        try run(world, 6 * 3600)
        for index in 0..<2 {
            // One each ten minutes and one more for the answer to it, not one a minute.
            let sends = world.sends(of: index)
            #expect((20...55).contains(sends), "\(sends)")
            #expect(world.namesakeChanges(of: index).count == 1, "\(world.namesakeChanges(of: index))")
        }
        // What is new goes out at once, and with what the other one holds soon after.
        try perform(world, .write(2), by: 0, 1)
        try run(world, 5)
        #expect(world.published == world.contents(of: 0))
        try perform(world, .write(2), by: 1, 2)
        try perform(world, .write(2), by: 0, 3)
        try run(world, 90)
        #expect(isWhole(world))
    }

    @Test(arguments: [(300, 1050), (6 * 3600, 1300)]) func theReportEndsWhenOneIsGone(
        after time: Int, atMost limit: Int
    ) throws {
        let world = try pair()
        try run(world, time)
        try perform(world, .stop, by: 1, 1)
        #expect(world.namesakeChanges(of: 0).count == 1)
        try run(world, limit + 60)
        #expect(world.namesakeChanges(of: 0).count == 2)
        // What is begun anew is answered as quickly as the first time.
        try perform(world, .comeBack, by: 1, 2)
        try perform(world, .write(2), by: 1, 3)
        try run(world, 90)
        #expect(world.namesakeChanges(of: 0).count == 3 && isWhole(world))
    }

    @Test func anEmptyHostNoticesTheOtherOneAndGetsWhatItHas() throws {
        var scenario = Scenario(seed: 1)
        scenario.members = [.init(), .init()]
        scenario.members[1].isNamesake = true
        let world = try World(scenario)
        // Only the first one has something, and stores it when the other one has listed the storage.
        try world.begin()
        try run(world, 120)
        #expect(world.namesakeChanges(of: 0).count == 1 && world.namesakeChanges(of: 1).count == 1)
        #expect(isWhole(world) && !world.published.isEmpty)
    }
}

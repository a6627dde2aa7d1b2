import BlobStorage
import TestSupport

/// What happens in one simulated history: who takes part, what they do and what goes wrong.
///
/// A scenario is data, so that a history that fails can be made shorter and printed.
package struct Scenario: Sendable {
    /// One instance.
    package struct Member: Sendable, Equatable {
        /// Whether it only receives.
        package var isReceiver = false
        /// How far its clock is ahead.
        package var clockError = Duration.zero
        /// When it is started for the first time.
        package var start = Duration.zero
        /// Whether it removes old snapshots.
        package var cleans = false
        /// Whether its LMDB has room for little until the end.
        package var hasSmallMap = false
        /// Who inspects its merges.
        package var inspection = Inspection.none
        /// Whether it has the name of the first one by mistake.
        package var isNamesake = false
        /// Whether it reads and writes deltas.
        package var usesDeltas = false
        /// An instance that takes part.
        package init() {}
    }

    /// What an inspector does with merges.
    package enum Inspection: Sendable, Equatable { case none, counts, holds }

    /// What somebody does.
    package enum Action: Sendable, Equatable {
        /// The application writes or deletes so many entries.
        case write(Int)
        /// The application drops its DBI `scratch`.
        case dropDatabase
        /// The process ends, and is started again at once.
        case restart
        /// The same, with an empty LMDB.
        case wipe
        /// The LMDB file is copied.
        case backUp
        /// The process ends, and is started again with the copy.
        case restore
        /// The process ends.
        case stop
        /// It is started again.
        case comeBack
        /// A damaged copy of its newest snapshot appears under a newer name.
        case damageNewest
        /// Its clock jumps.
        case jumpClock(Duration)
        /// The storage can't be reached.
        case cutOff
        /// It can again, and so can objects.
        case reconnect
        /// No object can be downloaded.
        case blockDownloads
        /// The operator runs `resync` where sending is blocked; it ends early.
        case resync(fails: Bool)
    }

    /// One action.
    package struct Step: Sendable, Equatable {
        /// The number by which its random choices are made, whatever happens before it.
        package var number: Int
        /// How much time passes before it.
        package var pause: Duration
        /// Whose it is.
        package var member: Int
        /// What happens.
        package var action: Action
    }

    /// How often something goes wrong, 0...1.
    package struct Faults: Sendable, Equatable {
        /// A listing fails.
        package var listing = 0.0
        /// A listing shows the storage as it was some time ago.
        package var staleListing = 0.0
        /// A download fails.
        package var download = 0.0
        /// An object that was listed can't be found.
        package var missing = 0.0
        /// A download is cut short, or one bit of it is wrong.
        package var garbled = 0.0
        /// An upload fails, and nothing is stored.
        package var upload = 0.0
        /// An upload is reported as failed, and is stored all the same.
        package var uploadDone = 0.0
        /// The same, minutes later.
        package var uploadLate = 0.0
        /// The process ends before an effect.
        package var kill = 0.0
        /// The application has the write lock for long.
        package var lock = 0.0
        /// The update marker can't be written.
        package var marker = 0.0
        /// Nothing goes wrong.
        package init() {}

        /// Each kind by its name, for a history that is made shorter.
        package static let kinds: [(name: String, path: WritableKeyPath<Faults, Double> & Sendable)] = [
            ("listing", \.listing), ("staleListing", \.staleListing), ("download", \.download), ("missing", \.missing),
            ("garbled", \.garbled), ("upload", \.upload), ("uploadDone", \.uploadDone), ("uploadLate", \.uploadLate),
            ("kill", \.kill), ("lock", \.lock),
        ]
        /// Those that a history is made shorter by.
        static let all = kinds + [("marker", \.marker)]
    }

    /// How changes become known before a listing shows them.
    package struct Hints: Sendable, Equatable {
        /// The sources of those that no connection announces, by member.
        package var sources: [HintSource] = [.fileSystem]
        /// How often a hint is lost, late or repeated.
        package var lost = 0.0
        package var late = 0.0
        package var repeated = 0.0
        /// How often there is a wrong one.
        package var wrong = 0.0
        /// How long a connection lasts at most, and how long there is none; 0 if there are none.
        package var feedSeconds = 0.0
        /// Some are lost.
        package init() {}
    }

    /// The seed that everything else is drawn from.
    package var seed: UInt64
    /// Whether applications keep no versions.
    package var usesShadows = false
    /// How long Deleted entries are kept; nil for ever.
    package var retention: Duration?
    /// Whether the storage tells its time.
    package var storageHasClock = true
    /// How coarse the clocks of applications are, in nanoseconds.
    package var clockStep: UInt64 = 1
    /// Who takes part.
    package var members: [Member] = []
    /// What happens.
    package var steps: [Step] = []
    /// What goes wrong.
    package var faults = Faults()
    /// Whether all maintain the update marker.
    package var usesMarker = false
    /// How often the storage is listed; nil for what suits the retention.
    package var pollsEvery: Duration?
    /// How changes become known.
    package var hints = Hints()
    /// Whether in the end somebody joins who runs only once.
    package var endsWithOnce = false

    /// Whether the clocks are right, but for some seconds.
    var hasRightClocks: Bool {
        func isRight(_ error: Duration) -> Bool { abs(error / .seconds(1)) < 10 }
        return members.allSatisfy { isRight($0.clockError) }
            && steps.allSatisfy { if case .jumpClock(let error) = $0.action { isRight(error) } else { true } }
    }

    /// Whether a clock is set while the history runs.
    var setsClocks: Bool { steps.contains { if case .jumpClock = $0.action { true } else { false } } }

    /// How often the storage is listed. Those with one name have to see each other's snapshots soon.
    package var pollInterval: Duration {
        pollsEvery ?? (retention == nil || hasNamesakes ? .seconds(8) : .seconds(50))
    }

    /// Whether the LMDB of somebody who holds entries back is replaced, or somebody whose entries are held back may have to be
    /// rebuilt after an absence.
    var holdersLose: Bool {
        steps.contains { step in
            switch step.action {
            case .wipe, .restore, .resync: members[step.member].inspection == .holds
            case .cutOff, .stop: retention != nil
            default: false
            }
        }
    }

    /// Whether two have the same name.
    var hasNamesakes: Bool { members.dropFirst().contains { $0.isNamesake } }

    /// Whether somebody else has the name of a member.
    func isShared(_ member: Int) -> Bool {
        hasNamesakes && members.indices.contains(member) && (member == 0 || members[member].isNamesake)
    }

    /// A scenario in which nothing happens.
    package init(seed: UInt64) { self.seed = seed }
}

extension Scenario {
    /// Draws a scenario.
    package static func drawn(seed: UInt64) -> Scenario {
        var random = SeededGenerator(seed: seed &* 0x9e37_79b9_7f4a_7c15 ^ 0x5ce2_a210)
        var scenario = Scenario(seed: seed)
        scenario.usesShadows = random.chance(0.25)
        if random.chance(0.4) { scenario.retention = .seconds(2000) }
        scenario.storageHasClock = random.chance(0.5)
        if scenario.retention == nil, random.chance(0.5) { scenario.clockStep = 2_000_000_000 }
        scenario.endsWithOnce = random.chance(0.15)
        for index in 0..<pick([1, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 5, 6], &random) {
            scenario.members.append(member(index, in: scenario, &random))
        }
        for (_, path) in Faults.kinds where random.chance(0.3) {
            scenario.faults[keyPath: path] = Double.random(in: 0.02...0.2, using: &random)
        }
        if scenario.faults.kill > 0 { scenario.faults.kill /= 50 }
        if scenario.faults.lock > 0, random.chance(0.3) { scenario.faults.lock = 0.7 }
        for number in 0..<pick([2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 20], &random) {
            scenario.steps.append(step(number, in: scenario, &random))
        }
        scenario.drawRareThings(&random)
        return scenario
    }

    /// What only some histories have.
    private mutating func drawRareThings(_ random: inout SeededGenerator) {
        usesMarker = random.chance(0.2)
        if usesMarker, random.chance(0.5) { faults.marker = Double.random(in: 0.05...0.5, using: &random) }
        if random.chance(0.1) {
            let index = Int.random(in: 0...steps.count, using: &random)
            func insert(_ number: Int, _ action: Action, at index: Int) {
                let member = Int.random(in: members.indices, using: &random)
                steps.insert(Step(number: number, pause: .seconds(1), member: member, action: action), at: index)
            }
            insert(1000, .blockDownloads, at: index)
            // Nobody there can tell whether the newest snapshot is good.
            if random.chance(0.7) { insert(1001, .damageNewest, at: index + 1) }
        }
        for index in members.indices { members[index].usesDeltas = random.chance(0.75) }
        if members.count > 1, random.chance(0.06) { drawNamesake(&random) }
        if let retention {
            if random.chance(0.08) { drawOutage(of: retention, &random) }
        } else if members.count > 1, !hasNamesakes, random.chance(0.04) {
            drawDeparture(&random)
        }
        drawHints(&random)
    }

    private mutating func drawHints(_ random: inout SeededGenerator) {
        hints.sources = Self.pick(
            [[.fileSystem], [.peer], [.peer, .webhook], [.webhook, .peer, .fileSystem]], &random)
        for path in [\Hints.lost, \.late, \.repeated, \.wrong] where random.chance(0.4) {
            hints[keyPath: path] = Double.random(in: 0.05...0.5, using: &random)
        }
        if random.chance(0.4) { hints.feedSeconds = Self.pick([5, 60, 600], &random) }
    }

    /// The storage can't be reached for longer than deletions are kept, and somebody writes: when nobody else can load it any more,
    /// when the outage begins, or towards its end.
    private mutating func drawOutage(of retention: Duration, _ random: inout SeededGenerator) {
        let writer = Int.random(in: members.indices, using: &random)
        let length = retention + .seconds(Int64.random(in: 1...200, using: &random))
        let time = Int.random(in: 0...2, using: &random)
        let write = Step(number: 2100, pause: time == 2 ? length : .seconds(20), member: writer, action: .write(3))
        func cutOff(_ member: Int) -> Step {
            Step(number: 2000 + member, pause: .seconds(time == 0 ? 10 : 1), member: member, action: .cutOff)
        }
        var outage = members.indices.filter { $0 != writer }.map(cutOff)
        outage += time == 0 ? [write, cutOff(writer)] : [cutOff(writer), write]
        for member in members.indices {
            let pause: Duration = member > 0 ? .seconds(1) : time == 2 ? .seconds(20) : length
            outage.append(Step(number: 2200 + member, pause: pause, member: member, action: .reconnect))
        }
        let index = Int.random(in: 0...steps.count, using: &random)
        if time < 2, random.chance(0.5) {
            // Snapshots follow each other before the others see that there was one.
            for number in 0..<3 {
                let pause = Duration.seconds(Int64.random(in: 5...25, using: &random))
                outage.append(Step(number: 2300 + number, pause: pause, member: writer, action: .write(2)))
            }
            members[writer].usesDeltas = false
        }
        steps.insert(contentsOf: outage, at: index)
        // Who stays must be able to load what is there.
        for index in members.indices { members[index].hasSmallMap = false }
    }

    /// Somebody writes and leaves for so long that a cleaner takes it for gone; mostly the others hold some of its entries back.
    private mutating func drawDeparture(_ random: inout SeededGenerator) {
        let gone = Int.random(in: members.indices, using: &random)
        let isHeld = random.chance(0.7)
        for index in members.indices {
            // Only then the time is short.
            members[index].clockError = .zero
            members[index].hasSmallMap = false
            guard index != gone else { continue }
            members[index].cleans = true
            if isHeld { members[index].inspection = .holds }
        }
        members[gone].isReceiver = false
        // What is held back is lost with the LMDB.
        for index in steps.indices {
            switch steps[index].action {
            case .wipe, .restore, .jumpClock, .cutOff: steps[index].action = .restart
            default: break
            }
        }
        let others = members.indices.filter { $0 != gone }
        steps.append(Step(number: 2400, pause: .seconds(10), member: gone, action: .comeBack))
        for member in others {
            steps.append(Step(number: 2410 + member, pause: .seconds(1), member: member, action: .comeBack))
        }
        steps.append(Step(number: 2420, pause: .seconds(10), member: gone, action: .write(4)))
        steps.append(Step(number: 2421, pause: .seconds(20), member: gone, action: .stop))
        for (number, member) in (others + others).enumerated() {
            let pause = Duration.seconds(Int64.random(in: 40...120, using: &random))
            steps.append(Step(number: 2430 + number, pause: pause, member: member, action: .write(1)))
        }
    }

    /// Somebody has the name of the first one.
    private mutating func drawNamesake(_ random: inout SeededGenerator) {
        let namesake = Int.random(in: 1..<members.count, using: &random)
        members[namesake].isNamesake = true
        members[namesake].isReceiver = false
        // Names tell which of two came first: a host whose first listing began after the time in a name that it does not show yet, or
        // whose clock is ahead of the other one's, takes that snapshot for one of its own earlier runs.
        for index in [0, namesake] { members[index].clockError = .zero }
        members[random.chance(0.5) ? 0 : namesake].start = .seconds(Int64.random(in: 5...60, using: &random))
        // Of two with one name, one may have hidden what the other one has sent, and only its LMDB holds it then.
        for index in steps.indices where isShared(steps[index].member) {
            switch steps[index].action {
            case .wipe, .restore, .resync, .jumpClock: steps[index].action = .restart
            default: break
            }
        }
    }

    private static func pick<T>(_ items: [T], _ random: inout SeededGenerator) -> T {
        items[Int.random(in: items.indices, using: &random)]
    }

    private static func member(
        _ index: Int, in scenario: Scenario, _ random: inout SeededGenerator
    ) -> Member {
        var member = Member()
        member.isReceiver = index > 0 && random.chance(0.15)
        member.clockError = clockError(in: scenario, &random)
        if index > 0, random.chance(0.2) { member.start = .seconds(Int64.random(in: 5...60, using: &random)) }
        member.cleans = random.chance(0.5)
        member.hasSmallMap = random.chance(0.03)
        member.inspection = pick([.none, .none, .none, .counts, .counts, .holds], &random)
        return member
    }

    /// With a sweeper clocks have to be right to some seconds: docs/deletions.md.
    private static func clockError(in scenario: Scenario, _ random: inout SeededGenerator) -> Duration {
        guard random.chance(0.5) else { return .zero }
        return scenario.retention == nil
            ? .seconds(Int64.random(in: -3600...60, using: &random))
            : .milliseconds(Int64.random(in: -8000...8000, using: &random))
    }

    private static func step(
        _ number: Int, in scenario: Scenario, _ random: inout SeededGenerator
    ) -> Step {
        let member = Int.random(in: scenario.members.indices, using: &random)
        let hasSweeper = scenario.retention != nil
        var pause = Duration.milliseconds(Int64.random(in: 1...4000, using: &random))
        if hasSweeper {
            pause = .seconds(
                random.chance(0.7)
                    ? Int64.random(in: 1...60, using: &random) : Int64.random(in: 60...600, using: &random))
        }
        let action: Action =
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<4: .restart
            case 4..<7: .wipe
            case 7..<11: .backUp
            case 11..<14: .restore
            case 14..<20: .stop
            case 20..<27: .comeBack
            case 27..<30: .damageNewest
            case 30..<33: .jumpClock(clockError(in: scenario, &random))
            case 33..<36: .cutOff
            case 36..<40: .reconnect
            case 40..<42: .dropDatabase
            case 42..<50 where hasSweeper: .resync(fails: random.chance(0.3))
            default: .write(Int.random(in: 1...3, using: &random))
            }
        return Step(number: number, pause: pause, member: member, action: action)
    }
}

extension SeededGenerator {
    /// True so often.
    package mutating func chance(_ probability: Double) -> Bool {
        probability > 0 && Double.random(in: 0..<1, using: &self) < probability
    }
}

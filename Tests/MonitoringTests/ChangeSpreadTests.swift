import Observability
import Replication
import Snapshots
import Support
import TestSupport
import Testing

@testable import Monitoring

/// Who has a change, by their state objects.
@Suite struct ChangeSpreadTests {
    private var log = TransactionLog()

    private func state(
        _ instance: String, _ applied: [String: Int], health: String = "OK", at time: Int = 1000
    ) -> InstanceState {
        let applied = applied.map { ($0, snapshot($0, $1).description) }
        return InstanceState(
            instance: instance, hostname: "", software: "", time: WallTime.test(time), sent: nil,
            applied: Dictionary(uniqueKeysWithValues: applied), covered: nil, health: health)
    }

    private func spread(
        _ need: Need, _ states: [InstanceState], others: Set<String> = [], written: [String: UInt64] = [:],
        objects: Set<String> = [], senseless: [String: String] = [:], publishers: Set<String> = [],
        except: Set<String> = []
    ) -> ChangeSpread {
        let states = Dictionary(uniqueKeysWithValues: states.map { ($0.instance, $0) })
        return ChangeSpread(
            of: need, log,
            .init(
                database: "main", own: "own", instances: others.union(states.keys).union(["own"]), states: states,
                stateTimes: written, objects: objects.union(states.keys), senseless: senseless, publishers: publishers,
                silent: [], except: except))
    }

    private mutating func send(_ sends: [(UInt64, Int)]) {
        for (index, (transaction, position)) in sends.enumerated() {
            log.handle(.stored(.test(snapshot("own", position), through: transaction, isDelta: index > 0)))
        }
    }

    @Test mutating func whoHasReachedThePositionHasIt() {
        send([(1, 10), (2, 20), (3, 30)])
        let found = spread(
            Need(local: 2),
            [state("b", ["own": 20]), state("c", ["own": 10]), state("d", ["own": 30]), state("e", [:])])
        #expect(found.isSent && !found.isComplete)
        #expect(found.position == snapshot("own", 20))
        #expect(found.merged == ["b", "d"])
        #expect(found.waiting.map(\.instance) == ["c", "e"])
        #expect(spread(Need(local: 2), [state("b", ["own": 20])]).isComplete)
        // Alone.
        #expect(spread(Need(local: 2), []).isComplete)
    }

    @Test mutating func whatIsNotSentNobodyHas() {
        send([(1, 10)])
        #expect(!spread(Need(local: 2), [state("b", ["own": 10])]).isSent)
        #expect(!spread(Need(local: 2), []).isComplete)
    }

    @Test mutating func theAuthorHasItAndOthersNeedItsPosition() {
        send([(1, 10)])
        let need = Need(others: ["b": snapshot("b", 15).timestamp])
        let found = spread(need, [state("b", [:]), state("c", ["b": 15]), state("d", ["b": 14, "own": 10])])
        #expect(found.merged == ["b", "c"])
        #expect(found.waiting.map(\.instance) == ["d"])
        #expect(found.position == nil)
    }

    @Test mutating func aStateThatIsNotReadYetMayMiss() {
        send([(1, 10)])
        let found = spread(Need(local: 1), [], others: ["b", "c"], objects: ["b"])
        #expect(found.unread == ["b"] && found.unknown == ["c"])
        #expect(!found.isComplete)
        #expect(spread(Need(local: 1), [], others: ["c"]).isComplete)
    }

    /// Whatever is in its state object, or in that of the other database: the instance may serve the zone.
    @Test mutating func onlyWhoPublishesNothingIsUnknown() {
        send([(1, 10)])
        let reason = "its state object is not valid"
        let broken = spread(Need(local: 1), [], others: ["d"], objects: ["d"], senseless: ["d": reason])
        #expect(broken.unknown == [] && broken.waiting.map(\.instance) == ["d"] && broken.waiting[0].reason == reason)
        #expect(!broken.isComplete)
        // It publishes a state of the main database only, with a snapshot of this one or without.
        for others in [["e"], []] as [Set<String>] {
            let partial = spread(Need(local: 1), [], others: others, publishers: ["e"])
            #expect(partial.unknown == [] && partial.waiting.map(\.instance) == ["e"] && !partial.isComplete)
        }
        let excepted = spread(
            Need(local: 1), [state("b", [:])], others: ["d"], objects: ["d"], senseless: ["d": reason],
            publishers: ["e"],
            except: ["b", "d", "e", "f"])
        #expect(excepted.isComplete && excepted.leftOut == ["b", "d", "e"] && excepted.merged == [])
    }

    @Test mutating func whatCannotBeIsIgnored() {
        send([(1, 10), (2, 20)])
        // A position that was never sent; a state from before the change; one whose object is older.
        #expect(!spread(Need(local: 1), [state("b", ["own": 25])]).isComplete)
        #expect(!spread(Need(local: 1), [state("b", ["own": 15])]).isComplete)
        #expect(!spread(Need(local: 1), [state("b", ["own": 10], at: -1000)]).isComplete)
        #expect(!spread(Need(local: 1), [state("b", ["own": 10])], written: ["b": 1]).isComplete)
        #expect(spread(Need(local: 1), [state("b", ["own": 10], health: InstanceState.stopped)]).isComplete)
        #expect(
            spread(Need(local: 2), [state("b", ["own": 10], health: InstanceState.stopped)]).waiting[0].reason
                .contains("it was stopped"))
    }

    @Test mutating func whatAnInstanceThatIsGoneHasWrittenComesFromUs() {
        log.handle(listing([snapshot("own", 1), snapshot("b", 1)]))
        send([(1, 10)])
        log.handle(listing([snapshot("own", 1)]))
        let need = Need(others: ["b": snapshot("b", 5).timestamp])
        let before = spread(need, [state("c", ["own": 10])])
        #expect(!before.isSent && before.obstacle?.contains("b is no longer in the storage") == true)
        log.handle(.stored(.test(snapshot("own", 20), through: 2, isDelta: false)))
        #expect(!spread(need, [state("c", ["own": 10])]).isComplete)
        #expect(spread(need, [state("c", ["own": 20])]).isComplete)
    }

    // MARK: Against a model

    /// It never says yes before all have the entries, and it says yes in the end.
    @Test(arguments: 0..<300) func model(seed: Int) {
        var world = World(seed: UInt64(seed))
        for _ in 0..<200 { world.step() }
        world.settle()
        #expect(world.early == 0)
        #expect(world.missing.isEmpty, "\(world.missing)")
        #expect(world.answers > 0)
    }
}

extension WallTime {
    static func test(_ seconds: Int) -> String {
        WallTime(nanosecondsSinceEpoch: TestClock.nanoseconds(.seconds(seconds))).rfc3339(digits: 3)
    }
}

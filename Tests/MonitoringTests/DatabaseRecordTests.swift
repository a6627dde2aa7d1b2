import Observability
import Replication
import Snapshots
import Support
import Testing

@testable import Monitoring

/// What is remembered of syncing, under simulated time.
@Suite struct DatabaseRecordTests {
    private let clock = TestClock()

    private func record(receiveOnly: Bool = false) -> DatabaseRecord {
        DatabaseRecord(name: "main", own: "own", receiveOnly: receiveOnly, at: clock.now)
    }

    private func report(_ record: inout DatabaseRecord, _ states: [String: InstanceState] = [:])
        -> StatusReport.Database
    {
        StatusReport.Database(&record, path: "/x", lmdb: nil, lastTransaction: 9, states: states, at: clock.now)
    }

    @Test func lagLastsFromTheFirstSnapshotThatWaitsToTheMerge() {
        var record = record()
        record.handle(listing([snapshot("a", -100)]), at: clock.now)
        clock.advance(.seconds(10))
        record.handle(listing([snapshot("a", -100), snapshot("a", 5)]), at: clock.now)
        clock.advance(.seconds(2))
        #expect(report(&record).instances[0].lag == 12)
        record.handle(.merged(.init(snapshot("a", -100))), at: clock.now)
        #expect(report(&record).instances[0].lag == 12)
        record.handle(.merged(.init(snapshot("a", 5))), at: clock.now)
        let instance = report(&record).instances[0]
        #expect(instance.lag == 0)
        #expect(instance.newest?.name == snapshot("a", 5).description)
        #expect(instance.newest?.time == "2026-11-21T00:00:05.000Z")
        #expect(instance.merged?.name == snapshot("a", 5).description)
        #expect(instance.mergedAt == "2026-11-21T00:00:12.000Z")
        clock.advance(.seconds(3))
        record.handle(listing([snapshot("a", 5), snapshot("a", 14)]), at: clock.now)
        clock.advance(.seconds(1))
        #expect(report(&record).instances[0].lag == 1)
    }

    @Test func whatLiesInTheFarFutureIsNobodysNewest() {
        var record = record()
        let far = SnapshotName(database: "main", instance: "a", timestamp: .max)
        record.handle(listing([snapshot("a", 5), far]), at: clock.now)
        record.handle(.merged(.init(far)), at: clock.now)
        #expect(report(&record).instances[0].newest?.name == snapshot("a", 5).description)
        #expect(report(&record).instances[0].lag == 0)
        clock.advance(.seconds(2))
        #expect(report(&record).instances[0].lag == 2)
        #expect(record.applied.isEmpty)
        record.handle(.merged(.init(snapshot("a", 5))), at: clock.now)
        record.handle(.merged(.init(far)), at: clock.now)
        #expect(report(&record).instances[0].lag == 0)
        #expect(report(&record).instances[0].merged?.name == snapshot("a", 5).description)
        record.handle(.progressed(.init(merged: [snapshot("a", 5)])), at: clock.now)
        #expect(record.applied == ["a": snapshot("a", 5)])
        record.handle(listing([SnapshotName(database: "main", instance: "own", timestamp: .max)]), at: clock.now)
        #expect(record.sent == nil)
    }

    @Test func latencyIsThatOfSnapshotsThatCameWhileWeRan() {
        var record = record()
        record.handle(listing([snapshot("a", -1000)]), at: clock.now)
        record.handle(.merged(.init(snapshot("a", -1000))), at: clock.now)
        #expect(report(&record).instances[0].latency == nil)
        #expect(report(&record).history.last?.latency == nil)
        record.handle(listing([snapshot("a", 10), snapshot("b", 12)]), at: clock.now)
        clock.advance(.seconds(13))
        record.handle(.merged(.init(snapshot("a", 10), written: 4)), at: clock.now)
        record.handle(.merged(.init(snapshot("b", 12), written: 5)), at: clock.now)
        #expect(report(&record).instances.map(\.latency) == [3, 1])
        let minute = report(&record).history.last
        #expect(minute?.merges == 3 && minute?.entries == 10 && minute?.latency == 3)
        #expect(minute?.time == "2026-11-21T00:00:00Z")
    }

    private func state(_ instance: String, health: String = "OK", interval: Int? = nil) -> InstanceState {
        InstanceState(
            instance: instance, hostname: "", software: "", time: "", sent: nil, applied: [:], covered: nil,
            health: health, interval: interval)
    }

    @Test func whoHasMissedThreePublicationsIsSilent() {
        var record = record()
        let names = ["main__a.state", "main__b.state", "main__c.state", "main__d.state", "main__own.state"]
        let states = ["a": state("a"), "b": state("b", interval: 0), "c": state("c", health: "Warning", interval: 300)]
        let limit = Duration.seconds(15 * 60)
        func listen(_ time: Duration) -> Bool {
            record.handle(
                listing([snapshot("a", 1), snapshot("go", 1)], others: names, written: .zero, at: time), at: clock.now)
            return record.listen(to: states, at: TestClock.nanoseconds(time), senseless: ["d"])
        }
        #expect(!listen(limit))
        #expect(record.silent.isEmpty)
        // Whoever says that nothing follows, or nothing that makes sense, is not judged; nor is who has no state object.
        #expect(!listen(limit + .seconds(1)))
        #expect(record.silent == ["a": limit + .seconds(1), "c": limit + .seconds(1)])
        let shown = report(&record, states).instances
        #expect(shown.map(\.name) == ["a", "b", "c", "go"])
        #expect(shown.map(\.health) == ["Silent", "OK", "Silent", nil])
        #expect(
            shown.map(\.lastHeard) == [
                "2026-11-21T00:00:00.000Z", "2026-11-21T00:00:00.000Z", "2026-11-21T00:00:00.000Z", nil,
            ])
        // What is not known yet has to be asked for.
        let isUnknown = record.listen(to: [:], at: TestClock.nanoseconds(limit + .seconds(2)), senseless: ["d"])
        #expect(isUnknown)
        #expect(record.silent.isEmpty)
    }

    @Test func whatKeepsChangesFromBeingSentIsTold() {
        var record = record()
        record.handle(.sendFailed("HTTP 500"), at: clock.now)
        #expect(report(&record).unsent == true && report(&record).unsentReason == "HTTP 500")
        record.handle(.settled(transaction: 9), at: clock.now)
        #expect(report(&record).unsent == false && report(&record).unsentReason == nil)
    }

    @Test func ourOwnClockIsShown() {
        var record = record()
        record.handle(listing([snapshot("own", 1)]), at: clock.now)
        #expect(report(&record).instances[0].clockSkew == nil)
        record.handle(.ownClock(ahead: .seconds(-7), exceeds: true), at: clock.now)
        #expect(report(&record).instances[0].clockSkew == -7)
    }

    @Test func ourOwnAreNeverBehindOnceStarted() {
        var record = record()
        record.handle(listing([snapshot("own", -5)]), at: clock.now)
        #expect(report(&record).sent?.name == snapshot("own", -5).description)
        clock.advance(.seconds(1))
        #expect(report(&record).instances[0].lag == 1)
        record.handle(.merged(.init(snapshot("own", -5))), at: clock.now)
        record.handle(.started, at: clock.now)
        record.handle(.stored(.init(snapshot("own", 1))), at: clock.now)
        record.handle(listing([snapshot("own", -5), snapshot("own", 1)]), at: clock.now)
        clock.advance(.seconds(1))
        let own = report(&record).instances[0]
        #expect(own.isOwn && own.lag == 0 && own.merged?.name == snapshot("own", 1).description)
        #expect(report(&record).sent?.name == snapshot("own", 1).description)
        // Who only receives takes everybody's.
        var receiver = self.record(receiveOnly: true)
        receiver.handle(.started, at: clock.now)
        receiver.handle(listing([snapshot("own", -5)]), at: clock.now)
        clock.advance(.seconds(1))
        #expect(report(&receiver).instances[0].lag == 1)
        #expect(report(&receiver).sent == nil && report(&receiver).unsent == nil)
    }

    @Test func theStateObjectSaysWhatIsMergedAndSentOn() {
        var record = record()
        record.handle(listing([snapshot("a", 1), snapshot("b", 1)]), at: clock.now)
        #expect(record.covered == nil)
        record.handle(.merged(.init(snapshot("a", 1))), at: clock.now)
        record.handle(.merged(.init(snapshot("b", 1))), at: clock.now)
        record.handle(.stored(.init(snapshot("own", 2))), at: clock.now)
        record.handle(
            .progressed(.init(merged: [snapshot("b", 1)], sent: snapshot("own", 2), covering: [snapshot("a", 1)])),
            at: clock.now)
        #expect(record.covered == ["a": snapshot("a", 1)])
        #expect(record.applied == ["a": snapshot("a", 1), "b": snapshot("b", 1)])
        record.handle(listing([snapshot("b", 1)]), at: clock.now)
        #expect(record.applied == ["b": snapshot("b", 1)])
    }

    /// A syncer tells of clocks before it tells of the listing.
    @Test func theClockOfANewInstanceIsKept() {
        var record = record()
        record.handle(.clockSkew(instance: "a", ahead: .seconds(9), exceeds: true), at: clock.now)
        record.handle(listing([snapshot("a", 1)]), at: clock.now)
        #expect(report(&record).instances.map(\.clockSkew) == [9])
        #expect(record.skewed == ["a": .seconds(9)])
    }

    @Test func localChangesAreUnsentUntilTheyAreSettled() {
        var record = record()
        #expect(report(&record).unsent == true)
        record.handle(.settled(transaction: 9), at: clock.now)
        #expect(report(&record).unsent == false)
        record.handle(.settled(transaction: 8), at: clock.now)
        #expect(report(&record).unsent == true)
    }

    @Test func whoHasGoneIsForgotten() {
        var record = record()
        record.handle(listing([snapshot("a", 1), snapshot("b", 1)]), at: clock.now)
        record.handle(.clockSkew(instance: "a", ahead: .seconds(9), exceeds: true), at: clock.now)
        record.handle(.refused(snapshot("a", 1), entries: 0, "bad", time: .zero), at: clock.now)
        #expect(report(&record).instances.map(\.clockSkew) == [9, nil])
        record.handle(listing([snapshot("b", 1)], size: 7), at: clock.now)
        #expect(record.instances.keys.sorted() == ["b"] && record.skewed.isEmpty)
        #expect(report(&record).storage?.snapshots == 1 && report(&record).storage?.bytes == 7)
    }

    @Test func activitiesAreTheLastOnesNewestFirst() {
        var record = record()
        for second in 0..<100 {
            record.handle(.merged(.init(snapshot("a", second), written: second)), at: clock.now)
        }
        record.handle(.stored(.init(snapshot("own", 200))), at: clock.now)
        let activities = report(&record).activities
        #expect(activities.count == DatabaseRecord.mostActivities)
        #expect(activities[0].kind == .send && activities[0].entries == 3 && activities[0].lock == nil)
        #expect(
            activities[1].kind == .merge && activities[1].changed == 99 && activities[0].changed == nil
                && activities[1].lock == 0.002)
        #expect(activities[1].duration == 0.004 && activities[1].instance == "a")
    }

    @Test func statesOfOthersAreShownAsFarAsTheyMakeSense() {
        var record = record()
        record.handle(listing([snapshot("a", 1)]), at: clock.now)
        func state(_ ours: String?, health: String) -> InstanceState {
            InstanceState(
                instance: "x", hostname: "", software: "", time: "", sent: nil,
                applied: ours.map { ["own": $0] } ?? [:],
                covered: nil, health: health)
        }
        let shown = report(
            &record,
            [
                "a": state(snapshot("own", 3).description, health: "Warning"),
                "b": state("<script>", health: "<b>"), "c": state(snapshot("else", 3).description, health: "OK"),
                "d": state(snapshot("own", 3, database: "shard").description, health: "OK"),
                "e": state(nil, health: "OK"),
            ]
        ).instances
        #expect(shown.map(\.name) == ["a", "b", "c", "d", "e"])
        #expect(shown.map(\.mergedOfOurs) == [snapshot("own", 3).description, nil, nil, nil, nil])
        #expect(shown.map(\.health) == ["Warning", nil, "OK", "OK", "OK"])
    }
}

@Suite struct HourHistoryTests {
    private func at(_ seconds: Int64) -> WallTime { WallTime(seconds: seconds) }

    @Test func itIsAlwaysAnHour() {
        var history = HourHistory(at: at(600))
        #expect(history.minutes(at: at(600)).count == 60)
        #expect(history.minutes(at: at(600)).last?.start == at(600))
        #expect(history.minutes(at: at(600)).first?.start == at(600 - 59 * 60))
        history.note(at: at(659)) { $0.merges += 1 }
        history.note(at: at(660)) { $0.merges += 2 }
        #expect(history.minutes(at: at(720)).suffix(3).map(\.minute.merges) == [1, 2, 0])
        #expect(history.minutes(at: at(600 + 59 * 60)).prefix(2).map(\.minute.merges) == [1, 2])
        #expect(history.minutes(at: at(600 + 60 * 60)).prefix(2).map(\.minute.merges) == [2, 0])
        #expect(history.minutes(at: at(100_000_000)).allSatisfy { $0.minute == .init() })
    }

    @Test func aClockThatIsSetBackStopsNothing() {
        var history = HourHistory(at: at(100_000))
        history.note(at: at(99_900)) { $0.merges += 1 }
        #expect(history.minutes(at: at(99_900)).last?.minute.merges == 1)
        history.note(at: at(-5000)) { $0.merges += 5 }
        #expect(history.minutes(at: at(-5000)).last?.minute.merges == 5)
        #expect(history.minutes(at: at(-5000)).dropLast().allSatisfy { $0.minute.merges == 0 })
    }
}

@Suite struct ProblemListTests {
    @Test func repetitionsAreOneProblem() {
        var list = ProblemList()
        list.add("a", database: "main", at: WallTime(seconds: 1))
        list.add("b", database: "main", at: WallTime(seconds: 2))
        list.add("a", database: "shard", at: WallTime(seconds: 3))
        list.add("a", database: "main", at: WallTime(seconds: 4))
        #expect(list.problems.map(\.text) == ["a", "a", "b"])
        #expect(list.problems.map(\.count) == [2, 1, 1])
        #expect(list.problems[0].time == "1970-01-01T00:00:04.000Z")
        for attempt in 1...3 {
            list.add(
                "cannot store \(snapshot("a", attempt))", database: "main", at: WallTime(seconds: 4))
        }
        #expect(list.problems[0].count == 3 && list.problems.count == 4)
        for number in 0..<1000 {
            list.add("\(number)" + String(repeating: "x", count: 5000), database: nil, at: WallTime(seconds: 5))
        }
        #expect(list.problems.count == ProblemList.most)
        #expect(list.problems.allSatisfy { $0.text.count <= ProblemList.longest + 1 })
    }
}

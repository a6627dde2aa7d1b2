import Snapshots
import Testing

@testable import Replication

@Suite struct ClockSkewWatchTests {
    private func names(_ instances: (String, UInt64)...) -> [SnapshotName] { instances.map { snapshot($0.0, $0.1) } }

    @Test func eachInstancesNewestIsMeasuredOnce() {
        var watch = ClockSkewWatch(tolerance: .nanoseconds(10))
        let first = watch.listed(names(("a", 100), ("a", 108), ("b", 90), ("c", 111)), at: 100)
        #expect(
            first == [
                .init(name: snapshot("a", 108), ahead: .nanoseconds(8), exceeds: false),
                .init(name: snapshot("b", 90), ahead: .zero, exceeds: false),
                .init(name: snapshot("c", 111), ahead: .nanoseconds(11), exceeds: true),
            ])
        // Time passes; what was there says nothing new.
        #expect(watch.listed(names(("a", 100), ("a", 108), ("b", 90), ("c", 111)), at: 105).isEmpty)
        #expect(
            watch.listed(names(("a", 108), ("b", 90), ("c", 112)), at: 112)
                == [.init(name: snapshot("c", 112), ahead: .zero, exceeds: false)])
    }

    @Test func aNameInTheFarFutureIsNoClocks() {
        var watch = ClockSkewWatch(tolerance: .nanoseconds(10))
        #expect(watch.listed(names(("a", 100), ("a", .max)), at: 100).map(\.ahead) == [.zero])
        #expect(watch.listed(names(("b", .max)), at: 100).isEmpty)
    }

    @Test func theToleranceItselfIsTolerated() {
        var watch = ClockSkewWatch(tolerance: .nanoseconds(10))
        #expect(watch.listed(names(("a", 110)), at: 100).map(\.exceeds) == [false])
        #expect(watch.listed(names(("a", 111)), at: 100).map(\.exceeds) == [true])
    }

    /// It may come back with a clock that is wrong.
    @Test func whoComesBackIsMeasuredAgain() {
        var watch = ClockSkewWatch(tolerance: .zero)
        #expect(watch.listed(names(("a", 110)), at: 100).count == 1)
        #expect(watch.listed([], at: 100).isEmpty)
        #expect(watch.listed(names(("a", 110)), at: 100).count == 1)
    }

    @Test func theEndOfTimeIsNoTrap() {
        var watch = ClockSkewWatch(tolerance: .seconds(5))
        #expect(watch.listed(names(("a", .max)), at: .max - 5).map(\.ahead) == [.nanoseconds(5)])
    }
}

@Suite struct EntryAgesTests {
    @Test func agesFallIntoClasses() {
        var ages = EntryAges()
        for age in [0, 10_000_000, 10_000_001, 2_592_000_000_000_000, 2_592_000_000_000_001, UInt64.max] {
            ages.add(nanoseconds: age)
        }
        #expect(ages.total == 6)
        #expect(ages.counts.count == EntryAges.bounds.count + 1)
        #expect(ages.counts[0] == 2 && ages.counts[1] == 1)
        #expect(ages.counts.suffix(2) == [1, 2])
        #expect(EntryAges.bounds == EntryAges.bounds.sorted())
    }

    @Test func whatWasWrittenIsAsOldAsTheEndSays() {
        let time = TestTime(100_000_000_000)
        var written = WrittenTimestamps(time.clock)
        written.note(100_000_000_000)
        written.note(99_000_000_000)
        written.note(200_000_000_000)
        time.set(101_000_000_000)
        let ages = written.finish()
        #expect(ages.total == 3 && ages.sum == 3)
        // One from the future has no age.
        #expect(ages.counts[0] == 1)
        #expect(ages.ahead == 99_000_000_000)
    }

    /// The first ones of very many count as of when they were written, so that memory stays bounded.
    @Test func veryManyAreCountedOnTheWay() {
        let time = TestTime(10)
        var written = WrittenTimestamps(time.clock)
        for _ in 0..<4096 { written.note(10) }
        written.note(10)
        time.set(1_000_000_010)
        let ages = written.finish()
        #expect(ages.total == 4097 && ages.sum == 1)
        #expect(ages.counts[0] == 4096)
    }
}

import Testing

@testable import Replication

struct HousekeepingTests {
    private static let interval = Duration.seconds(1)

    private static func next(poll: Int, tick: Int?, mayWait: Bool = true) -> Housekeeping.Alarm {
        Housekeeping.Alarm(
            poll: .milliseconds(poll), tick: tick.map { (.milliseconds($0), mayWait) }, interval: interval)
    }

    /// Otherwise an idle daemon wakes up twice in each interval.
    @Test(arguments: [900, 999, 1000, 1001, 1100])
    func aPollAndATickAtAboutTheSameTimeHappenTogether(tick: Int) {
        let alarm = Self.next(poll: 1000, tick: tick)
        #expect(alarm.time == .milliseconds(max(tick, 1000)))
        #expect(alarm.polls)
        #expect(alarm.ticks)
    }

    @Test func whatIsDueFirstHappensFirst() {
        let early = Self.next(poll: 1000, tick: 899)
        #expect(early.time == .milliseconds(899))
        #expect(!early.polls)
        #expect(early.ticks)
        for late in [Self.next(poll: 1000, tick: 1101), Self.next(poll: 1000, tick: nil)] {
            #expect(late.time == .milliseconds(1000))
            #expect(late.polls)
            #expect(!late.ticks)
        }
    }

    /// The end of a burst of changes, for example.
    @Test func aTickThatWasSetShortlyBeforeDoesNotWaitForAPoll() {
        let alarm = Self.next(poll: 1000, tick: 950, mayWait: false)
        #expect(alarm.time == .milliseconds(950))
        #expect(!alarm.polls)
        #expect(alarm.ticks)
    }
}

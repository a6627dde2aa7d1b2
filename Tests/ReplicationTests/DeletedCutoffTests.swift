import Testing

@testable import Replication

@Suite struct DeletedCutoffTests {
    static let day: UInt64 = 86_400_000_000_000
    static let now: UInt64 = 1_800_000_000_000_000_000

    @Test func isOffWithoutRetention() {
        #expect(DeletedCutoff(retention: nil).timestamp(at: Self.now) == 0)
        #expect(DeletedCutoff(retention: .zero).timestamp(at: Self.now) == 0)
        #expect(DeletedCutoff(retention: nil, margin: .seconds(5)).timestamp(at: Self.now) == 0)
    }

    @Test func isOnePercentYoungerThanTheRetention() {
        let cutoff = DeletedCutoff(retention: .seconds(86_400 * 100))
        #expect(cutoff.timestamp(at: Self.now) == Self.now - 99 * Self.day)
    }

    @Test func takesTheMarginThatWasSet() {
        let cutoff = DeletedCutoff(retention: .seconds(86_400 * 100), margin: .seconds(86_400 * 10))
        #expect(cutoff.timestamp(at: Self.now) == Self.now - 90 * Self.day)
    }

    @Test func marginIsAtMostThreeQuartersOfTheRetention() {
        let cutoff = DeletedCutoff(retention: .seconds(86_400 * 100), margin: .seconds(86_400 * 99))
        #expect(cutoff.timestamp(at: Self.now) == Self.now - 25 * Self.day)
    }

    @Test(arguments: [0, 1, 999] as [UInt64])
    func aClockNearTheEpochAddsAll(now: UInt64) {
        #expect(DeletedCutoff(retention: .seconds(86_400)).timestamp(at: now) == 0)
    }

    @Test(arguments: [0, 1, UInt64(Int64.max), .max])
    func neverTraps(now: UInt64) {
        for retention in [Duration.nanoseconds(1), .seconds(1), .seconds(Int64.max / 8)] {
            for margin in [Duration.zero, .nanoseconds(1), .seconds(Int64.max / 8)] {
                #expect(DeletedCutoff(retention: retention, margin: margin).timestamp(at: now) <= now)
            }
        }
    }
}

import Testing

@testable import Replication

@Suite struct OwnClockWatchTests {
    private var watch = OwnClockWatch(tolerance: .seconds(5))

    private mutating func listed(_ offset: Duration) -> OwnClockWatch.Finding {
        watch.listed(offset: offset, precision: .milliseconds(500))
    }

    @Test(arguments: [-1, 1]) mutating func bothDirections(sign: Int) {
        let ahead = Duration.seconds(8 * sign)
        #expect(listed(.zero - ahead) == .init(ahead: ahead, exceeds: false, isNews: false))
        #expect(listed(.zero - ahead) == .init(ahead: ahead, exceeds: true, isNews: true))
        #expect(listed(.zero - ahead) == .init(ahead: ahead, exceeds: true, isNews: false))
        #expect(listed(.milliseconds(300)) == .init(ahead: .zero, exceeds: false, isNews: true))
    }

    /// An answer that was long under way, or a `Date` that was wrong for a moment.
    @Test mutating func oneListingShowsNothing() {
        for _ in 0..<3 {
            #expect(!listed(.seconds(2_592_000)).exceeds)
            #expect(!listed(.zero).exceeds)
        }
        #expect(!listed(.seconds(10)).exceeds)
        #expect(!listed(.seconds(-10)).exceeds)
        #expect(listed(.seconds(-10)).exceeds)
    }

    @Test mutating func whatIsToleratedIsShownAllTheSame() {
        _ = listed(.seconds(4))
        #expect(listed(.seconds(4)) == .init(ahead: .seconds(-4), exceeds: false, isNews: false))
    }

    @Test func theTextSaysWhatComesOfIt() {
        #expect(
            OwnClock.text(ahead: .seconds(-7))
                == "this host's clock is 7.00s behind the storage's: local changes lose to earlier changes of "
                + "others; correct the clock (NTP)")
        #expect(OwnClock.text(ahead: .seconds(7)).hasPrefix("this host's clock is 7.00s ahead of the storage's: "))
    }
}

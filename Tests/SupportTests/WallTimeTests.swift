import Foundation
import Testing

@testable import Support

@Suite struct WallTimeTests {
    /// 2026-11-21T00:11:41.839786911Z
    private let sampleTime = WallTime(seconds: 1_795_219_901, nanoseconds: 839_786_911)

    @Test(arguments: [
        (Int64(0), "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (951_782_399, "2000-02-28T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (951_868_800, "2000-03-01T00:00:00Z"),
        (1_795_219_901, "2026-11-21T00:11:41Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
        (-62_135_596_800, "0001-01-01T00:00:00Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
    ])
    func dates(seconds: Int64, text: String) {
        #expect(WallTime(seconds: seconds).rfc3339(digits: 0) == text)
    }

    @Test(arguments: [0, 3, 9])
    func comesBackFromItsText(digits: Int) throws {
        let text = sampleTime.rfc3339(digits: digits)
        #expect(try #require(WallTime(rfc3339: text)).rfc3339(digits: digits) == text)
    }

    @Test(arguments: [
        "", "2026-11-21T00:11:41", "2026-11-21T00:11:41.Z", "2026-11-21T00:11:41xZ", "2026-11-21 00:11:41Z",
        "2026-13-21T00:11:41Z", "2026-11-21T24:11:41Z", "2026-11-2\u{0661}T00:11:41Z", "+026-11-21T00:11:41Z",
        "2026-11-21T00:11:41.1234567890Z", "2026-11-21T00:11:41+01:00",
    ])
    func whatIsNoTime(text: String) {
        #expect(WallTime(rfc3339: text) == nil)
    }

    @Test func decimals() {
        #expect(sampleTime.rfc3339(digits: 9) == "2026-11-21T00:11:41.839786911Z")
        #expect(sampleTime.timeOfDay(digits: 3) == "00:11:41.839")
        #expect(WallTime(nanosecondsSinceEpoch: 1_000_000_001).rfc3339(digits: 9) == "1970-01-01T00:00:01.000000001Z")
        // The last instant that the 64 bits of a header can name.
        #expect(
            WallTime(nanosecondsSinceEpoch: .max).rfc3339(digits: 9) == "2554-07-21T23:34:33.709551615Z")
    }

    @Test func agreesWithFoundation() {
        let seed = UInt64.random(in: .min ... .max)
        var state = seed
        let formatter = ISO8601DateFormatter()
        for _ in 0..<500 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            // 1600 to 3969
            let seconds = Int64(state % 74_778_000_000) - 11_676_096_000
            let expected = formatter.string(from: Date(timeIntervalSince1970: Double(seconds)))
            #expect(WallTime(seconds: seconds).rfc3339(digits: 0) == expected, "seed \(seed)")
        }
    }

    @Test(arguments: [
        (Int64(0), "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (1_795_219_901, "Sat, 21 Nov 2026 00:11:41 GMT"),
        (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
    ])
    func datesOfHTTP(seconds: Int64, text: String) throws {
        #expect(WallTime(seconds: seconds).httpDate == text)
        if seconds >= 0 { #expect(try #require(WallTime(httpDate: text)).seconds == seconds) }
    }
}

import Foundation
import HTTP
import Support
import Synchronization
import TestSupport
import Testing

@testable import BlobStorage

/// What storages tell of time.
@Suite(.timeLimit(.minutes(1)))
struct ClockTests {
    fileprivate static let date = "Sun, 06 Nov 1994 08:49:37 GMT"
    private static let seconds: UInt64 = 784_111_777

    private func offset(
        _ headers: [String: String], status: Int = 200, receivedAt: UInt64 = seconds * 1_000_000_000
    ) -> Duration? {
        var answer = HTTPAnswer()
        (answer.status, answer.headers, answer.receivedAt) = (status, headers, receivedAt)
        return clockOffset(of: answer)
    }

    @Test func theOffsetIsThatOfTheMiddleOfTheSecond() {
        #expect(offset(["date": Self.date]) == .milliseconds(500))
        #expect(offset(["date": Self.date], receivedAt: Self.seconds * 1_000_000_000 + 500_000_000) == .zero)
        #expect(offset(["date": Self.date], receivedAt: (Self.seconds + 60) * 1_000_000_000) == .seconds(-59.5))
        #expect(offset(["date": Self.date], receivedAt: 0) == .seconds(Double(Self.seconds) + 0.5))
        // Whatever the answer is.
        #expect(offset(["date": Self.date], status: 403) == .milliseconds(500))
        #expect(offset(["date": Self.date, "age": "0"]) == .milliseconds(500))
    }

    @Test(
        arguments: [
            nil, "", "now", "Sun, 06 Nov 1994 08:49:37", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 99999 08:49:37 GMT", "Sun, 06 Nov 1066 08:49:37 GMT",
            "Sun, 06 Nov 99999999999999999999 08:49:37 GMT", "784111777", "\u{0}\u{0}",
        ] as [String?])
    func aDateThatIsNoneTellsNothing(_ text: String?) {
        #expect(offset(text.map { ["date": $0] } ?? [:]) == nil)
    }

    @Test func proxiesThatAnswerThemselvesTellNothing() {
        #expect(offset(["date": Self.date, "age": "30"]) == nil)
        #expect(offset(["date": Self.date], status: 502) == nil)
        #expect(offset(["date": Self.date], receivedAt: .max) == nil)
    }

    @Test func storagesWithTheSystemsClockHaveNoOffset() throws {
        let directory = try TemporaryDirectory()
        #expect(MemoryStore().clockOffset == nil)
        #expect(try FileSystemStore(rootPath: directory.path).clockOffset == nil)
    }

    // MARK: When objects were stored

    @Test(
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2026-11-20T17:39:55.000Z", 1_795_196_395_000_000_000),
            ("2026-11-20T17:39:55Z", 1_795_196_395_000_000_000), ("2026-11-20T17:39:55.12Z", 1_795_196_395_120_000_000),
            ("2026-11-20T17:39:55.123456789Z", 1_795_196_395_123_456_789),
            ("2554-07-21T23:34:33.000Z", 18_446_744_073_000_000_000),
        ] as [(String, UInt64)])
    func timesOfListingsAreRead(_ text: String, _ nanoseconds: UInt64) {
        #expect(WallTime(rfc3339: text)?.nanosecondsSinceEpoch == nanoseconds)
    }

    @Test(arguments: [
        "", "Z", "2026-11-20T17:39:55", "2026-11-20T17:39:55+01:00", "2026-11-20 17:39:55Z", "2026-13-20T17:39:55Z",
        "2026-11-20T24:39:55Z", "2026-11-20T17:39:55.Z", "2026-11-20T17:39:55.1234567890Z", "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59Z", "2026-11-20T17:39:55,12Z", "2026-1-020T17:39:55Z", "+026-11-20T17:39:55Z",
    ])
    func timesThatAreNoneAreUnknown(_ text: String) {
        #expect(WallTime(rfc3339: text)?.nanosecondsSinceEpoch == nil)
    }

    @Test func aDirectoryTellsWhenFilesWereWritten() async throws {
        let directory = try TemporaryDirectory()
        let store = try FileSystemStore(rootPath: directory.path)
        try await store.store("x", Spool("x"))
        var times = [timespec(tv_sec: 12, tv_nsec: 345), timespec(tv_sec: 12, tv_nsec: 345)]
        #expect(utimensat(AT_FDCWD, directory.file("x"), &times, 0) == 0)
        #expect(try await store.list(prefix: "").map(\.modified) == [12_000_000_345])
        times = [timespec(tv_sec: -1, tv_nsec: 0), timespec(tv_sec: -1, tv_nsec: 0)]
        #expect(utimensat(AT_FDCWD, directory.file("x"), &times, 0) == 0)
        #expect(try await store.list(prefix: "").map(\.modified) == [nil])
    }

    @Test func memoryTellsWhereItHasAClock() async throws {
        let time = Mutex<UInt64>(7)
        let store = MemoryStore(clock: { time.withLock { $0 } })
        try await store.store("x", Spool("1"))
        time.withLock { $0 = 9 }
        try await store.store("y", Spool("1"))
        #expect(try await store.list(prefix: "").map(\.modified) == [7, 9])
        try await store.store("x", Spool("2"))
        #expect(try await store.list(prefix: "").map(\.modified) == [9, 9])
        let silent = MemoryStore()
        try await silent.store("x", Spool("1"))
        #expect(try await silent.list(prefix: "").map(\.modified) == [nil])
    }
}

/// What a server tells of time.
@Suite(.timeLimit(.minutes(1))) struct ClockLiveTests {
    @Test func aStoreKnowsTheOffsetAfterAnAnswer() async throws {
        let server = try FaultServer { _, number in
            switch number {
            case 0: .answer(404)
            case 1: .answer(404, ["Date": ClockTests.date])
            default: .answer(404, ["Date": "nonsense"])
            }
        }
        defer { server.stop() }
        let store = try await open(server)
        var offsets: [Duration?] = [store.clockOffset]
        for _ in 0..<3 {
            _ = await storageError { _ = try await store.load("x") }
            offsets.append(store.clockOffset)
        }
        #expect(offsets[0] == nil && offsets[1] == nil)
        // The clock of this machine says at least 2025.
        #expect(try #require(offsets[2]) < .seconds(-30 * 365 * 86_400))
        // What was seen last stays.
        #expect(offsets[3] == offsets[2])
    }
}

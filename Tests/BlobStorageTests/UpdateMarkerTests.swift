import Foundation
import Support
import Synchronization
import TestSupport
import Testing

@testable import BlobStorage

/// A clock that stands still until it is moved.
private final class StandingClock: Sendable {
    private let time = Mutex(ContinuousClock.now)
    var now: ContinuousClock.Instant { time.withLock { $0 } }
    func advance(by duration: Duration) { time.withLock { $0 += duration } }
}

extension FaultServer {
    /// The requests so far, each as its method and what it asks of.
    fileprivate var log: [String] {
        requests.map { request in
            let path = request.target.split(separator: "?").first ?? ""
            let name = path.split(separator: "/").dropFirst().joined(separator: "/")
            return request.target.contains("list-type") ? "LIST" : "\(request.method) \(name)"
        }
    }

    fileprivate var lists: Int { log.count { $0 == "LIST" } }
}

extension S3ServerLiveTests {
    /// A real server behind one that keeps a record.
    @Suite(.timeLimit(.minutes(5)))
    struct UpdateMarker {
        private let server: S3TestServer
        private let bucket = "marker-\(UUID().uuidString.lowercased())"
        private let clock = StandingClock()

        init() throws { server = try #require(S3TestServer.current) }

        private func plain(prefix: String = "") async throws -> S3Store {
            var options = server.options(bucket: bucket)
            options.globalPrefix = prefix
            return try await S3Store.open(options)
        }

        private func marked(
            through proxy: FaultServer? = nil, prefix: String = ""
        ) async throws -> UpdateMarkerStore {
            var options = server.options(bucket: bucket)
            options.globalPrefix = prefix
            if let proxy {
                // Where the bucket is made does not matter, and is not to be recorded.
                _ = try await S3Store.open(options)
                options.createBucket = false
                options.endpointURL = proxy.endpoint
            }
            return UpdateMarkerStore(
                try await S3Store.open(options), forceListInterval: .seconds(300), now: { [clock] in clock.now })
        }

        private func recorder() throws -> FaultServer {
            try FaultServer(upstream: server.endpoint) { _, _ in .forward }
        }

        private func text(_ store: S3Store) async throws -> String {
            String(decoding: try await store.load("update-marker").bytes, as: UTF8.self)
        }

        @Test func versionsAreThoseOfTheBucket() async throws {
            try await expectVersionsToBeThoseOfListings(in: try await marked())
        }

        @Test func whileNothingChangesNothingIsListed() async throws {
            let proxy = try recorder()
            defer { proxy.stop() }
            let other = try await marked()
            try await other.store("main__a", Spool("1"))
            let store = try await marked(through: proxy)
            for _ in 0..<5 { #expect(try await store.list(prefix: "main__").map(\.name) == ["main__a"]) }
            #expect(proxy.log == ["GET update-marker", "LIST"] + Array(repeating: "GET update-marker", count: 4))
            // Each prefix has a listing of its own.
            #expect(try await store.list(prefix: "x__") == [])
            #expect(try await store.list(prefix: "x__") == [])
            #expect(proxy.lists == 2)
            // It never writes of itself, as in receive mode.
            #expect(proxy.requests.allSatisfy { $0.method == "GET" })
        }

        @Test func storesWithAGlobalPrefixSeeWhatTheOthersDo() async throws {
            let (one, two) = (try await marked(prefix: "site/"), try await marked(prefix: "site/"))
            #expect(try await one.list(prefix: "main__") == [])
            try await two.store("main__b", Spool("b"))
            #expect(try await one.list(prefix: "main__").map(\.name) == ["main__b"])
            try await one.store("main__a", Spool("a"))
            #expect(try await two.list(prefix: "main__").map(\.name) == ["main__a", "main__b"])
            // One's own changes, too.
            #expect(try await one.list(prefix: "main__").map(\.name) == ["main__a", "main__b"])

            let text = try await text(plain(prefix: "site/"))
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            // The ETag of a small object is the MD5 of its bytes: that of "a".
            #expect(parts.count == 4 && parts[0] == "site/main__a" && parts[1] == "0cc175b9c0f1b6a831c399e269772661")
            #expect(parts[3] == "false" && UInt64(parts[2]).map { $0 > 1_700_000_000_000_000_000 } == true)

            try await one.delete("main__a")
            let deleted = try await self.text(plain(prefix: "site/"))
            #expect(deleted.hasPrefix("site/main__a::") && deleted.hasSuffix(":true"))
            var names = try await two.list(prefix: "main__").map(\.name)
            for _ in 0..<600 where names.count > 1 {
                // SeaweedFS, when it is busy, lists a deleted object for a moment.
                try await Task.sleep(for: .milliseconds(100))
                clock.advance(by: .seconds(301))
                names = try await two.list(prefix: "main__").map(\.name)
            }
            #expect(names == ["main__b"])
        }

        @Test func aListingIsUsedForTheForceIntervalAtMost() async throws {
            let proxy = try recorder()
            defer { proxy.stop() }
            try await marked().store("main__a", Spool("1"))
            let store = try await marked(through: proxy)
            _ = try await store.list(prefix: "")
            // Somebody who keeps no marker.
            try await plain().store("main__b", Spool("2"))
            clock.advance(by: .milliseconds(299_900))
            #expect(try await store.list(prefix: "").map(\.name) == ["main__a"])
            #expect(proxy.lists == 1)
            clock.advance(by: .milliseconds(100))
            #expect(try await store.list(prefix: "").map(\.name) == ["main__a", "main__b"])
            #expect(try await store.list(prefix: "").count == 2)
            #expect(proxy.lists == 2)
        }

        @Test func withoutMarkerEverythingIsListed() async throws {
            let proxy = try recorder()
            defer { proxy.stop() }
            let store = try await marked(through: proxy)
            for count in 1...3 {
                #expect(try await store.list(prefix: "") == [])
                #expect(proxy.lists == count)
            }
            try await plain().store("main__a", Spool("1"))
            #expect(try await store.list(prefix: "").map(\.name) == ["main__a"])
            // One that goes away again, and one that is too long to be one.
            try await store.store("main__a", Spool("2"))
            _ = try await store.list(prefix: "")
            #expect(proxy.lists == 5)
            try await plain().delete("update-marker")
            _ = try await store.list(prefix: "")
            try await plain().store("update-marker", .pattern(20_000))
            _ = try await store.list(prefix: "")
            _ = try await store.list(prefix: "")
            #expect(proxy.lists == 8)
        }

        @Test func theMarkerOfOtherProgramsIsUnderstoodAndNeverListed() async throws {
            let proxy = try recorder()
            defer { proxy.stop() }
            let whole = try await plain()
            try await whole.store("site/main__a", Spool("1"))
            try await whole.store(
                "site/update-marker", Spool("site/main__a:c4ca4238a0b923820dcc509a6f75849b:1795196395012345678:false"))
            let store = try await marked(through: proxy, prefix: "site/")
            #expect(try await store.list(prefix: "").map(\.name) == ["main__a"])
            #expect(try await store.list(prefix: "").map(\.name) == ["main__a"])
            #expect(proxy.lists == 1)
            try await whole.store("site/main__b", Spool("1"))
            try await whole.store(
                "site/update-marker", Spool("site/main__b:c4ca4238a0b923820dcc509a6f75849b:1795196395012345679:false"))
            #expect(try await store.list(prefix: "").map(\.name) == ["main__a", "main__b"])
            // Nor by those that do without it.
            #expect(try await plain(prefix: "site/").list(prefix: "").map(\.name) == ["main__a", "main__b"])
        }

        @Test func whatIsStoredUnmarkedWakesNobodyUp() async throws {
            let proxy = try recorder()
            defer { proxy.stop() }
            let store = try await marked(through: proxy)
            try await store.store("main__a", Spool("1"))
            let before = try await text(plain())
            try await store.unmarked.store("main__a.state", Spool("{}"))
            #expect(try await text(plain()) == before)
            #expect(proxy.log == ["PUT main__a", "PUT update-marker", "PUT main__a.state"])
        }

        @Test func aMarkerThatCannotBeWrittenComesLater() async throws {
            let refuses = Mutex(true)
            let proxy = try FaultServer(upstream: server.endpoint) { request, _ in
                request.method == "PUT" && request.target.contains("update-marker") && refuses.withLock { $0 }
                    ? .answer(403, [:], "<Error><Code>AccessDenied</Code></Error>") : .forward
            }
            defer { proxy.stop() }
            let told = Mutex<[String]>([])
            var options = server.options(bucket: bucket)
            _ = try await S3Store.open(options)
            (options.createBucket, options.endpointURL) = (false, proxy.endpoint)
            let store = UpdateMarkerStore(
                try await S3Store.open(options), forceListInterval: .seconds(300),
                markerFailed: { error in told.withLock { $0.append(error.description) } },
                now: { [clock] in clock.now })
            // The object is stored, whatever becomes of the marker.
            try await store.store("main__a", Spool("1"))
            #expect(try await plain().list(prefix: "").map(\.name) == ["main__a"])
            #expect(told.withLock { $0.count } == 1)
            #expect(
                told.withLock { $0[0] }.hasPrefix(
                    "cannot store update-marker in bucket \(bucket): HTTP 403 AccessDenied; this key needs"))
            // Not with each poll.
            _ = try await store.list(prefix: "")
            #expect(proxy.log.count { $0 == "PUT update-marker" } == 1)
            clock.advance(by: .seconds(5))
            _ = try await store.list(prefix: "")
            #expect(proxy.log.count { $0 == "PUT update-marker" } == 2)
            refuses.withLock { $0 = false }
            // With the next change at once; the last one is told of.
            try await store.delete("main__gone")
            #expect(try await text(plain()).hasPrefix("main__gone::"))
            clock.advance(by: .seconds(5))
            _ = try await store.list(prefix: "")
            #expect(proxy.log.count { $0 == "PUT update-marker" } == 3)
            #expect(told.withLock { $0.count } == 2)
        }

        @Test func aPassingFailureIsTriedAgainWithAnotherText() async throws {
            let refused = Mutex(0)
            let proxy = try FaultServer(upstream: server.endpoint) { request, _ in
                let refuses =
                    request.method == "PUT" && request.target.contains("update-marker")
                    && refused.withLock {
                        $0 += 1
                        return $0 == 1
                    }
                return refuses ? .answer(503) : .forward
            }
            defer { proxy.stop() }
            let store = try await marked(through: proxy)
            try await store.store("main__a", Spool("1"))
            let markers = proxy.requests.filter { $0.method == "PUT" && $0.target.contains("update-marker") }
            #expect(markers.count == 2)
            #expect(Set(markers.map { String(decoding: $0.body, as: UTF8.self) }).count == 2)
            #expect(try await text(plain()) == String(decoding: try #require(markers.last?.body), as: UTF8.self))
        }
    }
}

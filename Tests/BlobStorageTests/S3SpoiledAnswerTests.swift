import Foundation
import Support
import Synchronization
import TestSupport
import Testing

@testable import BlobStorage

extension S3ServerLiveTests {
    /// A real server behind one that spoils its answers.
    @Suite(.timeLimit(.minutes(5)))
    struct SpoiledAnswers {
        private let server: S3TestServer

        init() throws { server = try #require(S3TestServer.current) }

        /// Stores and loads 3 MiB while the first answer to each kind of request is spoiled.
        @Test(arguments: [
            FaultServer.Reply.reset, .answer(503), .forwardCut(bytes: 40), .forwardCut(bytes: 0),
            .forwardCut(bytes: 1_000_000), .forwardStalled(bytes: 0), .forwardStalled(bytes: 1_000_000),
            .answer(429, ["Retry-After": "1", "Connection": "close"]), .forward,
        ])
        func everyOperationSurvives(_ fault: FaultServer.Reply) async throws {
            let bucket = "spoiled-\(UUID().uuidString.lowercased())"
            let seen = Mutex<Set<String>>([])
            let proxy = try FaultServer(upstream: server.endpoint) { request, _ in
                let isFirst = seen.withLock {
                    $0.insert(request.method + (request.target.contains("list-type") ? " list" : "")).inserted
                }
                return isFirst ? fault : .forward
            }
            defer { proxy.stop() }
            var options = server.options(bucket: bucket)
            options.endpointURL = proxy.endpoint
            options.stallTimeout = .seconds(2)
            options.retry.firstPause = .milliseconds(1)
            let body = try Spool.pattern(3 << 20)
            let store = try await S3Store.open(options)
            try await store.store("x", body)
            #expect(try await store.list(prefix: "").undated == [Blob(name: "x", size: 3 << 20)])
            #expect(try await store.load("x").bytes == body.bytes)
            try await store.delete("x")
            // Not by listing: SeaweedFS, when it is busy, lists a deleted object for a while.
            let error = await storageError { _ = try await store.load("x") }
            #expect(error?.kind == .notFound)
        }

        @Test func aSlowAnswerIsWaitedFor() async throws {
            let proxy = try FaultServer(upstream: server.endpoint) { request, _ in
                request.method == "GET" ? .forwardSlowly(pause: .milliseconds(100)) : .forward
            }
            defer { proxy.stop() }
            var options = server.options(bucket: "slow-\(UUID().uuidString.lowercased())")
            options.endpointURL = proxy.endpoint
            // Shorter than the whole takes: only a pause this long would count.
            options.stallTimeout = .seconds(2)
            let body = try Spool.pattern(2 << 20)
            let store = try await S3Store.open(options)
            try await store.store("x", body)
            #expect(try await store.load("x").bytes == body.bytes)
            #expect(proxy.requests.filter { $0.method == "GET" && $0.target.hasSuffix("/x") }.count == 1)
        }
    }
}

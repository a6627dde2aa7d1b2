import Foundation
import HTTP
import Support
import Synchronization
import TestSupport
import Testing

@testable import BlobStorage

/// Connections that are not made, do not answer, are kept or are cut.
@Suite(.timeLimit(.minutes(2)))
struct S3ConnectionLiveTests {
    // Each limit alone must end the wait; without it the suite's own limit would.
    @Test func aServerThatNeverAnswersEndsInATimeout() async throws {
        let server = try FaultServer { _, _ in .silence }
        defer { server.stop() }
        for change: @Sendable (inout S3Options) -> Void in [
            { $0.stallTimeout = .milliseconds(200) }, { $0.clientTimeout = .milliseconds(200) },
        ] {
            let store = try await open(server) {
                change(&$0)
                $0.retry.attempts = 2
            }
            let error = await storageError { _ = try await store.load("x") }
            #expect(error?.kind == .timeout)
            #expect(error?.code == "Timeout")
            #expect(error?.description.contains("at 127.0.0.1:\(server.port): n") == true)
        }
        #expect(server.requests.count == 4)
    }

    @Test(arguments: [false, true])
    func aConnectionThatIsNeverMadeEndsInATimeout(_ tls: Bool) async throws {
        // Without TLS not even TCP connects; with TLS the handshake gets no answer.
        let server = try DeafServer(acceptsConnections: tls)
        var options = faultOptions("\(tls ? "https" : "http")://127.0.0.1:\(server.port)")
        (options.dialTimeout, options.tlsHandshakeTimeout) = (.milliseconds(200), .milliseconds(100))
        options.retry.attempts = 1
        let store = try await S3Store.open(options)
        let error = await storageError { _ = try await store.list(prefix: "") }
        #expect(error?.kind == .timeout)
        withExtendedLifetime(server) {}
    }

    @Test func nobodyListeningIsSaid() async throws {
        let port = try closedPort()
        let store = try await S3Store.open(faultOptions("http://127.0.0.1:\(port)"))
        let error = await storageError { _ = try await store.list(prefix: "main__") }
        #expect(error?.code == "URLError")
        #expect(error?.description.hasPrefix("cannot list main__* in bucket b at 127.0.0.1:\(port): ") == true)
        #expect(
            error?.description.hasSuffix(
                ": connection refused") == true)
    }

    @Test func anUnknownHostIsSaid() async throws {
        let store = try await S3Store.open(faultOptions("http://nowhere.invalid"))
        let error = await storageError { _ = try await store.list(prefix: "main__") }
        #expect(error?.code == "DNSError")
        #expect(
            error?.description.hasPrefix("cannot list main__* in bucket b at nowhere.invalid: Could not resolve host")
                == true)
    }

    @Test func aCancelledTransferEndsAtOnce() async throws {
        let (started, start) = AsyncStream.makeStream(of: Void.self)
        let server = try FaultServer { _, _ in
            start.finish()
            return .silence
        }
        defer { server.stop() }
        let store = try await open(server)
        let task = Task { try await store.load("x") }
        for await _ in started {}
        task.cancel()
        await #expect(throws: CancellationError.self) { try await within(.seconds(30)) { try await task.value } }
        #expect(server.requests.count == 1)
    }

    @Test func aHeaderCannotBeSmuggledIn() async throws {
        let server = try FaultServer { _, _ in .answer(200) }
        defer { server.stop() }
        let store = try await open(server) { $0.storageClass = "X\r\nx-amz-acl: public-read" }
        let error = await storageError { try await store.store("x", Spool("x")) }
        #expect(error?.description.contains("the value of x-amz-storage-class contains a control character") == true)
        #expect(server.requests.isEmpty)
    }

    /// Three transfers at a time need three connections; as many as the limit says are there for the next three.
    @Test(arguments: [(1, 5), (2, 4), (0, 3)])
    func idleConnectionsBeyondTheLimitAreClosed(_ limit: Int, _ connections: Int) async throws {
        let arrived = Mutex(0)
        let server = try FaultServer { _, number in
            arrived.withLock { $0 += 1 }
            while arrived.withLock({ $0 }) < (number < 3 ? 3 : 6) { usleep(1000) }
            return .answer(200, [:], "x")
        }
        defer { server.stop() }
        let store = try await open(server) { $0.maximumIdleConnections = limit }
        for _ in 0..<2 {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<3 { group.addTask { _ = try await store.load("x") } }
                try await group.waitForAll()
            }
        }
        #expect(server.connections == connections)
    }

    // The environment is the process's, so this takes one of its own.
    @Test func noProxyIsAskedForServersOnThisMachine() async throws {
        await #expect(processExitsWith: .success) {
            let proxy = try FaultServer { _, _ in .answer(200, [:], "from the proxy") }
            let server = try FaultServer { _, _ in .answer(200, [:], "direct") }
            setenv("http_proxy", proxy.endpoint, 1)
            var options = S3Options(bucket: "b", accessKey: "x", secretKey: "y", endpointURL: server.endpoint)
            let direct = try await S3Store.open(options).load("x")
            options.endpointURL = "http://elsewhere.invalid"
            let proxied = try await S3Store.open(options).load("x")
            exit(try direct.bytes == Array("direct".utf8) && proxied.bytes == Array("from the proxy".utf8) ? 0 : 1)
        }
    }

    @Test func aTimeoutOfZeroIsNone() async throws {
        let server = try FaultServer { request, _ in
            request.target.contains("list-type")
                ? FaultServer.Reply.page([], token: nil, truncated: false) : .answer(200, [:], "x")
        }
        defer { server.stop() }
        let store = try await open(server) {
            ($0.dialTimeout, $0.clientTimeout, $0.initTimeout) = (.zero, .zero, .zero)
            ($0.idleConnectionTimeout, $0.dialKeepAlive, $0.createBucket) = (.zero, .zero, true)
        }
        for _ in 0..<3 { #expect(try await store.load("x").count == 1) }
        #expect(server.connections == 1)
    }

    @Test func aKeptConnectionThatTheServerClosedIsReplaced() async throws {
        let server = try FaultServer { _, _ in
            // Announces nothing, but closes after each answer.
            .raw("HTTP/1.1 200 OK\r\nETag: e\r\nContent-Length: 4\r\n\r\nbody")
        }
        defer { server.stop() }
        let store = try await open(server) { $0.retry.attempts = 1 }
        for _ in 0..<5 {
            #expect(try await store.load("x").bytes == Array("body".utf8))
            try await Task.sleep(for: .milliseconds(20))
            try await store.store("y", Spool("y"))
        }
    }
}

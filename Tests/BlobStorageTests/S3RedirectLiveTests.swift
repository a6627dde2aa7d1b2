import HTTP
import Support
import Synchronization
import TestSupport
import Testing

@testable import BlobStorage

/// Redirections, from a server of our own: names below `s3.localhost` are all this machine.
@Suite(.timeLimit(.minutes(2)))
struct S3RedirectLiveTests {
    private static let page = FaultServer.Reply.page(["x"], token: nil, truncated: false)

    private func open(
        _ server: FaultServer, _ change: (inout S3Options) -> Void = { _ in }
    ) async throws -> S3Store {
        var options = faultOptions("http://s3.localhost:\(server.port)")
        change(&options)
        return try await S3Store.open(options)
    }

    /// The host of each request without port, and the region of its signature.
    private func trail(_ server: FaultServer) -> [String] {
        server.requests.map { request in
            let host = request.headers["host"]?.prefix { $0 != ":" } ?? ""
            let scope = request.headers["authorization"]?.split(separator: "/").dropFirst(2).first ?? ""
            return "\(host) \(scope)"
        }
    }

    private static func moved(_ request: FaultServer.Request, to host: String, _ status: Int = 307) -> FaultServer.Reply
    {
        let port = request.headers["host"]?.split(separator: ":").last ?? ""
        return .answer(
            status, ["Location": "http://\(host):\(port)\(request.target)", "x-amz-bucket-region": "eu-1"],
            request.method == "HEAD" ? "" : "<Error><Code>TemporaryRedirect</Code></Error>")
    }

    private static func isAtBase(_ request: FaultServer.Request) -> Bool {
        request.headers["host"]?.hasPrefix("s3.localhost") == true
    }

    @Test(arguments: [301, 307, 308])
    func aRedirectionIsFollowedOnceAndRemembered(_ status: Int) async throws {
        let server = try FaultServer { request, _ in
            guard !Self.isAtBase(request) else { return Self.moved(request, to: "eu.s3.localhost", status) }
            return request.method == "GET" && request.target.contains("list-type")
                ? Self.page : .answer(200, ["ETag": "e"], request.method == "GET" ? "body" : "")
        }
        defer { server.stop() }
        let calls = Mutex<[String?]>([])
        var options = faultOptions("http://s3.localhost:\(server.port)")
        options.retry.attempts = 1
        let store = try await S3Store.open(options, observe: { call in calls.withLock { $0.append(call.errorCode) } })
        try await store.store("x", Spool("body"))
        #expect(try await store.list(prefix: "").map(\.name) == ["x"])
        #expect(try await store.load("x").bytes == Array("body".utf8))
        #expect(
            trail(server) == ["s3.localhost us-east-1"] + [String](repeating: "eu.s3.localhost eu-1", count: 3))
        // The body was sent whole, twice, and it was one call.
        #expect(server.requests.prefix(2).map(\.body) == [Array("body".utf8), Array("body".utf8)])
        #expect(Set(server.requests.prefix(2).map { $0.headers["authorization"] }).count == 2)
        #expect(calls.withLock { $0 } == [nil, nil, nil])
    }

    @Test func aSecondRedirectionIsAnError() async throws {
        let server = try FaultServer { request, number in
            Self.moved(request, to: number % 2 == 0 ? "eu.s3.localhost" : "us.s3.localhost")
        }
        defer { server.stop() }
        let store = try await open(server)
        let error = await storageError { _ = try await store.load("x") }
        #expect(trail(server) == ["s3.localhost us-east-1", "eu.s3.localhost eu-1"])
        #expect(
            error?.description
                == "cannot load x in bucket b: HTTP 307 TemporaryRedirect; the server redirects to http://us.s3.localhost:\(server.port)/b/x"
        )
        // Nothing was learnt.
        _ = await storageError { _ = try await store.load("x") }
        #expect(trail(server).dropFirst(2).first == "s3.localhost us-east-1")
    }

    /// A server elsewhere gets nothing: no request, no signature, no token, no object.
    @Test(arguments: ["127.0.0.1", "localhost", "s3.localhost", "eu.s3.localhost"])
    func anotherPortGetsNothing(_ host: String) async throws {
        let thief = try FaultServer { _, _ in .answer(200, ["ETag": "e"], "stolen") }
        defer { thief.stop() }
        let server = try FaultServer { request, _ in
            .answer(307, ["Location": "http://\(host):\(thief.port)\(request.target)"])
        }
        defer { server.stop() }
        let store = try await open(server)
        let end =
            "HTTP 307 TemporaryRedirect; the server redirects to http://\(host):\(thief.port), "
            + "but requests are only sent to s3.localhost:\(server.port) and hosts below it"
        let load = await storageError { _ = try await store.load("x") }
        #expect(load?.description == "cannot load x in bucket b: \(end)")
        let stored = await storageError { try await store.store("x", Spool("body")) }
        #expect(stored?.description == "cannot store x in bucket b: \(end)")
        #expect(server.requests.count == 2)
        #expect(thief.connections == 0)
    }

    /// At the same port, where only the name differs.
    @Test(arguments: ["evil.localhost", "localhost", "evils3.localhost", "s3.localhost.localhost", "127.0.0.1"])
    func anotherHostGetsNothing(_ host: String) async throws {
        let server = try FaultServer { request, _ in
            Self.isAtBase(request) && request.headers["host"]?.hasPrefix("s3.localhost:") == true
                ? Self.moved(request, to: host, 301) : .answer(200, ["ETag": "e"], "stolen")
        }
        defer { server.stop() }
        let store = try await open(server)
        let error = await storageError { _ = try await store.load("x") }
        #expect(error?.description.contains("the server redirects to http://\(host):\(server.port), but") == true)
        #expect(trail(server) == ["s3.localhost us-east-1"])
    }

    @Test func aRegionIsLearntOnce() async throws {
        let server = try FaultServer { request, _ in
            guard request.headers["authorization"]?.contains("/garage/") == true else {
                return .answer(
                    400, [:], "<Error><Code>AuthorizationHeaderMalformed</Code><Region>garage</Region></Error>")
            }
            return request.target.contains("max-keys") || request.method == "PUT" ? .answer(404) : Self.page
        }
        defer { server.stop() }
        let store = try await open(server) { $0.learnsRegion = true }
        for _ in 0..<3 { _ = try await store.list(prefix: "") }
        #expect(trail(server) == ["s3.localhost us-east-1"] + [String](repeating: "s3.localhost garage", count: 3))
        // Also for a bucket that is created.
        _ = await storageError {
            _ = try await open(server) {
                $0.learnsRegion = true
                $0.createBucket = true
            }
        }
        let created = try #require(server.requests.last { $0.method == "PUT" })
        #expect(
            String(decoding: created.body, as: UTF8.self).contains("<LocationConstraint>garage</LocationConstraint>"))
    }

    @Test func aRegionThatIsSetIsNotReplaced() async throws {
        let server = try FaultServer { _, _ in
            .answer(400, [:], "<Error><Code>AuthorizationHeaderMalformed</Code><Region>garage</Region></Error>")
        }
        defer { server.stop() }
        let store = try await open(server)
        let error = await storageError { _ = try await store.list(prefix: "") }
        #expect(
            error?.description
                == "cannot list bucket b: HTTP 400 AuthorizationHeaderMalformed; the bucket is in region garage, not us-east-1"
        )
        #expect(server.requests.count == 1)
    }

    /// A server that no longer answers is not asked for ever.
    @Test func aLearntPlaceThatFailsIsForgotten() async throws {
        let failures = Mutex(0)
        let server = try FaultServer { request, _ in
            if Self.isAtBase(request) {
                return failures.withLock { $0 } == 0 ? Self.moved(request, to: "eu.s3.localhost") : Self.page
            }
            let isFirst = failures.withLock { failures in
                if request.target.contains("prefix=fail") { failures += 1 }
                return failures == 0
            }
            return isFirst ? Self.page : .reset
        }
        defer { server.stop() }
        let store = try await open(server)
        _ = try await store.list(prefix: "")
        _ = try await store.list(prefix: "fail")
        let hosts = trail(server)
        #expect(hosts.prefix(2) == ["s3.localhost us-east-1", "eu.s3.localhost eu-1"])
        // libcurl itself repeats a request if the end of a reused connection was in its way.
        #expect(Set(hosts.dropFirst(2).dropLast()) == ["eu.s3.localhost eu-1"] && hosts.count <= 5)
        #expect(hosts.last == "s3.localhost us-east-1")
    }

    /// Permission and object are checked at the right place; what is missing there is an answer.
    @Test func aMissingObjectIsMissingAtTheRightPlace() async throws {
        let server = try FaultServer { request, _ in
            Self.isAtBase(request)
                ? Self.moved(request, to: "eu.s3.localhost")
                : .answer(404, [:], "<Error><Code>NoSuchKey</Code></Error>")
        }
        defer { server.stop() }
        let store = try await open(server)
        for _ in 0..<2 { #expect(await storageError { _ = try await store.load("x") }?.kind == .notFound) }
        #expect(trail(server).count == 3)
    }
}

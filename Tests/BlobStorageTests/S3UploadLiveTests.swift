import Support
import Synchronization
import TestSupport
import Testing

@testable import BlobStorage

/// Uploads in parts, against a server of our own that fails where a test wants it.
@Suite(.timeLimit(.minutes(2)))
struct S3UploadLiveTests {
    private static let complete =
        "<CompleteMultipartUploadResult><ETag>&quot;e-3&quot;</ETag></CompleteMultipartUploadResult>"

    /// Of two parts, where the answers to the last step are given; a HEAD says that the object is there or not.
    private static func server(_ answers: [FaultServer.Reply], isThere: Bool) throws -> FaultServer {
        let posts = Mutex(0)
        return try FaultServer { request, _ in
            if request.target == "/b/x?uploads=" {
                return .answer(
                    200, [:], "<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>")
            }
            switch request.method {
            case "PUT": return .answer(200, ["ETag": "e"])
            case "DELETE": return .answer(204)
            case "HEAD": return isThere ? .answer(200, ["Content-Length": "\(6 << 20)", "ETag": "h"]) : .answer(404)
            default:
                return posts.withLock { posts in
                    posts += 1
                    return answers[min(posts, answers.count) - 1]
                }
            }
        }
    }

    /// 200 alone says nothing: the answer comes before the parts are put together.
    @Test(arguments: [
        "", " ", "<html><body>Welcome</body></html>", "<CompleteMultipartUploadResult>", "not XML",
        "<CompleteMultipartUploadResult><ETag>e</ETag>", "<Error><Code>InternalError</Code></Error>", "<Error/>",
    ])
    func onlyItsResultCompletesAnUpload(_ body: String) async throws {
        let parts = try Spool.pattern(6 << 20)
        let server = try Self.server([.answer(200, [:], body), .answer(200, [:], Self.complete)], isThere: false)
        defer { server.stop() }
        let change: @Sendable (inout S3Options) -> Void = { $0.partSize = 5 << 20 }
        #expect(try await open(server, change).put("x", parts) == "e-3")
        #expect(server.requests.count { $0.target == "/b/x?uploadId=id" } == 2)

        let never = try Self.server([.answer(200, [:], body)], isThere: false)
        defer { never.stop() }
        let store = try await open(never, change)
        #expect(await storageError { try await store.store("x", parts) } != nil)
        #expect(never.requests.contains { $0.method == "DELETE" })
    }

    @Test(arguments: [true, false])
    func aResultWithoutETagIsLookedAt(_ isThere: Bool) async throws {
        let parts = try Spool.pattern(6 << 20)
        let server = try Self.server([.answer(200, [:], "<CompleteMultipartUploadResult/>")], isThere: isThere)
        defer { server.stop() }
        let store = try await open(server) { $0.partSize = 5 << 20 }
        let error = await storageError { try await store.store("x", parts) }
        #expect((error == nil) == isThere)
        #expect(server.requests.count { $0.method == "HEAD" } == 1)
    }

    /// An upload in one request.
    @Test(arguments: [
        (FaultServer.Reply.answer(200, ["Content-Length": "4"]), true), (.answer(200, ["Content-Length": "5"]), false),
        (.answer(404), false), (.answer(403), false),
    ])
    func aStoredObjectWithoutETagIsLookedAt(_ head: FaultServer.Reply, _ isStored: Bool) async throws {
        let server = try FaultServer { request, _ in
            request.method == "HEAD" ? head : .answer(200, ["Content-Type": "text/html"], "<h1>Hello</h1>")
        }
        defer { server.stop() }
        let store = try await open(server)
        let error = await storageError { try await store.store("x", Spool("body")) }
        #expect((error == nil) == isStored)
        #expect(error?.kind != .notFound)
        #expect(server.requests.map(\.method) == ["PUT", "HEAD"])
        #expect(server.requests.last?.target == "/b/x")
    }

    @Test(arguments: [
        (["ETag": "\"e\""], "e"), (["ETag": "e"], "e"), (["ETag": "\"\""], nil), ([:], nil),
    ])
    func theVersionIsTheETagOfTheAnswer(_ headers: [String: String], _ version: String?) async throws {
        let server = try FaultServer { request, _ in
            .answer(200, request.method == "HEAD" ? ["Content-Length": "4"] : headers)
        }
        defer { server.stop() }
        #expect(try await open(server).store("x", Spool("body")) == version)
    }

    @Test func anErrorWithStatus200IsOne() async throws {
        let server = try FaultServer { _, number in
            number == 0
                ? .answer(200, ["ETag": "e"], "<Error><Code>SlowDown</Code></Error>") : .answer(200, ["ETag": "f"])
        }
        defer { server.stop() }
        #expect(try await open(server).put("x", Spool("x")) == "f")
        #expect(server.requests.count == 2)
    }

    @Test func partsAreUploadedInParallelRetriedAndCompleted() async throws {
        let failed = Mutex(false)
        let server = try FaultServer { request, _ in
            if request.target == "/b/x?uploads=" {
                return .answer(
                    200, [:],
                    "<InitiateMultipartUploadResult><UploadId>i+d/=</UploadId></InitiateMultipartUploadResult>")
            }
            if request.method == "POST" {
                // A late error, as AWS sends it, then success.
                let isFirst = failed.withLock { failed in
                    defer { failed = true }
                    return !failed
                }
                return .answer(
                    200, [:],
                    isFirst ? "  <Error><Code>InternalError</Code></Error>" : Self.complete)
            }
            if request.target.hasPrefix("/b/x?partNumber=2&"), request.headers["content-md5"] != nil,
                !failed.withLock({ $0 })
            {
                return failed.withLock { failed in
                    failed = true
                    return .answer(500)
                }
            }
            return .answer(200, ["ETag": "\"\(request.target.dropFirst("/b/x?partNumber=".count).prefix(1))\""])
        }
        defer { server.stop() }
        let body = try Spool.pattern((11 << 20) + 1)
        try await open(server) { $0.partSize = 5 << 20 }.store("x", body)
        let parts = server.requests.filter { $0.method == "PUT" }
        #expect(Set(parts.map(\.target)).count == 3)
        #expect(parts.count == 4)
        #expect(parts.allSatisfy { $0.target.hasSuffix("&uploadId=i%2Bd%2F%3D") })
        let complete = server.requests.last
        #expect(complete?.target == "/b/x?uploadId=i%2Bd%2F%3D")
        let text = String(decoding: complete?.body ?? [], as: UTF8.self)
        for number in 1...3 {
            #expect(text.contains("<Part><PartNumber>\(number)</PartNumber><ETag>&quot;\(number)&quot;</ETag></Part>"))
        }
        #expect(!server.requests.contains { $0.method == "DELETE" })
    }

    @Test func anUploadThatFailsIsAborted() async throws {
        let server = try FaultServer { request, _ in
            if request.target == "/b/x?uploads=" {
                return .answer(
                    200, [:], "<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>")
            }
            return request.method == "DELETE" ? .answer(204) : .answer(403)
        }
        defer { server.stop() }
        let store = try await open(server) { $0.partSize = 5 << 20 }
        let body = try Spool.pattern(6 << 20)
        #expect(await storageError { try await store.store("x", body) }?.kind == .accessDenied)
        // Not always the last: the server may still be reading a part that was given up.
        #expect(server.requests.contains { $0.method == "DELETE" && $0.target == "/b/x?uploadId=id" })
    }

    @Test func anUploadThatIsCancelledIsAborted() async throws {
        let (started, start) = AsyncStream.makeStream(of: Void.self)
        let server = try FaultServer { request, _ in
            if request.target == "/b/x?uploads=" {
                return .answer(
                    200, [:], "<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>")
            }
            if request.method == "DELETE" { return .answer(204) }
            start.finish()
            return .silence
        }
        defer { server.stop() }
        let store = try await open(server) { $0.partSize = 5 << 20 }
        let body = try Spool.pattern(6 << 20)
        let task = Task { try await store.store("x", body) }
        for await _ in started {}
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        // Not always the last: the server may still be reading a part that was given up.
        #expect(server.requests.contains { $0.method == "DELETE" && $0.target == "/b/x?uploadId=id" })
    }

    @Test func aLostAnswerToTheLastStepOfAnUploadIsNoError() async throws {
        let body = try Spool.pattern(6 << 20)
        let posts = Mutex(0)
        let server = try FaultServer { request, _ in
            if request.target == "/b/x?uploads=" {
                return .answer(
                    200, [:], "<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>")
            }
            if request.method == "PUT" { return .answer(200, ["ETag": "e"]) }
            if request.method == "HEAD" { return .answer(200, ["Content-Length": "\(6 << 20)"]) }
            let isFirst = posts.withLock { posts in
                posts += 1
                return posts == 1
            }
            return isFirst ? .reset : .answer(404, [:], "<Error><Code>NoSuchUpload</Code></Error>")
        }
        defer { server.stop() }
        try await open(server) { $0.partSize = 5 << 20 }.store("x", body)
        #expect(posts.withLock { $0 } == 2)
    }

    @Test(arguments: [(1, 16), (16 << 20, 16), (160_000 << 20, 17), (5 << 40, 525)])
    func tenThousandPartsSuffice(_ size: Int, _ megabytes: Int) async throws {
        let store = try await S3Store.open(faultOptions("http://127.0.0.1:1"))
        let part = store.partSize(for: size)
        #expect(part == megabytes << 20)
        #expect((size + part - 1) / part <= 10_000)
    }
}

import Foundation
import HTTP
import Support
import Synchronization
import TestSupport
import Testing

@testable import BlobStorage

/// What goes wrong between us and a server; made by a server of our own, so that it goes wrong each time.
@Suite(.timeLimit(.minutes(2)))
struct S3FaultLiveTests {
    @Test func openingMakesNoRequest() async throws {
        let server = try FaultServer { _, _ in .reset }
        defer { server.stop() }
        _ = try await open(server)
        #expect(server.connections == 0)
    }

    @Test func listingAndLoadingMakeNoOtherRequests() async throws {
        let server = try FaultServer { request, _ in
            request.target.contains("list-type")
                ? FaultServer.Reply.page(["x"], token: nil, truncated: false) : .answer(200, [:], "body")
        }
        defer { server.stop() }
        let store = try await open(server)
        _ = try await store.list(prefix: "main__")
        #expect(try await store.load("x").bytes == Array("body".utf8))
        #expect(server.requests.map(\.method) == ["GET", "GET"])
        #expect(server.requests.map(\.target) == ["/b?encoding-type=url&list-type=2&prefix=main__", "/b/x"])
        // Both over one connection.
        #expect(server.connections == 1)
    }

    @Test func anEmptyLastPageEndsTheListing() async throws {
        let server = try FaultServer { _, number in
            number == 0
                ? FaultServer.Reply.page(["a", "b"], token: "t/1+x==", truncated: true)
                : FaultServer.Reply.page([], token: nil, truncated: false)
        }
        defer { server.stop() }
        #expect(try await open(server).list(prefix: "").map(\.name) == ["a", "b"])
        #expect(server.requests.count == 2)
        #expect(server.requests.last?.target.contains("continuation-token=t%2F1%2Bx%3D%3D&") == true)
    }

    @Test func aListingWithoutTokenGoesOnBehindTheLastName() async throws {
        let server = try FaultServer { _, number in
            switch number {
            case 0: FaultServer.Reply.page(["a", "b"], token: nil, truncated: true)
            case 1: FaultServer.Reply.page(["b", "c"], token: nil, truncated: true)
            default: FaultServer.Reply.page([], token: nil, truncated: false)
            }
        }
        defer { server.stop() }
        #expect(try await open(server).list(prefix: "").map(\.name) == ["a", "b", "c"])
        #expect(server.requests.map { $0.target.contains("start-after=") } == [false, true, true])
        #expect(server.requests.last?.target.contains("start-after=c") == true)
    }

    /// A server that repeats a page, with the same token, with new ones or with none, and one that repeats a token.
    @Test(arguments: 0..<4)
    func aListingThatNeverEndsIsAnError(_ kind: Int) async throws {
        let server = try FaultServer { _, number in
            let token = ["same", "token \(number)", nil, "same"][kind]
            return FaultServer.Reply.page(kind == 3 ? [] : ["a"], token: token, truncated: true)
        }
        defer { server.stop() }
        let store = try await open(server)
        let error = await storageError { _ = try await store.list(prefix: "main__") }
        #expect(
            error?.description
                == "cannot list main__* in bucket b: 127.0.0.1:\(server.port) does not answer like an S3 server: the listing repeats"
                + " itself")
        #expect(server.requests.count == 2)
    }

    @Test func pagesOfFoldersOnlyDoNotEndTheListing() async throws {
        let server = try FaultServer { _, number in
            FaultServer.Reply.page(number == 120 ? ["a"] : [], token: "token \(number)", truncated: number < 120)
        }
        defer { server.stop() }
        #expect(try await open(server).list(prefix: "").map(\.name) == ["a"])
    }

    @Test func whatIsNoListingIsAnError() async throws {
        let server = try FaultServer { _, _ in .answer(200, [:], "<html>Welcome</html>") }
        defer { server.stop() }
        let store = try await open(server)
        let error = await storageError { _ = try await store.list(prefix: "") }
        #expect(
            error?.description
                == "cannot list bucket b: 127.0.0.1:\(server.port) does not answer like an S3 server: bad XML at byte 0: html is not a"
                + " listing")
    }

    @Test(arguments: [
        FaultServer.Reply.answer(503, [:], "<Error><Code>SlowDown</Code></Error>"), .answer(500),
        .answer(502, [:], "<html>"),
        .answer(429, ["Retry-After": "0", "Connection": "close"]), .reset, .raw(""),
        .raw("HTTP/1.1 200 OK\r\nContent-"),
        .raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"), .raw("garbage\r\n\r\n"),
    ])
    func whatPassesIsTriedAgain(_ fault: FaultServer.Reply) async throws {
        let server = try FaultServer { _, number in
            number < 2 ? fault : .answer(200, ["ETag": "\"900150983cd24fb0d6963f7d28e17f72\""], "abc")
        }
        defer { server.stop() }
        let told = Mutex<[String]>([])
        let store = try await S3Store.open(
            faultOptions(server.endpoint),
            willRetry: { error, _ in
                told.withLock { $0.append(error.description) }
            })
        #expect(try await store.load("x").bytes == Array("abc".utf8))
        #expect(server.requests.count == 3)
        let descriptions = told.withLock { $0 }
        #expect(descriptions.count == 2)
        #expect(descriptions.allSatisfy { $0.hasPrefix("cannot load x in bucket b") })
    }

    @Test func uploadsAreTriedAgainWithTheirWholeBody() async throws {
        let server = try FaultServer { _, number in [.reset, .answer(503), .answer(200, ["ETag": "e"])][number % 3] }
        defer { server.stop() }
        let body = try Spool.pattern(3 << 20, memoryLimit: 0)
        try await open(server).store("x", body)
        #expect(server.requests.count == 3)
        let expected = try body.bytes
        for request in server.requests {
            #expect(request.body == expected)
            #expect(request.headers["expect"] == nil)
            #expect(request.headers["content-length"] == "\(3 << 20)")
            #expect(try request.headers["x-amz-content-sha256"] == hexadecimal(Digest.sha256(expected)))
            #expect(request.headers["content-md5"]?.count == 24)
        }
    }

    @Test func emptyBodiesAreAnnouncedAsSuch() async throws {
        let server = try FaultServer { _, _ in .answer(200, ["ETag": "e"]) }
        defer { server.stop() }
        try await open(server) {
            $0.disableSendContentMD5 = true
            $0.storageClass = "COLD"
        }.store("x", Spool(""))
        let request = try #require(server.requests.first)
        #expect(request.headers["content-length"] == "0")
        #expect(request.headers["expect"] == nil)
        #expect(request.headers["transfer-encoding"] == nil)
        #expect(request.headers["content-md5"] == nil)
        #expect(request.headers["x-amz-storage-class"] == "COLD")
    }

    @Test(arguments: [400, 403, 404, 412, 501])
    func whatStaysIsNotTriedAgain(_ status: Int) async throws {
        let server = try FaultServer { _, _ in .answer(status) }
        defer { server.stop() }
        let store = try await open(server)
        #expect(await storageError { _ = try await store.load("x") } != nil)
        #expect(server.requests.count == 1)
    }

    @Test func bytesThatDifferFromTheirETagAreLoadedAgain() async throws {
        let server = try FaultServer { _, number in
            .answer(200, ["ETag": "\"900150983cd24fb0d6963f7d28e17f72\""], ["abd", "abe", "abc"][number])
        }
        defer { server.stop() }
        #expect(try await open(server).load("x").bytes == Array("abc".utf8))
        #expect(server.requests.count == 3)
    }

    /// An ETag of 32 digits need not be an MD5: what comes twice is what is stored.
    @Test func anETagThatOnlyLooksLikeAnMD5IsNotBelieved() async throws {
        let server = try FaultServer { _, _ in
            .answer(200, ["ETag": "\"0123456789abcdef0123456789abcdef\""], "body")
        }
        defer { server.stop() }
        let store = try await open(server)
        for _ in 0..<3 { #expect(try await store.load("x").bytes == Array("body".utf8)) }
        // Once twice, and from then on it is known.
        #expect(server.requests.count == 4)
    }

    /// An object is what was stored; what a proxy has compressed on the way although nobody asked for it is read.
    @Test func aContentEncodingIsUndoneInListingsOnly() async throws {
        let listing = try #require(
            Data(
                base64Encoded: "H4sIAAAAAAACA7PxySwucSpNzk4tCUotLs0psbPxLA4pKs1LTixJTbFLS8wpTrXRRxaycc7PK0nNKym2s"
                    + "/FOrbSrsNEHUTbBmVWpdoY2+mDaRh+hSB/DBgAtJQCWdAAAAA=="))
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\nETag: e\r\nContent-Length: "
        let server = try FaultServer { request, _ in
            let body = request.method == "GET" ? Array(listing) : []
            return .bytes(Array("\(head)\(body.count)\r\n\r\n".utf8) + body)
        }
        defer { server.stop() }
        let store = try await open(server)
        #expect(try await store.list(prefix: "").undated == [Blob(name: "x", size: 1)])
        #expect(try await store.load("x", atMost: listing.count).bytes == Array(listing))
        try await store.store("x", Spool("x"))
        #expect(server.requests.count == 3)
        #expect(server.requests.allSatisfy { $0.headers["accept-encoding"] == "identity" })
    }

    @Test func itGivesUpAfterItsAttempts() async throws {
        let server = try FaultServer { _, _ in .answer(503, [:], "<Error><Code>SlowDown</Code></Error>") }
        defer { server.stop() }
        let store = try await open(server) { $0.retry.attempts = 3 }
        let error = await storageError { _ = try await store.load("x") }
        #expect(error?.description == "cannot load x in bucket b: HTTP 503 SlowDown")
        #expect(error?.code == "SlowDown")
        #expect(server.requests.count == 3)
    }

    @Test func aSecretThatAServerRepeatsIsMasked() async throws {
        let server = try FaultServer { _, _ in
            .answer(403, [:], "<Error><Code>AccessDenied</Code><Message>geheim is wrong</Message></Error>")
        }
        defer { server.stop() }
        let store = try await open(server)
        let error = await storageError { _ = try await store.load("x") }
        #expect(error?.description.contains("*** is wrong") == true)
        #expect(error?.description.contains("geheim") == false)
    }

    @Test func aVeryShortSecretDoesNotBlotOutTheText() async throws {
        let server = try FaultServer { _, _ in
            .answer(403, [:], "<Error><Code>AccessDenied</Code><Message>not for you</Message></Error>")
        }
        defer { server.stop() }
        let store = try await open(server) { $0.secretKey = "o" }
        let error = await storageError { _ = try await store.load("x") }
        #expect(error?.description.contains("not for you") == true)
    }

    @Test func aMissingObjectIsDeletedButAMissingBucketIsNot() async throws {
        let server = try FaultServer { request, _ in
            .answer(404, [:], request.target == "/b/x" ? "" : "<Error><Code>NoSuchBucket</Code></Error>")
        }
        defer { server.stop() }
        let store = try await open(server)
        try await store.delete("x")
        #expect(await storageError { try await store.delete("y") }?.code == "NoSuchBucket")
    }

    @Test func creatingABucketEndsWithItsTimeout() async throws {
        let server = try FaultServer { _, _ in .silence }
        defer { server.stop() }
        let error = await storageError {
            _ = try await open(server) {
                $0.createBucket = true
                $0.initTimeout = .milliseconds(200)
            }
        }
        #expect(error?.kind == .timeout)
        #expect(error?.description == "cannot create bucket b: not done after 0.2 seconds")
    }

    @Test func aBucketIsCreatedWhereItIsMissing() async throws {
        for (region, constraint) in [("us-east-1", false), ("eu-west-1", true)] {
            let server = try FaultServer { request, _ in .answer(request.method == "GET" ? 404 : 200) }
            defer { server.stop() }
            _ = try await open(server) {
                $0.createBucket = true
                $0.region = region
            }
            #expect(server.requests.map(\.method) == ["GET", "PUT"])
            let body = String(decoding: server.requests.last?.body ?? [], as: UTF8.self)
            #expect(body.contains("<LocationConstraint>\(region)</LocationConstraint>") == constraint)
        }
        let server = try FaultServer { _, _ in FaultServer.Reply.page(["a"], token: "more", truncated: true) }
        defer { server.stop() }
        _ = try await open(server) { $0.createBucket = true }
        #expect(server.requests.map(\.target) == ["/b?encoding-type=url&list-type=2&max-keys=1&prefix="])
    }

    /// By HEAD the server could not say why it refuses.
    @Test func aWrongClockIsNoMissingPermissionWhereABucketIsCreated() async throws {
        let server = try FaultServer { _, _ in
            .answer(
                403, ["Date": "Sun, 06 Nov 1994 08:49:37 GMT"], "<Error><Code>RequestTimeTooSkewed</Code></Error>")
        }
        defer { server.stop() }
        let error = await storageError { _ = try await open(server) { $0.createBucket = true } }
        #expect(error?.code == "RequestTimeTooSkewed" && error?.kind == .other)
        #expect(error?.description.contains("the clock of this machine is ") == true)
        #expect(error?.description.contains("permission") == false)
    }

    @Test func anotherWebServerIsNotTakenForABucketThatIsMissing() async throws {
        let server = try FaultServer { _, _ in
            .answer(404, ["Server": "nginx", "Content-Type": "text/html; charset=utf-8"], "<h1>Not Found</h1>")
        }
        defer { server.stop() }
        let error = await storageError { _ = try await open(server) { $0.createBucket = true } }
        #expect(server.requests.map(\.method) == ["GET"])
        #expect(
            error?.description
                == "cannot list bucket b: HTTP 404 NotFound; this is not an answer of an S3 server (text/html from nginx)"
        )
        let store = try await open(server)
        #expect(await storageError { _ = try await store.load("x") }?.kind == .other)
        #expect(await storageError { try await store.delete("x") }?.kind == .other)
    }
}

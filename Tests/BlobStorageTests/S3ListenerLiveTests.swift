import HTTP
import Support
import Synchronization
import TestSupport
import Testing

@testable import BlobStorage

/// The connection over which a server announces changes.
@Suite(.timeLimit(.minutes(2)))
struct S3ListenerLiveTests {
    private static let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

    private static func event(_ key: String, etag: String = "e") -> String {
        #"{"Records":[{"eventName":"s3:ObjectCreated:Put","s3":{"object":{"key":"\#(key)","eTag":"\#(etag)"}}}]}"#
            + "\n"
    }

    private final class Notices: Sendable {
        let all = Mutex<[S3ListenNotice]>([])
        var refusals: [String] {
            all.withLock { $0.compactMap { if case .unsupported(let text, _) = $0 { text } else { nil } } }
        }
    }

    private func open(
        _ server: FaultServer, _ notices: Notices = Notices(), _ change: (inout S3Options) -> Void = { _ in }
    ) async throws -> S3Store {
        var options = faultOptions(server.endpoint)
        options.notifications = .auto
        options.listenTimes.pauses = .milliseconds(1)...(.milliseconds(5))
        change(&options)
        return try await S3Store.open(options, listening: { notice in notices.all.withLock { $0.append(notice) } })
    }

    /// The first elements of a stream.
    private func first(_ count: Int, of stream: AsyncStream<StorageChange>?) async throws -> [StorageChange] {
        var found: [StorageChange] = []
        for await change in try #require(stream) {
            found.append(change)
            if found.count == count { break }
        }
        return found
    }

    @Test func oneConnectionServesAllPrefixes() async throws {
        let server = try FaultServer { _, _ in
            .held(Self.head + Self.event("p/main__1") + Self.event("p/shard__1") + Self.event("q/main__2"))
        }
        defer { server.stop() }
        let store = try await open(server) { $0.globalPrefix = "p/" }
        let (main, shard) = (store.changes(prefix: "main__"), store.changes(prefix: "shard__"))
        #expect(
            try await first(2, of: main) == [
                .feed(isUp: true), .hint(Hint("main__1", version: "e", source: .listen)),
            ])
        #expect(
            try await first(2, of: shard) == [
                .feed(isUp: true), .hint(Hint("shard__1", version: "e", source: .listen)),
            ])
        #expect(server.requests.count == 1)
        let request = try #require(server.requests.first)
        #expect(
            request.target == "/b?events=s3%3AObjectCreated%3A%2A&events=s3%3AObjectRemoved%3A%2A&ping=10&prefix=p%2F")
        #expect(request.headers["authorization"]?.hasPrefix("AWS4-HMAC-SHA256 ") == true)
    }

    @Test func silenceAndEndsLeadToAnotherConnection() async throws {
        for reply: FaultServer.Reply in [.held(Self.head), .raw(Self.head), .silence, .reset, .answer(503)] {
            let server = try FaultServer { _, number in number < 2 ? reply : .held(Self.head + Self.event("x")) }
            defer { server.stop() }
            let store = try await open(server) { $0.listenTimes.silence = .milliseconds(50) }
            var changes: [StorageChange] = []
            for await change in try #require(store.changes(prefix: "")) {
                changes.append(change)
                if change == .hint(Hint("x", version: "e", source: .listen)) { break }
            }
            #expect(server.requests.count >= 3)
            // Nobody believes in a connection that has ended.
            let states = changes.filter { if case .feed = $0 { true } else { false } }
            for (index, state) in states.enumerated() { #expect(state == .feed(isUp: index.isMultiple(of: 2))) }
        }
    }

    @Test func aServerThatDoesNotAnnounceIsLeftAlone() async throws {
        let listing = "<?xml version=\"1.0\"?><ListBucketResult></ListBucketResult>"
        let denied = "<Error><Code>AccessDenied</Code></Error>"
        for (reply, isWanted) in [
            (FaultServer.Reply.answer(200, [:], listing), false), (.answer(403, [:], denied), false),
            (.answer(501), false), (.answer(405), true), (.answer(200, [:], listing), true),
        ] {
            let server = try FaultServer { _, _ in reply }
            defer { server.stop() }
            let notices = Notices()
            let store = try await open(server, notices) { $0.notifications = isWanted ? .on : .auto }
            let stream = store.changes(prefix: "")
            try await eventually { !notices.refusals.isEmpty }
            if isWanted {
                try await eventually { server.requests.count > 3 }
                #expect(notices.refusals.count == 1)
            } else {
                #expect(server.requests.count == 1)
            }
            withExtendedLifetime(stream) {}
        }
    }

    @Test func aWrongKeyOrAMissingBucketIsTriedAgain() async throws {
        for code in ["SignatureDoesNotMatch", "NoSuchBucket", "RequestTimeTooSkewed"] {
            let server = try FaultServer { _, number in
                number < 2
                    ? .answer(403, [:], "<Error><Code>\(code)</Code></Error>") : .held(Self.head + Self.event("x"))
            }
            defer { server.stop() }
            let store = try await open(server)
            #expect(try await first(1, of: store.changes(prefix: "")) == [.feed(isUp: true)])
        }
    }

    @Test func theConnectionEndsWithItsReaders() async throws {
        let server = try FaultServer { _, _ in .held(Self.head) }
        defer { server.stop() }
        let notices = Notices()
        let store = try await open(server, notices)
        #expect(try await first(1, of: store.changes(prefix: "")) == [.feed(isUp: true)])
        // The next reader has another connection.
        #expect(try await first(1, of: store.changes(prefix: "")) == [.feed(isUp: true)])
        #expect(server.requests.count == 2)
    }

    @Test func nothingIsAskedForWhenItIsOff() async throws {
        let server = try FaultServer { _, _ in .silence }
        defer { server.stop() }
        let store = try await open(server) { $0.notifications = .off }
        #expect(store.changes(prefix: "") == nil)
        #expect(try await store.announcesChanges() == nil)
    }

    @Test func aTestSaysWhetherTheServerAnnounces() async throws {
        let denied = "<Error><Code>AccessDenied</Code></Error>"
        let server = try FaultServer { _, number in
            switch number {
            case 0: .held(Self.head)
            case 1: .held("HTTP/1.1 200 OK\r\n\r\n{\"Records\":null}\n")
            case 2: .answer(200, [:], "<ListBucketResult></ListBucketResult>")
            default: .answer(403, [:], denied)
            }
        }
        defer { server.stop() }
        let store = try await open(server)
        #expect(try await store.announcesChanges() == true)
        #expect(try await store.announcesChanges() == true)
        #expect(try await store.announcesChanges() == false)
        let error = await storageError { _ = try await store.announcesChanges() }
        #expect(error?.kind == .accessDenied)
    }
}

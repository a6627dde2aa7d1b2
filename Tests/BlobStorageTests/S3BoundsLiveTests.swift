import Support
import TestSupport
import Testing

@testable import BlobStorage

/// Servers whose answers never end: each has a bound that is seen while reading.
@Suite(.timeLimit(.minutes(2)))
struct S3BoundsLiveTests {
    private static let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

    private func endless(_ head: String, _ part: String) throws -> FaultServer {
        try FaultServer { _, _ in .endless(head, then: part) }
    }

    /// What the kernel takes on both sides of a connection besides.
    private static let buffers = 16 << 20

    @Test func aBodyIsNotLongerThanListed() async throws {
        let server = try endless(Self.head, "x")
        defer { server.stop() }
        let store = try await open(server)
        let error = await storageError { _ = try await store.load("x", atMost: 100) }
        #expect(error?.code == BlobStoreError.tooLarge)
        #expect(
            error?.description
                == "cannot load x in bucket b at 127.0.0.1:\(server.port): it is larger than the expected 100 bytes")
        #expect(server.requests.count == 1)
        #expect(server.endlessBytes < Self.buffers)
    }

    @Test func aLengthThatIsTooLargeIsEnough() async throws {
        let server = try FaultServer { _, _ in .raw("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\nx") }
        defer { server.stop() }
        let store = try await open(server)
        #expect(await storageError { _ = try await store.load("x", atMost: 100) }?.code == BlobStoreError.tooLarge)
        let exact = try FaultServer { _, _ in .answer(200, [:], "abc") }
        defer { exact.stop() }
        #expect(try await open(exact).load("x", atMost: 3).count == 3)
    }

    @Test(arguments: [
        "<Contents><Key>a</Key><Size>1</Size></Contents>", "<!-- -->", "<a>", " ",
    ])
    func aPageOfAListingEnds(_ part: String) async throws {
        let server = try endless(Self.head + "<ListBucketResult>", part)
        defer { server.stop() }
        let store = try await open(server)
        let error = await storageError { _ = try await store.list(prefix: "") }
        #expect(error?.code == BlobStoreError.tooLarge)
        #expect(server.endlessBytes < Self.buffers + 8 << 20)
    }

    @Test func aListingEnds() async throws {
        let server = try FaultServer { _, number in
            let objects = (0..<8000).map { "<Contents><Key>\(number)-\($0)-\(filler)</Key><Size>1</Size></Contents>" }
            return .answer(
                200, [:],
                "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t\(number)</NextContinuationToken>"
                    + objects.joined() + "</ListBucketResult>")
        }
        defer { server.stop() }
        let store = try await open(server)
        let error = await storageError { _ = try await store.list(prefix: "") }
        #expect(error?.code == BlobStoreError.tooLarge)
        #expect(error?.description.hasSuffix(" objects") == true)
        #expect(server.requests.count < 10)
    }

    @Test func theTextOfAnErrorEnds() async throws {
        let server = try endless(
            "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n<Error><Code>AccessDenied</Code>", "<a/>")
        defer { server.stop() }
        let store = try await open(server)
        let error = await storageError { _ = try await store.list(prefix: "") }
        #expect(error?.description.hasPrefix("cannot list bucket b: HTTP 403 Forbidden") == true)
        #expect(server.endlessBytes < Self.buffers)
    }

    @Test(arguments: ["X-More: y\r\n", "HTTP/1.1 100 Continue\r\n\r\n"])
    func theHeadersEnd(_ part: String) async throws {
        let server = try endless("HTTP/1.1 \(part.hasPrefix("X") ? 200 : 100) OK\r\n", part)
        defer { server.stop() }
        let store = try await open(server) { $0.retry.attempts = 2 }
        #expect(await storageError { _ = try await store.load("x", atMost: 100) } != nil)
        #expect(server.endlessBytes < 2 * Self.buffers)
    }

    @Test func aHugeUpdateMarkerIsNone() async throws {
        let server = try FaultServer { request, _ in
            request.target.contains("list-type")
                ? .answer(200, [:], "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
                : .endless(Self.head, then: "x")
        }
        defer { server.stop() }
        let store = UpdateMarkerStore(try await open(server), forceListInterval: .seconds(300))
        for _ in 0..<2 { #expect(try await store.list(prefix: "").isEmpty) }
        #expect(server.requests.count == 4)
        #expect(server.endlessBytes < 2 * Self.buffers)
    }

    @Test(arguments: [0, 1])
    func otherStoragesHaveTheSameBound(_ kind: Int) async throws {
        let directory = try TemporaryDirectory()
        let store: any BlobStore = kind == 0 ? MemoryStore() : try FileSystemStore(rootPath: directory.path)
        try await store.store("x", Spool("1234"))
        #expect(try await store.load("x", atMost: 4).count == 4)
        #expect(await storageError { _ = try await store.load("x", atMost: 3) }?.code == BlobStoreError.tooLarge)
        #expect(try await store.loadListed("x").count == 4)
        #expect(await storageError { _ = try await store.loadListed("y") }?.kind == .notFound)
    }
}

private let filler = String(repeating: "k", count: 900)

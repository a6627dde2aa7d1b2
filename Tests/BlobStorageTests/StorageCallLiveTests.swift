import Support
import Synchronization
import TestSupport
import Testing

@testable import BlobStorage

/// What metrics are told of requests.
@Suite(.timeLimit(.minutes(1)))
struct StorageCallLiveTests {
    private final class Record: Sendable {
        private let calls = Mutex<[StorageCall]>([])
        func note(_ call: StorageCall) { calls.withLock { $0.append(call) } }
        /// Such as "load" or "load NotFound".
        var texts: [String] {
            calls.withLock { $0.map { $0.method.rawValue + ($0.errorCode.map { " \($0)" } ?? "") } }
        }
        var all: [StorageCall] { calls.withLock { $0 } }
    }

    private func open(
        _ endpoint: String, _ record: Record, _ change: (inout S3Options) -> Void = { _ in }
    ) async throws -> S3Store {
        var options = faultOptions(endpoint)
        change(&options)
        return try await S3Store.open(options, observe: { record.note($0) })
    }

    @Test func everyRequestIsACall() async throws {
        let server = try FaultServer { request, number in
            switch (request.method, number) {
            case ("GET", 0): .answer(503, [:], "<Error><Code>SlowDown</Code></Error>")
            case ("GET", 1):
                .answer(200, [:], "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
            case ("GET", 2): .answer(404, [:], "<Error><Code>NoSuchKey</Code></Error>")
            case ("GET", 3): .answer(200, [:], "nonsense")
            case ("PUT", _): .answer(200, ["ETag": "e"])
            case ("DELETE", _): .answer(403, [:], "<Error><Code>AccessDenied</Code></Error>")
            default: .answer(200)
            }
        }
        defer { server.stop() }
        let record = Record()
        let store = try await open(server.endpoint, record)
        #expect(record.texts == [])
        _ = try await store.list(prefix: "")
        #expect(record.texts == ["list SlowDown", "list"])
        _ = await storageError { _ = try await store.load("x") }
        _ = await storageError { _ = try await store.list(prefix: "") }
        try await store.store("x", Spool("x"))
        _ = await storageError { try await store.delete("x") }
        #expect(record.texts.dropFirst(2) == ["load NotFound", "list Unknown", "store", "delete AccessDenied"])
        #expect(record.all.allSatisfy { $0.duration >= .zero && $0.time > 1_700_000_000_000_000_000 })
    }

    @Test func callsWithoutAnswerHaveTheirKindOfError() async throws {
        let refused = Record()
        let port = try closedPort()
        let store = try await open("http://127.0.0.1:\(port)", refused) { $0.retry.attempts = 2 }
        _ = await storageError { _ = try await store.load("x") }
        #expect(refused.texts == ["load URLError", "load URLError"])

        let server = try FaultServer { _, _ in .silence }
        defer { server.stop() }
        let silent = Record()
        let slow = try await open(server.endpoint, silent) {
            $0.retry.attempts = 1
            $0.stallTimeout = .milliseconds(100)
        }
        _ = await storageError { try await slow.store("x", Spool("x")) }
        #expect(silent.texts == ["store Timeout"])
    }

    @Test func partsAreStoresAndCancelledCallsAreNone() async throws {
        let server = try FaultServer { request, _ in
            if request.method == "GET" { return .silence }
            if request.target.contains("partNumber") { return .answer(200, ["ETag": "\"e\""]) }
            let xml =
                request.target.hasSuffix("uploads=")
                ? "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
                : "<CompleteMultipartUploadResult><ETag>&quot;e-2&quot;</ETag></CompleteMultipartUploadResult>"
            return .answer(200, [:], xml)
        }
        defer { server.stop() }
        let record = Record()
        let store = try await open(server.endpoint, record) { $0.partSize = 5 << 20 }
        #expect(try await store.put("large", .pattern(6 << 20)) == "e-2")
        #expect(record.texts == ["store", "store", "store", "store"])
        let load = Task { try await store.load("x") }
        while server.requests.last?.method != "GET" { try await Task.sleep(for: .milliseconds(5)) }
        load.cancel()
        await #expect(throws: CancellationError.self) { try await load.value }
        #expect(record.all.count == 4)
    }
}

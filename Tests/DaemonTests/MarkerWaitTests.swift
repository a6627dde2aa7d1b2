import BlobStorage
import DaemonTestSupport
import Logging
import Observability
import Support
import Synchronization
import Testing

@testable import Daemon

@Suite struct MarkerWaitTests {
    @Test func waitsThroughOtherObjectsAndErrors() async throws {
        let store = ScriptedListing([
            .success([]), .success(["go-not", "go.not"]),
            .failure(BlobStoreError(.timeout, "cannot list the bucket: no answer")), .success(["go", "go-not"]),
        ])
        let lines = CapturedLines()
        let logger = Logger(label: "test") { _ in
            LineLogHandler(
                settings: LogSettings(format: .logfmt, timestamp: .disable), clock: { sampleTime }, output: lines)
        }
        let pauses = Mutex<[Duration]>([])
        let wait = MarkerWait(
            name: "go", store: store, pollInterval: .seconds(1), retryInterval: .seconds(5), logger: logger,
            sleep: { pause in pauses.withLock { $0.append(pause) } })
        #expect(try await wait.run())
        #expect(store.remaining == 0)
        #expect(pauses.withLock { $0 } == [.seconds(1), .seconds(1), .seconds(5)])
        #expect(
            lines.all == [
                "level=info msg=\"waiting for the marker file\" marker=go\n",
                "level=warning msg=\"cannot check for the marker file\" error=\"cannot list the bucket: no answer\"\n",
                "level=info msg=\"found the marker file\" marker=go\n",
            ])
    }
}

/// A storage of which only the listings are known in advance.
private final class ScriptedListing: BlobStore {
    private let listings: Mutex<[Result<[String], BlobStoreError>]>

    init(_ listings: [Result<[String], BlobStoreError>]) { self.listings = Mutex(listings) }

    var remaining: Int { listings.withLock(\.count) }

    func list(prefix: String) async throws -> [Blob] {
        try listings.withLock { try $0.removeFirst().get() }.map { Blob(name: $0, size: 0) }
    }

    func load(_ name: String, atMost limit: Int) async throws -> Spool {
        throw BlobStoreError(.notFound, "nothing is here")
    }
    func store(_ name: String, _ body: Spool) async throws -> String? {
        Issue.record("a wait writes \(name)")
        return nil
    }
    func delete(_ name: String) async throws { Issue.record("a wait deletes \(name)") }
    func changes(prefix: String) -> AsyncStream<StorageChange>? { nil }
}

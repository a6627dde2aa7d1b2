import BlobStorage
import Monitoring
import StatusServer
import Synchronization

/// What the status server of a daemon shows.
final class DaemonSource: StatusSource {
    private let monitor: Monitor
    private let store = Mutex<(any BlobStore)?>(nil)

    init(_ monitor: Monitor) { self.monitor = monitor }

    /// The storage is open.
    ///
    /// - Parameter store: without its update marker, so that its list is never an old one.
    func opened(_ store: any BlobStore) { self.store.withLock { $0 = store } }

    func report() async -> StatusReport { await monitor.report() }

    func metrics() async -> [UInt8] { await monitor.metrics() }

    func health() async -> (isAvailable: Bool, json: [UInt8]) {
        let report = monitor.health()
        // A report of texts and numbers always has a text.
        return (report.ok, (try? JSON.encode(report)) ?? Array("{}".utf8))
    }

    func objects() async throws -> [(name: String, size: Int)] {
        guard let store = store.withLock(\.self) else {
            throw CommandFailure.failed("the storage is not open yet: the log says what it waits for")
        }
        return try await store.list(prefix: "").map { ($0.name, $0.size) }
    }
}

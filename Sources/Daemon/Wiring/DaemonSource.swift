import BlobStorage
import HTTP
import Monitoring
import StatusServer
import Synchronization

/// The data of a daemon's status server.
final class DaemonSource: StatusSource {
    private let monitor: Monitor
    private let store = Mutex<(any BlobStore)?>(nil)
    private let zones = Mutex<ZoneSource?>(nil)

    /// The secret next to the LMDBs.
    private let secret: String

    init(_ monitor: Monitor, secret: String) {
        self.monitor = monitor
        self.secret = secret
    }

    func proof(nonce: String, of body: [UInt8]) -> String? {
        DaemonProof.make(secret: secret, nonce: nonce, body: body)
    }

    /// The storage is open.
    ///
    /// - Parameter store: the storage without its update marker, so that listings are current.
    func opened(_ store: any BlobStore) { self.store.withLock { $0 = store } }

    /// Databases of PowerDNS are inspected.
    func inspect(with watch: PowerDNSWatch) {
        let source = ZoneSource(watch.databases, watch.inspector.recentZones, monitor)
        zones.withLock { $0 = source }
    }

    func report() async -> StatusReport {
        var report = await monitor.report()
        report.zones = await zones.withLock(\.self)?.overview()
        return report
    }

    func zone(_ name: String) async -> StatusReport.Zone? { await zones.withLock(\.self)?.zone(name) }

    func metrics() async -> [UInt8] { await monitor.metrics() }

    func health() async -> (isAvailable: Bool, json: [UInt8]) {
        let report = monitor.health()
        // A report of strings and numbers can always be encoded.
        return (report.ok, (try? JSON.encode(report)) ?? Array("{}".utf8))
    }

    func objects() async throws -> [(name: String, size: Int)] {
        guard let store = store.withLock(\.self) else {
            throw CommandFailure(.storageIsNotOpen)
        }
        return try await store.list(prefix: "").map { ($0.name, $0.size) }
    }
}

import BlobStorage
import HTTP
import Monitoring
import Snapshots
import StatusServer
import Synchronization

/// The data of a daemon's status server.
final class DaemonSource: StatusSource {
    private let monitor: Monitor
    private let store = Mutex<(any BlobStore)?>(nil)
    private let state = Mutex(Zones.undecided)

    /// The zones, once it is known whether there are databases of PowerDNS.
    private enum Zones {
        case undecided, none
        case source(ZoneSource)
    }

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

    /// Databases of PowerDNS are inspected; nil if there are none.
    func inspect(with watch: PowerDNSWatch?) {
        let zones = watch.map { Zones.source(ZoneSource($0.databases, $0.inspector.recentZones, monitor)) } ?? .none
        state.withLock { $0 = zones }
    }

    private var zones: ZoneSource? {
        guard case .source(let source) = state.withLock(\.self) else { return nil }
        return source
    }

    func report() async -> StatusReport {
        var report = await monitor.report()
        report.zones = await zones?.overview()
        return report
    }

    func zone(_ name: String) async -> StatusReport.Zone? { await zones?.zone(name) }

    func inSync(_ zone: String, ticket: UInt64?, except: [String]) async -> StatusReport.InSync? {
        guard !monitor.onlyReceives else {
            return StatusReport.InSync(
                zone, .impossible, problem: "this instance only receives, and knows nothing of what others have merged")
        }
        return switch state.withLock(\.self) {
        case .undecided: StatusReport.InSync(zone, problem: "the daemon is starting")
        case .none: StatusReport.InSync(zone, .impossible, problem: "powerdns.enabled is false in the configuration")
        case .source(let source):
            await source.inSync(
                zone, ticket: ticket, except: Set(except.map(SnapshotName.sanitize(instance:))))
        }
    }

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

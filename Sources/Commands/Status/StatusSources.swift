import BlobStorage
import Config
import Daemon
import LMDB
import Monitoring
import Snapshots
import Support

/// The data sources of `status`: the daemon, or storage and LMDBs.
struct StatusSources: Sendable {
    let configuration: Configuration
    let hostname: String
    private let environment: [String: String]
    private let clock: @Sendable () -> WallTime

    init(_ session: Session) {
        configuration = session.configuration
        hostname = session.hostname
        environment = session.context.environment
        clock = session.context.clock
    }

    /// The name of this instance in snapshot names.
    var instance: String { SnapshotName.sanitize(instance: configuration.instance) }

    /// The daemon; nil if the configuration has no address for it.
    var daemon: RunningDaemon? { configuration.http.address.map { RunningDaemon($0, configuration) } }

    /// The current time, in nanoseconds since the UNIX epoch.
    var now: UInt64 { UInt64(clock()) }

    /// Opens the storage for reading. Without its update marker, because nothing is read twice here.
    func openStorage() async throws -> any BlobStore {
        try await StorageFactory.open(
            configuration.storage, writes: false, environment: { [environment] in environment[$0] },
            logger: .silent
        ).unmarked
    }

    /// The daemon's report; without a daemon, one from storage and LMDBs.
    func report() async throws -> StatusReport {
        guard let daemon else { return await OfflineStatus(self).report() }
        do {
            return try await daemon.report()
        } catch let failure as CommandFailure {
            var report = await OfflineStatus(self).report()
            report.health.status = "Unavailable"
            report.health.failures["daemon"] = failure.description
            return report
        }
    }
}

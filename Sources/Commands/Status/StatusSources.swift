import BlobStorage
import Config
import Daemon
import LMDB
import Monitoring
import Snapshots
import Support

/// Where `status` gets its knowledge from: the daemon, or storage and LMDBs.
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

    /// The name of this instance as it stands in names of snapshots.
    var instance: String { SnapshotName.sanitize(instance: configuration.instance) }

    /// The daemon, where the configuration says that it has an address.
    var daemon: RunningDaemon? { configuration.http.address.map { RunningDaemon($0, configuration) } }

    /// Now, in nanoseconds since the UNIX epoch.
    var now: UInt64 { UInt64(clock()) }

    /// Opens the storage, for reading. Without its update marker: nothing is read twice here.
    func openStorage() async throws -> any BlobStore {
        try await StorageFactory.open(
            configuration.storage.backend, writes: false, environment: { [environment] in environment[$0] },
            logger: .silent
        ).unmarked
    }

    /// What the daemon says; without one, what storage and LMDBs show.
    func report() async throws -> StatusReport {
        guard let daemon else { return await LookedAt(self).report() }
        do {
            return try await daemon.report()
        } catch let failure as CommandFailure {
            var report = await LookedAt(self).report()
            report.health.status = "Unavailable"
            report.health.failures["daemon"] = failure.description
            return report
        }
    }
}

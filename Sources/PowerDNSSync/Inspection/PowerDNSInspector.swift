import LMDB
import Logging
import Observability
import Replication
import Snapshots
import Synchronization

/// Looks into what merges and sends change in databases of PowerDNS: refuses what would do harm, and tells what changed.
///
/// Databases of other applications are left alone.
package final class PowerDNSInspector: ChangeInspector {
    let settings: InspectorSettings
    let logger: Logger
    let metrics: PowerDNSMetrics
    let changeLog: ChangeLog
    /// The zones that changed last.
    package let recentZones = RecentZones()
    /// Which of the synced databases are PowerDNS's, and where they are open.
    package let databases: PowerDNSDatabases
    let held = Mutex(HeldLedger())

    /// - Parameters:
    ///   - registry: gets the metrics.
    ///   - consumers: are told of the zones that merges change.
    package init(
        _ settings: InspectorSettings, databases: PowerDNSDatabases, registry: MetricRegistry, logger: Logger,
        consumers: [any ZoneConsumer] = []
    ) {
        self.settings = settings
        self.databases = databases
        self.logger = logger
        metrics = PowerDNSMetrics(registry)
        changeLog = ChangeLog(
            isOn: settings.detail != .off, databases: databases, metrics: metrics, consumers: consumers,
            recent: recentZones, logger: logger)
    }

    /// See `ChangeInspector`.
    package func inspectMerge(of snapshot: SnapshotName, into database: String) -> (any MergeInspection)? {
        databases.kind(of: database) == .foreign ? nil : MergeLook(self, snapshot, into: database)
    }

    /// See `ChangeInspector`.
    package func inspectSend(of database: String) -> (any SendInspection)? {
        databases.kind(of: database) == .foreign ? nil : SendLook(self, of: database)
    }

    /// What a database is; said once where that is not what is expected.
    func look(at database: String, _ transaction: borrowing ReadTransaction) throws -> PowerDNSDatabases.Kind {
        let kind = try databases.look(at: database, transaction)
        if kind == .foreign, settings.isExpected {
            logger.warning(
                "this database is not one of PowerDNS 4.8 or newer: nobody looks into it (powerdns.enabled)",
                metadata: ["db": "\(database)"])
        }
        return kind
    }

    /// Tells of changes while `body` syncs, and of the last ones before it returns.
    package func run(while body: @Sendable () async throws -> Void) async throws {
        defer { databases.close() }
        try await changeLog.run(while: body)
    }
}

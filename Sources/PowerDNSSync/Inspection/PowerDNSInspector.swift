import LMDB
import Logging
import Observability
import Replication
import Snapshots
import Synchronization

/// Inspects the changes of merges and sends in databases of PowerDNS: rejects harmful ones, and logs changes.
///
/// Databases of other applications are not inspected.
package final class PowerDNSInspector: ChangeInspector {
    let settings: InspectorSettings
    let logger: Logger
    let metrics: PowerDNSMetrics
    let changeLog: ChangeLog
    /// The last changed zones.
    package let recentZones = RecentZones()
    /// The synced databases of PowerDNS, and their open LMDBs.
    package let databases: PowerDNSDatabases
    let held = Mutex(HeldLedger())

    /// - Parameters:
    ///   - registry: the registry for the metrics.
    ///   - consumers: receive the zones changed by merges.
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
        databases.kind(of: database) == .foreign ? nil : PowerDNSMergeInspection(self, snapshot, into: database)
    }

    /// See `ChangeInspector`.
    package func inspectSend(of database: String) -> (any SendInspection)? {
        databases.kind(of: database) == .foreign ? nil : PowerDNSSendInspection(self, of: database)
    }

    /// The kind of a database; logged once if it is unexpected.
    func detectKind(of database: String, _ transaction: borrowing ReadTransaction) throws -> PowerDNSDatabases.Kind {
        let kind = try databases.detectKind(of: database, transaction)
        if kind == .foreign, settings.isExpected {
            logger.warning(
                "this database is not one of PowerDNS 4.8 or later: its contents are not inspected (powerdns.enabled)",
                metadata: ["db": "\(database)"])
        }
        return kind
    }

    /// Processes changes while `body` syncs, and the last ones before it returns.
    package func run(while body: @Sendable () async throws -> Void) async throws {
        defer { databases.close() }
        try await changeLog.run(while: body)
    }
}

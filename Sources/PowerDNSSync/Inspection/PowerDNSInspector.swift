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
    private let flushBegins: (@Sendable (_ database: String) -> @Sendable () -> Void)?

    /// - Parameters:
    ///   - registry: the registry for the metrics.
    ///   - consumers: receive the zones changed by merges.
    ///   - flushBegins: called at the end of each merge that has changed a database, before its progress is reported; the returned
    ///     function is called when one of the consumers has flushed PowerDNS's caches for it. Nil if none does.
    package init(
        _ settings: InspectorSettings, databases: PowerDNSDatabases, registry: MetricRegistry, logger: Logger,
        consumers: [any ZoneConsumer] = [], flushBegins: (@Sendable (_ database: String) -> @Sendable () -> Void)? = nil
    ) {
        self.flushBegins = flushBegins
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

    /// Ends with the flush of PowerDNS's caches after a merge that is ending; nil if nothing waits for that.
    func hold(for database: String) -> FlushHold? { flushBegins.map { FlushHold($0(database)) } }

    /// Processes changes while `body` syncs, and the last ones before it returns.
    package func run(while body: @Sendable () async throws -> Void) async throws {
        defer { databases.close() }
        try await changeLog.run(while: body)
    }
}

import LMDB
import Logging
import Observability
import PowerDNSDatabase
import PowerDNSFormat
import Support
import Synchronization

/// Checks the zones that merges have changed, and logs each finding once, and when it is resolved.
///
/// It runs on a thread of its own, beside the syncing of its databases, and reads each zone in one transaction.
package final class ChangedZoneChecker: ZoneConsumer {
    /// The settings of the checks.
    package struct Settings: Sendable {
        /// The enabled rules.
        package var groups: Set<ValidationRule.Group> = [.structure, .relations, .zones]
        /// Delay after a change: related changes arrive with two merges, one of each database.
        package var settle: Duration = .seconds(5)
        /// Interval at which zones with findings are checked again without a merge.
        package var recheck: Duration = .seconds(600)

        /// The defaults.
        package init() {}
    }

    /// The LMDBs that are currently open.
    package struct Databases: Sendable {
        /// Zones, metadata and keys; nil while it is not open.
        package var main: Environment?
        /// Records; nil while it is not open.
        package var shard: Environment?
        /// The name of the zones' database in log lines; nil if unknown.
        package var name: String?

        /// See the properties of the same names.
        package init(main: Environment?, shard: Environment?, name: String? = nil) {
            self.main = main
            self.shard = shard
            self.name = name
        }
    }

    private let settings: Settings
    private let databases: @Sendable () -> Databases
    private let metric: MetricFamily<Gauge>
    private let logger: Logger
    private let pool = BlockingPool(label: "zone-check", width: 1)
    private let pending = Mutex(PendingZones())
    private let ledger = Mutex(FindingLedger())
    private let signal: AsyncStream<Void>
    private let raise: AsyncStream<Void>.Continuation

    /// - Parameters:
    ///   - settings: the settings of the checks.
    ///   - databases: returns the LMDBs that syncing has open; called before each transaction.
    ///   - registry: the registry for the metric.
    ///   - logger: the logger for findings.
    package init(
        _ settings: Settings = Settings(), databases: @escaping @Sendable () -> Databases,
        registry: MetricRegistry, logger: Logger
    ) {
        self.settings = settings
        self.databases = databases
        self.logger = logger
        metric = registry.gauges(
            "lightningstream_powerdns_zone_findings",
            "Current findings in zones that merges have changed.", labels: ["severity"])
        (signal, raise) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// The current number of findings in zones changed by merges.
    package func count(_ severity: ValidationFinding.Severity) -> Int { ledger.withLock { $0.count(severity) } }

    /// Queues the changed zones, and returns at once.
    package func zonesChanged(_ zones: MergedZones) async {
        pending.withLock { $0.add(zones) }
        raise.yield()
    }

    /// Checks changed zones until the task is cancelled. Must be called once.
    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [self] in
                while (try? await Task.sleep(for: settings.recheck)) != nil { await checkAgain() }
            }
            for await _ in signal {
                guard (try? await Task.sleep(for: settings.settle)) != nil else { break }
                await checkPending()
            }
            group.cancelAll()
        }
    }

    /// Checks the zones with findings again, because the application may have fixed them.
    func checkAgain() async {
        let zones = ledger.withLock { $0.zones }
        await perform { round in
            for zone in zones { try round.check(zone, from: nil) }
        }
    }

    /// Checks all queued zones without delay, and returns when no check is running.
    package func finish() async {
        await checkPending()
        try? await pool.run { _ in }
    }

    /// Checks all queued zones.
    func checkPending() async {
        let work = pending.withLock { pending in
            defer { pending = PendingZones() }
            return pending
        }
        if work.isEmpty { return }
        await perform { round in
            if let instance = work.allFrom { try round.checkAll(from: instance) }
            for (zone, instance) in work.zones { try round.check(zone, from: instance) }
            for (id, instance) in work.numbers where try !round.isFoundByName(id) {
                try round.check(.numbered(id), from: instance)
            }
        }
    }

    private func perform(_ body: @escaping @Sendable (ZoneRound) throws -> Void) async {
        let place: Logger.Metadata = databases().name.map { ["db": "\($0)"] } ?? [:]
        do {
            try await pool.run { [self] signal in
                let round = ZoneRound(settings, databases, isCancelled: { signal.isCancelled }) { [self] zone, found in
                    ledger.withLock { $0.update(zone, found) }
                }
                defer {
                    round.log(to: logger, place)
                    for severity in ValidationFinding.Severity.allCases {
                        metric.with(severity.rawValue).set(Double(count(severity)))
                    }
                }
                try body(round)
            }
        } catch is CancellationError {
        } catch {
            logger.warning(
                "the changed zones could not be checked", metadata: place.merging(["error": "\(error)"]) { $1 })
        }
    }
}

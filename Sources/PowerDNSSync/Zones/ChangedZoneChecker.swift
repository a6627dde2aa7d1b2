import LMDB
import Logging
import Observability
import PowerDNSDatabase
import PowerDNSFormat
import Support
import Synchronization

/// Checks the zones that merges have changed, and logs each finding once: when it comes, and when it is gone.
///
/// It works on a thread of its own, beside the syncing of its databases, and reads each zone in one transaction.
package final class ChangedZoneChecker: ZoneConsumer {
    /// How it goes about it.
    package struct Settings: Sendable {
        /// Which rules count.
        package var groups: Set<ValidationRule.Group> = [.structure, .relations, .zones]
        /// How long to wait after a change: what belongs together comes with two merges, one of each database.
        package var settle: Duration = .seconds(5)
        /// How often zones with findings are looked at again without having changed by a merge.
        package var recheck: Duration = .seconds(600)

        /// The defaults.
        package init() {}
    }

    /// The LMDBs that are open at present.
    package struct Databases: Sendable {
        /// Zones, metadata and keys; nil while it is not open.
        package var main: Environment?
        /// Records; nil while it is not open.
        package var shard: Environment?
        /// What the database of the zones is called in log lines; nil while it is not known.
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
    ///   - settings: how to go about it.
    ///   - databases: what syncing has open; asked before each transaction.
    ///   - registry: gets the metric.
    ///   - logger: gets the findings.
    package init(
        _ settings: Settings = Settings(), databases: @escaping @Sendable () -> Databases,
        registry: MetricRegistry, logger: Logger
    ) {
        self.settings = settings
        self.databases = databases
        self.logger = logger
        metric = registry.gauges(
            "lightningstream_powerdns_zone_findings",
            "What is wrong at present with zones that merges have changed.", labels: ["severity"])
        (signal, raise) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// How many findings there are at present, of the zones that have been changed by merges.
    package func count(_ severity: ValidationFinding.Severity) -> Int { ledger.withLock { $0.count(severity) } }

    /// Notes what has changed, and returns at once.
    package func zonesChanged(_ zones: MergedZones) async {
        pending.withLock { $0.add(zones) }
        raise.yield()
    }

    /// Checks what has changed until the task is cancelled. To be called once.
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

    /// Looks at the zones with findings once more: the application may have put them right.
    func checkAgain() async {
        let zones = ledger.withLock { $0.zones }
        await perform { round in
            for zone in zones { try round.check(zone, from: nil) }
        }
    }

    /// Checks what has changed so far without waiting, and returns when no check is under way.
    package func finish() async {
        await checkPending()
        try? await pool.run { _ in }
    }

    /// Checks what has changed so far.
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

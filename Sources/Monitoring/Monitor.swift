import BlobStorage
import Glibc
import Logging
import Observability
import Replication
import Snapshots
import Support
import Synchronization

/// Monitors the process: receives events of the syncers and the storage, and serves the status page, Prometheus and
/// health checks.
///
/// Requests never block: values that are not available within a moment are those of the previous reading.
package final class Monitor: SyncObserver {
    private let settings: MonitorSettings
    private let clock: @Sendable () -> Moment
    private let logger: Logger
    private let started: Moment
    /// The metrics of ``metrics()``; others may add theirs.
    package let registry = MetricRegistry()
    private let process: ProcessMetrics
    private let storages: [StorageService: StorageMetrics]
    private let lmdb: LMDBMetrics
    private let board: HealthBoard
    private let problems: Problems
    let databases: [DatabaseMonitor]
    private let maps: OnDemand<[String: MemoryMaps.Usage]>?

    private final class Problems: Sendable {
        let list = Mutex(ProblemList())
    }

    /// - Parameters:
    ///   - logger: logs changes of the health, unwritable state objects, and statistics.
    ///   - clock: the current time.
    package init(
        _ settings: MonitorSettings, logger: Logger, clock: @escaping @Sendable () -> Moment = Moment.clock()
    ) {
        self.settings = settings
        self.logger = logger
        self.clock = clock
        started = clock()
        process = ProcessMetrics(registry)
        storages = Self.storages(registry)
        lmdb = LMDBMetrics(registry)
        board = HealthBoard(clock: clock, logger: logger)
        let problems = Problems()
        self.problems = problems
        let shared = DatabaseMonitor.Shared(
            settings: settings, clock: clock, metrics: SyncMetrics(registry), cleaning: CleaningMetrics(registry),
            board: board, logger: logger
        ) { text, database, moment in
            problems.list.withLock { $0.add(text, database: database, at: moment.wall) }
        }
        databases = settings.databases.map { DatabaseMonitor($0, shared) }
        guard settings.scrapesMaps else {
            maps = nil
            return
        }
        let (paths, pool) = (settings.databases.map(\.path), BlockingPool(label: "monitor-smaps", width: 1))
        maps = OnDemand { try? await pool.run { _ in MemoryMaps.read(paths) } }
    }

    // MARK: Events

    /// See `SyncObserver`.
    package func observe(_ event: SyncEvent, of database: String) {
        databases.first { $0.settings.name == database }?.observe(event)
    }

    /// Sets or clears a warning of another component.
    ///
    /// - Parameters:
    ///   - check: the name of the health check.
    ///   - text: one line with problem and fix; nil clears the warning.
    package func warn(_ check: String, _ text: String?) {
        board.update { checks, _ in checks.set(check, .warning, text) }
    }

    /// A merge has ended that is not visible to everybody yet, because PowerDNS's caches are still to be flushed: its position is not
    /// published until the returned function is called, or until the time expires. To be called before the progress is reported.
    package func holdPositions(of database: String, atMost limit: Duration) -> @Sendable () -> Void {
        let known = databases.first { $0.settings.name == database }
        guard let known else { return {} }
        return known.holdPositions(atMost: limit)
    }

    /// A request to a server that stores objects has ended.
    package func observe(_ call: StorageCall) {
        storages[call.service]?.called(
            call.method.rawValue, end: call.time, duration: call.duration, error: call.errorCode)
    }

    /// Sets the reason why the status page cannot be served, or clears it.
    package func observeServing(_ problem: String?) {
        board.update { checks, _ in checks.set("status_page", .failure, problem) }
    }

    /// Creates the metrics of requests to this kind of server with zero.
    package func expectStorageCalls(to service: StorageService) {
        storages[service]?.begin(methods: StorageCall.Method.allCases.map(\.rawValue))
    }

    private static func storages(_ registry: MetricRegistry) -> [StorageService: StorageMetrics] {
        let all = StorageService.allCases.map { ($0, StorageMetrics(registry, $0)) }
        return Dictionary(all) { one, _ in one }
    }

    // MARK: Running

    /// Writes state objects and logs statistics while `body` syncs.
    ///
    /// - Parameters:
    ///   - store: the storage without its update marker.
    ///   - didPublish: called when a state object of a database is stored, with its name.
    package func run(
        with store: any BlobStore, didPublish: (@Sendable (_ database: String, _ name: String) -> Void)? = nil,
        while body: @Sendable () async throws -> Void
    ) async throws {
        for database in databases { database.attach(store) }
        let all = settings.receiveOnly ? [] : databases.map { publisher($0, store, didPublish) }
        let publishers = settings.publishesState ? all : []
        if !settings.publishesState {
            for publisher in all { await publisher.remove() }
        }
        board.onChange {
            for publisher in publishers { publisher.changed() }
        }
        let beside = Task {
            await withTaskGroup(of: Void.self) { group in
                for publisher in publishers { group.addTask { await publisher.run() } }
                if settings.statisticsInterval > .zero { group.addTask { await self.logStatistics() } }
            }
        }
        let failure: (any Error)?
        do {
            try await body()
            failure = nil
        } catch {
            failure = error
        }
        beside.cancel()
        await beside.value
        await Self.finish(publishers)
        if let failure { throw failure }
    }

    /// Time limit for the last state objects.
    private static let lastWordsLimit = Duration.seconds(2)

    private static func finish(_ publishers: [StatePublisher]) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await withTaskGroup(of: Void.self) { group in
                    for publisher in publishers { group.addTask { await publisher.finish() } }
                }
            }
            group.addTask { try? await Task.sleep(for: lastWordsLimit) }
            await group.next()
            group.cancelAll()
        }
    }

    private func publisher(
        _ database: DatabaseMonitor, _ store: any BlobStore,
        _ didPublish: (@Sendable (_ database: String, _ name: String) -> Void)?
    ) -> StatePublisher {
        let name = database.settings.name
        let publisher = StatePublisher(
            database: name, instance: settings.instance, store: store, logger: logger, clock: clock,
            didStore: { didPublish?(name, $0) }, state: { database.ownState(isLast: $0) })
        database.onChange { publisher.changed() }
        return publisher
    }

    private func logStatistics() async {
        while (try? await Task.sleep(for: settings.statisticsInterval)) != nil {
            for database in databases {
                guard let facts = await database.facts() else { continue }
                logger.info(
                    "statistics of the LMDB",
                    metadata: [
                        "db": "\(database.settings.name)", "map_size": .stringConvertible(facts.mapSize),
                        "used": .stringConvertible(facts.usedBytes), "file_size": .stringConvertible(facts.fileSize),
                        "entries": .stringConvertible(facts.dbis.reduce(0.0) { $0 + Double($1.entries) }),
                        "dbis": .stringConvertible(facts.dbis.count),
                        "txnID": .stringConvertible(facts.lastTransaction),
                        "readers": .stringConvertible(facts.readers),
                        "max_readers": .stringConvertible(facts.maximumReaders),
                    ])
            }
        }
    }

    // MARK: Queries

    /// The metrics in the text format of Prometheus; see ``MetricRegistry/contentType``.
    package func metrics() async -> [UInt8] {
        await withTaskGroup(of: Void.self) { group in
            for database in databases {
                group.addTask {
                    guard let facts = await database.facts() else { return }
                    self.lmdb.show(facts, of: database.settings.name)
                }
            }
            group.addTask {
                guard let usages = await self.maps?.value() else { return }
                for database in self.databases {
                    let path = database.settings.path
                    self.lmdb.show(usages[path] ?? .init(), of: database.settings.name, path: path)
                }
            }
        }
        process.update()
        return registry.text()
    }

    /// The results of the health checks.
    package func health() -> HealthReport {
        let report = board.report()
        let numbers = ProcessNumbers.read()
        var metadata: [String: HealthReport.Value] = report.notes.mapValues { .flag($0) }
        metadata["hostname"] = .text(settings.hostname)
        metadata["version"] = .text(settings.version)
        let uptime = (clock().uptime - started.uptime) / .seconds(1)
        return HealthReport(
            ok: report.outcome.failures.isEmpty, hasWarnings: !report.outcome.warnings.isEmpty,
            status: report.outcome.status.rawValue, time: report.time.rfc3339(digits: 3),
            since: report.since.rfc3339(digits: 3),
            runtime: HealthReport.Runtime(
                pid: Int(getpid()), uptimeSeconds: uptime, cpus: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))),
                threads: numbers?.threads ?? 0, residentMemoryBytes: numbers?.residentBytes ?? 0),
            metadata: metadata, failures: report.outcome.failures, warnings: report.outcome.warnings)
    }

    /// The current status.
    package func report() async -> StatusReport {
        let parts = await withTaskGroup(of: (Int, StatusReport.Database).self) { group in
            for (index, database) in databases.enumerated() { group.addTask { (index, await database.report()) } }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        let health = board.report()
        var report = StatusReport()
        report.software = settings.software
        report.instance = settings.instance
        report.hostname = settings.hostname
        report.time = clock().wall.rfc3339(digits: 3)
        report.started = started.wall.rfc3339(digits: 3)
        report.mode = settings.receiveOnly ? .receive : .sync
        report.health.status = health.outcome.status.rawValue
        report.health.since = health.since.rfc3339(digits: 3)
        report.health.failures = health.outcome.failures
        report.health.warnings = health.outcome.warnings
        report.databases = parts.sorted { $0.key < $1.key }.map(\.value)
        for database in report.databases.indices {
            for instance in report.databases[database].instances.indices
            where report.databases[database].instances[instance].isOwn {
                report.databases[database].instances[instance].health = report.health.status
            }
        }
        report.problems = problems.list.withLock(\.problems)
        return report
    }

    /// The descriptions of the metrics, for the documentation.
    package static var metricDescriptions: [MetricDescription] {
        let registry = MetricRegistry()
        _ = (ProcessMetrics(registry), storages(registry), LMDBMetrics(registry))
        _ = (SyncMetrics(registry), CleaningMetrics(registry), PushMetrics(registry))
        return registry.descriptions
    }
}

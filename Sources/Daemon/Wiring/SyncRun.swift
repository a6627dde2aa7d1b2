import BlobStorage
import Config
import Dispatch
import Glibc
import Logging
import Monitoring
import Observability
import Replication
import ServiceLifecycle
import Snapshots
import StatusServer
import Synchronization

/// The common part of `sync` and `receive`: everything except the direction.
package struct SyncRun: Sendable {
    /// Longer than the grace time of an upload, so that only blocked operations are ended.
    static let shutdownLimit = DatabaseSyncer.shutdownGrace + .seconds(2)

    var configuration: Configuration
    /// The configured databases to sync.
    var databases: [SyncSettings]
    var receiveOnly: Bool
    /// The object that must be in the storage before syncing starts.
    var markerName: String?
    var monitor: Monitor
    /// Notifies the service manager, if there is one.
    var notifier: ServiceNotifier?
    var folder: LogFolder
    var logger: Logger
    var locks: DaemonLocks
    var context: CommandContext

    /// Runs the command.
    ///
    /// - Parameters:
    ///   - onlyDatabases: the names of the databases to sync; empty for all.
    ///   - onlyOnce: whether to end once everything is merged and sent; overrides the configuration.
    ///   - markerName: an object that must be in the storage before anything starts.
    /// - Returns: the exit code.
    package static func perform(
        _ options: SessionOptions, onlyDatabases: [String], receiveOnly: Bool, onlyOnce: Bool, markerName: String?,
        in context: CommandContext
    ) throws -> Int32 {
        try Session.run(options, in: context) { session in
            var configuration = session.configuration
            if onlyOnce { configuration.onlyOnce = true }
            let databases = try session.databases(named: onlyDatabases, flag: "--only-db").map {
                SyncSettings(
                    $0, in: configuration, receiveOnly: receiveOnly, hostname: session.hostname)
            }
            let logger = session.instanceLogger()
            for warning in session.warnings {
                logger.warning("configuration: \(warning)")
            }
            session.logConfiguration(logger)
            var settings = MonitorSettings(
                configuration, databases: databases, receiveOnly: receiveOnly, hostname: session.hostname)
            let keyring = try configuration.storage.keyring()
            settings.keyID = keyring?.first.keyID
            settings.statesAreAuthentic = keyring.map { !$0.acceptsUnsealed } ?? false
            let monitor = Monitor(settings, logger: logger)
            let run = SyncRun(
                configuration: configuration, databases: databases, receiveOnly: receiveOnly,
                markerName: markerName, monitor: monitor,
                notifier: ServiceNotifier.make(
                    for: databases.map(\.identity.database), receiveOnly: receiveOnly, monitor, logger, context),
                folder: session.folder, logger: logger,
                locks: DaemonLocks(hostname: session.hostname, logger: logger), context: context)
            return try run.perform(session.timeLimit)
        }
    }

    /// Syncs until everything is done or shutdown is requested.
    private func perform(_ timeLimit: TimeLimit) throws -> Int32 {
        let ending = Ending()
        takeSignals(ending)
        timeLimit.soften(grace: Self.shutdownLimit) { [logger, folder] text in
            folder.flush()
            _ = ending.request(.timeout) { logger.critical("\(text)") }
        }
        do {
            try runBlocking { try await run(ending) }
        } catch {
            // Work that was aborted at the end of a shutdown is not a failure.
            if ending.reason == nil || !(error is CancellationError) {
                let text = Advice.line(error)
                notifier?.stopping("Failed: \(text)")
                folder.flush()
                var metadata: Logger.Metadata = ["error": "\(text)"]
                if let failure = error as? SyncService.Failure { metadata["db"] = "\(failure.database)" }
                logger.critical("\(receiveOnly ? "receive" : "sync") has failed", metadata: metadata)
                return ExitCode.failure
            }
        }
        notifier?.stopping("Done")
        let code =
            switch ending.reason {
            case nil: ExitCode.success
            case .signal(let signal)?: endedBySignal(signal)
            case .timeout?: ExitCode.timeout
            }
        if configuration.onlyOnce, code != ExitCode.success {
            logger.warning("ended before everything was merged and sent; run it again to complete it")
        }
        folder.flush()
        logger.info("ended")
        return code
    }

    /// Ends gracefully with the first signal, and at once with a second one.
    private func takeSignals(_ ending: Ending) {
        guard context.ownsProcess else { return }
        SignalThread.block(SignalThread.endings)
        SignalThread.start(SignalThread.endings) { [self, logger, folder, notifier] signal in
            // A second request does not wait for an upload.
            let now = ContinuousClock.now
            let isFirst = ending.request(.signal(signal), at: now) {
                notifier?.stopping("Shutting down")
                logger.info(
                    "shutting down; a second signal after a second or more ends the process at once",
                    metadata: ["signal": "\(signal == SIGINT ? "SIGINT" : "SIGTERM")"])
            }
            guard !isFirst else { return Self.endWhatHangs(logger, folder, exitCode: endedBySignal(signal)) }
            guard ending.isInsistent(at: now) else { return }
            logger.warning("ended at once by a second signal")
            folder.flush()
            _exit(ExitCode.signal(signal))
        }
    }

    /// A signal is the normal end of a daemon, but not of `--only-once`.
    private func endedBySignal(_ signal: Int32) -> Int32 {
        configuration.onlyOnce ? ExitCode.signal(signal) : ExitCode.success
    }

    /// Ends the process if a call that cannot be cancelled outlasts the shutdown: it waits for a write lock
    /// held by another process, or for a disk. LMDB discards an uncommitted transaction.
    private static func endWhatHangs(_ logger: Logger, _ folder: LogFolder, exitCode: Int32) {
        DispatchQueue(label: "shutdown").asyncAfter(deadline: .now() + TimeLimit.interval(shutdownLimit + .seconds(1)))
        {
            logger.warning("ended although an operation hangs: it waits for another process's write lock, or a disk")
            folder.flush()
            _exit(exitCode)
        }
    }

    private func run(_ ending: Ending) async throws {
        for database in databases { try locks.take(database) }
        let source = DaemonSource(monitor, secret: locks.token)
        let push = Push(
            configuration, receiveOnly: receiveOnly, registry: monitor.registry, logger: logger, warn: monitor.warn)
        await push?.begin()
        if let service = configuration.storage.backend.service { monitor.expectStorageCalls(to: service) }
        let notifying = Task { await notifier?.run() }
        defer { notifying.cancel() }
        // First, so that start-up is visible.
        let server = await statusEndpoint(source, push)
        let service = StartingService { [self] in try await start(source, push) }
        var group = ServiceGroupConfiguration(
            // They are shut down from the last to the first, so that monitoring includes the end of syncing.
            services: (server.map { [.init(service: $0)] } ?? []) + [
                .init(
                    service: service, successTerminationBehavior: .gracefullyShutdownGroup,
                    failureTerminationBehavior: .gracefullyShutdownGroup)
            ], logger: Logger(label: "service-lifecycle") { _ in SwiftLogNoOpLogHandler() })
        group.maximumGracefulShutdownDuration = Self.shutdownLimit
        let services = ServiceGroup(configuration: group)
        ending.onRequest { Task { await services.triggerGracefulShutdown() } }
        try await services.run()
    }
}

extension SyncRun {
    /// Opens the storage and prepares the databases.
    ///
    /// - Returns: the work; nil if the process shuts down before it could begin.
    private func start(_ source: DaemonSource, _ push: Push?) async throws -> StartingService.Body? {
        let environment: @Sendable (String) -> String? = { [variables = context.environment] in variables[$0] }
        let storage = try await openStorage(environment)
        source.opened(storage.unmarked)
        let store = storage.store
        if let markerName {
            let marker = MarkerWait(
                name: markerName, store: store, pollInterval: configuration.storagePollInterval,
                retryInterval: configuration.storageRetryInterval, logger: logger, sleep: context.sleep)
            guard try await marker.run() else { return nil }
        }
        let powerDNS = PowerDNSWatch(
            configuration, databases, registry: monitor.registry, logger: logger, warn: monitor.warn,
            holdPositions: { [monitor] in monitor.holdPositions(of: $0, atMost: $1) })
        source.inspect(with: powerDNS)
        push?.announcer?.attach(storage.unmarked)
        let observers: [(any SyncObserver)?] = [monitor, notifier, push?.announcer] + (powerDNS?.observers ?? [])
        let observer = Observers(observers.compactMap(\.self))
        let service = SyncService(
            databases: databases.map { settings in
                let syncer = DatabaseSyncer(
                    settings: settings, store: store, unmarked: storage.unmarked, logger: logger,
                    observer: observer,
                    inspector: powerDNS?.inspector, willSync: { [locks] in try locks.take(settings) }
                )
                notifier?.watch(syncer, of: settings.identity.database)
                push?.hub.attach(settings.identity.database) { syncer.hint($0) }
                return (settings.identity.database, syncer)
            })
        return { [monitor] in
            try await monitor.run(with: storage.unmarked, didPublish: push?.announcer?.published) {
                try await PowerDNSWatch.run(powerDNS) { try await service.run() }
            }
        }
    }

    /// The status server, if configured.
    private func statusEndpoint(_ source: DaemonSource, _ push: Push?) async -> StatusEndpoint? {
        guard let address = configuration.http.address, !configuration.onlyOnce else { return nil }
        return await StatusEndpoint(logger: logger) { [monitor] in
            monitor.observeServing($0)
        } bind: { [logger, hosts = configuration.http.allowedHosts] in
            try await StatusServer.bind(
                to: address.host, port: address.port, allowedHosts: hosts, source: source, push: push?.hub,
                logger: logger)
        }
    }

    // With create_bucket or create_container, opening sends requests: a server that is not up yet is retried, as for a listing.
    private func openStorage(_ environment: @escaping @Sendable (String) -> String?) async throws -> OpenStorage {
        while true {
            do {
                return try await StorageFactory.open(
                    configuration.storage, writes: !receiveOnly,
                    owner: receiveOnly ? nil : SnapshotName.sanitize(instance: configuration.instance),
                    environment: environment,
                    logger: logger,
                    observe: monitor.observe)
            } catch let error as BlobStoreError where Self.passingCodes.contains(error.code) {
                logger.warning("cannot open the storage; retrying", metadata: ["error": "\(error)"])
                try await Task.sleep(for: configuration.storageRetryInterval)
            }
        }
    }

    /// The codes of temporary errors: a server or a network starts, or a clock is being corrected.
    private static let passingCodes: Set<String> = [
        "Timeout", "DNSError", "URLError", "RequestTimeTooSkewed", "RequestExpired", "SlowDown", "ServiceUnavailable",
        "InternalError", "TooManyRequests", "ServerBusy", "OperationTimedOut", "ContainerBeingDeleted",
        BlobStoreError.credentialsUnavailable,
    ]
}

/// Opens the resources of a service within its lifetime, and runs it.
private struct StartingService: Service {
    typealias Body = @Sendable () async throws -> Void

    /// Returns the work to run.
    var start: @Sendable () async throws -> Body?

    init(_ start: @escaping @Sendable () async throws -> Body?) { self.start = start }

    func run() async throws {
        // Nothing is running yet that would be worth waiting for.
        guard let body = try await cancelWhenGracefulShutdown(start) else { return }
        try await body()
    }
}

/// Whether and why the process should end before it is done.
final class Ending: Sendable {
    enum Reason: Equatable {
        case signal(Int32)
        case timeout
    }

    /// Signals within this time after a request belong to it: GNU `timeout` sends one to the process and one to its
    /// group.
    private static let echo = Duration.seconds(1)

    private struct State {
        var reason: Reason?
        var requestedAt: ContinuousClock.Instant?
        var action: (@Sendable () -> Void)?
    }
    private let state = Mutex(State())

    var reason: Reason? { state.withLock { $0.reason } }

    /// Requests the end.
    ///
    /// - Parameter announce: called before anything ends, unless the end was already requested.
    /// - Returns: false if it was already requested.
    func request(_ reason: Reason, at now: ContinuousClock.Instant = .now, announce: () -> Void) -> Bool {
        let (isFirst, action) = state.withLock { state in
            guard state.reason == nil else { return (false, nil as (@Sendable () -> Void)?) }
            (state.reason, state.requestedAt) = (reason, now)
            return (true, state.action)
        }
        if isFirst { announce() }
        action?()
        return isFirst
    }

    /// Whether a signal at this time is a new request, not part of the previous one.
    func isInsistent(at now: ContinuousClock.Instant) -> Bool {
        state.withLock { state in state.requestedAt.map { $0.duration(to: now) >= Self.echo } ?? false }
    }

    /// Sets the action of a request; called at once if there was one.
    func onRequest(_ action: @escaping @Sendable () -> Void) {
        let isLate = state.withLock { state in
            state.action = action
            return state.reason != nil
        }
        if isLate { action() }
    }
}

import BlobStorage
import Config
import HTTP
import Logging
import Observability
import PowerDNSSync
import Replication
import ServiceLifecycle

/// Inspects the databases of PowerDNS while they are synced.
struct PowerDNSWatch: Sendable {
    let inspector: PowerDNSInspector
    /// Checks the zones that merges change; nil if disabled.
    private let checker: ChangedZoneChecker?
    /// Flushes PowerDNS's caches; nil if disabled.
    private let flusher: CacheFlusher?
    private let names: NamedDatabaseCheck
    private let schema: SchemaWatch
    /// The databases of PowerDNS.
    let databases: PowerDNSDatabases
    /// Observers of the syncers.
    let observers: [any SyncObserver]

    /// - Parameters:
    ///   - warn: called with the name of a health check and one line, or nil if there is no problem.
    ///   - holdPositions: called at the end of a merge whose position is not to be published until the returned function is called, or
    ///     until the time expires.
    /// - Returns: nil if the configuration disables it.
    init?(
        _ configuration: Configuration, _ syncers: [SyncSettings], registry: MetricRegistry, logger: Logger,
        warn: @escaping @Sendable (_ check: String, _ text: String?) -> Void,
        holdPositions: @escaping @Sendable (_ database: String, _ limit: Duration) -> @Sendable () -> Void
    ) {
        guard configuration.powerDNS.enabled != .never else { return nil }
        let settings = InspectorSettings(configuration.powerDNS, syncers)
        let databases = PowerDNSDatabases(settings)
        self.databases = databases
        checker = ChangedZoneChecker(configuration.powerDNS.validation, databases, registry: registry, logger: logger)
        flusher = PowerDNSAPI(configuration.powerDNS.api).map { api in
            CacheFlusher(
                api, knowsZones: { databases.environment(.main) != nil }, registry: registry, logger: logger,
                checksAccess: !configuration.onlyOnce
            ) { warn("powerdns_api", $0) }
        }
        let lastCheck = configuration.onlyOnce ? checker.map(LastCheck.init) : nil
        let consumers: [(any ZoneConsumer)?] = [flusher, checker, lastCheck]
        let hold: @Sendable (String) -> @Sendable () -> Void = { holdPositions($0, CacheFlusher.patience) }
        inspector = PowerDNSInspector(
            settings, databases: databases, registry: registry, logger: logger,
            consumers: consumers.compactMap(\.self),
            flushBegins: flusher == nil ? nil : hold)
        names = NamedDatabaseCheck(settings, logger: logger)
        schema = SchemaWatch(
            shadowed: settings.shadowed, databases: syncers.count, logger: logger, warn: warn)
        observers = [databases, names, schema]
    }

    /// Runs the work concurrently with `body`, which syncs.
    static func run(_ watch: PowerDNSWatch?, while body: @Sendable () async throws -> Void) async throws {
        guard let watch else { return try await body() }
        let checking = Task { await watch.checker?.run() }
        defer { checking.cancel() }
        guard let flusher = watch.flusher else { return try await watch.inspect(while: body) }
        // The changes of the last merges are known only after them.
        try await flusher.run { try await watch.inspect(while: body) }
    }

    private func inspect(while body: @Sendable () async throws -> Void) async throws {
        try await inspector.run { try await schema.run { try await names.run(while: body) } }
    }
}

/// For a single run: the zones are checked before the process ends.
private struct LastCheck: ZoneConsumer {
    let checker: ChangedZoneChecker

    func zonesChanged(_ zones: MergedZones) async {}

    func changesEnded() async {
        // A requested shutdown does not wait for it.
        await cancelWhenGracefulShutdown { await checker.finish() }
    }
}

/// Forwards events to several observers.
struct Observers: SyncObserver {
    private let observers: [any SyncObserver]

    init(_ observers: [any SyncObserver]) { self.observers = observers }

    func observe(_ event: SyncEvent, of database: String) {
        for observer in observers { observer.observe(event, of: database) }
    }
}

extension InspectorSettings {
    fileprivate init(_ configuration: PowerDNSSection, _ syncers: [SyncSettings]) {
        self.init()
        main = configuration.main.isEmpty ? nil : configuration.main
        shard = configuration.shard.isEmpty ? nil : configuration.shard
        isExpected = configuration.enabled == .always
        detail =
            switch configuration.logChanges {
            case .off: .off
            case .summary: .summary
            case .records: .records
            }
        schema = Action(configuration.validation.schema)
        structure = Action(configuration.validation.structure)
        relations = Action(configuration.validation.relations)
        zones = Action(configuration.validation.zones)
        maxDeletedRecords = configuration.validation.maxDeletedRecords
        maxDeletedZones = configuration.validation.maxDeletedZones
        shadowed = Set(syncers.filter(\.schema.hasShadows).map(\.identity.database))
    }
}

extension ChangedZoneChecker {
    /// - Returns: nil if no rules are enabled.
    fileprivate convenience init?(
        _ validation: PowerDNSValidationConfiguration, _ databases: PowerDNSDatabases, registry: MetricRegistry,
        logger: Logger
    ) {
        var settings = Settings()
        settings.groups = []
        if validation.relations != .off { settings.groups.insert(.relations) }
        if validation.zones != .off { settings.groups.insert(.zones) }
        guard !settings.groups.isEmpty else { return nil }
        if validation.structure != .off { settings.groups.insert(.structure) }
        for (name, action) in [("relations", validation.relations), ("zones", validation.zones)]
        where action == .reject {
            logger.info("powerdns.validation.\(name): problems that are only visible after a merge are warnings")
        }
        self.init(
            settings,
            databases: {
                Databases(
                    main: databases.environment(.main), shard: databases.environment(.shard),
                    name: databases.name(.main))
            },
            registry: registry, logger: logger)
    }
}

extension PowerDNSAPI {
    /// - Returns: nil if the API is not configured.
    package init?(_ configuration: PowerDNSAPIConfiguration) {
        guard !configuration.url.isEmpty else { return nil }
        self.init(url: configuration.url) {
            guard !configuration.keyFile.isEmpty else { return configuration.key }
            do throws(HTTPSetupError) {
                return try readKeyFile(configuration.keyFile, for: .apiKey)
            } catch {
                throw CommandFailure(.setup(error))
            }
        }
    }
}

extension InspectorSettings.Action {
    fileprivate init(_ action: StructureAction) {
        self =
            switch action {
            case .off: .off
            case .warn: .warn
            case .hold: .hold
            case .reject: .reject
            }
    }

    fileprivate init(_ action: RuleAction) {
        self =
            switch action {
            case .off: .off
            case .warn: .warn
            case .reject: .reject
            }
    }
}

import Config
import Monitoring
import Observability
import Replication

extension MonitorSettings {
    /// The settings from the configuration.
    ///
    /// - Parameter databases: those that are synced.
    init(_ configuration: Configuration, databases: [SyncSettings], receiveOnly: Bool, hostname: String) {
        self.init(
            instance: configuration.instance, hostname: hostname, version: programVersion, receiveOnly: receiveOnly,
            onlyOnce: configuration.onlyOnce,
            databases: databases.map { database in
                Database(
                    name: database.identity.database, path: database.environment.dataFile,
                    downloads: database.machine.receiver.concurrentDownloads)
            },
            health: Health(configuration.health), publishesState: configuration.publishState,
            scrapesMaps: configuration.lmdbScrapeSmaps, statisticsInterval: configuration.lmdbLogStatsInterval,
            // A single run is not there to be told.
            advertisedURL: configuration.onlyOnce ? nil : configuration.push.advertise?.description,
            pollInterval: configuration.storagePollInterval,
            hasUpdateMarker: configuration.storage.backend.hasUpdateMarker)
    }
}

extension StorageBackend {
    /// Whether listings go by an update marker.
    fileprivate var hasUpdateMarker: Bool {
        switch self {
        case .s3(let options): options.updateMarker.isUsed
        case .azure(let options): options.updateMarker.isUsed
        case .fileSystem, .memory: false
        }
    }
}

extension MonitorSettings.Health {
    init(_ health: HealthConfiguration) {
        self.init(
            storageList: LastingTrouble.Limits(health.storageList),
            storageLoad: LastingTrouble.Limits(health.storageLoad),
            storageStore: LastingTrouble.Limits(health.storageStore),
            start: LastingTrouble.Limits(warning: health.start.warnDuration, failure: health.start.errorDuration),
            reportsStart: health.start.reportHealthz, notesStart: health.start.reportMetadata)
    }
}

extension LastingTrouble.Limits {
    init(_ check: HealthCheckConfiguration) { self.init(warning: check.warnDuration, failure: check.errorDuration) }
}

import Observability

/// The configuration of a ``Monitor``.
package struct MonitorSettings: Sendable {
    /// A database.
    package struct Database: Sendable {
        /// Its key under `lmdbs:`.
        package var name: String
        /// The data file.
        package var path: String
        /// Maximum number of concurrent downloads.
        package var downloads: Int

        /// See the properties of the same names.
        package init(name: String, path: String, downloads: Int) {
            self.name = name
            self.path = path
            self.downloads = downloads
        }
    }

    /// The configuration of the health checks.
    package struct Health: Sendable {
        /// Limits for failures to list.
        package var storageList: LastingTrouble.Limits
        /// Limits for failures to load.
        package var storageLoad: LastingTrouble.Limits
        /// Limits for failures to store.
        package var storageStore: LastingTrouble.Limits
        /// Limits for the duration of start-up.
        package var start: LastingTrouble.Limits
        /// Whether a long start-up is a check.
        package var reportsStart: Bool
        /// Whether the metadata list the started databases.
        package var notesStart: Bool

        /// See the properties of the same names.
        package init(
            storageList: LastingTrouble.Limits, storageLoad: LastingTrouble.Limits,
            storageStore: LastingTrouble.Limits, start: LastingTrouble.Limits, reportsStart: Bool, notesStart: Bool
        ) {
            self.storageList = storageList
            self.storageLoad = storageLoad
            self.storageStore = storageStore
            self.start = start
            self.reportsStart = reportsStart
            self.notesStart = notesStart
        }
    }

    /// The name of this instance.
    package var instance: String
    /// The name of this host.
    package var hostname: String
    /// The program's version.
    package var version: String
    /// Whether nothing is written to the storage.
    package var receiveOnly: Bool
    /// Whether the process ends when everything is done.
    package var onlyOnce: Bool
    /// The databases, in the order of the configuration.
    package var databases: [Database]
    /// The health checks.
    package var health: Health
    /// Whether state objects are written.
    package var publishesState: Bool
    /// Whether the metrics include the memory use of the LMDBs.
    package var scrapesMaps: Bool
    /// Interval at which statistics of the LMDBs are logged; zero for never.
    package var statisticsInterval: Duration

    /// The URL at which other instances tell this one what they have stored; nil if they do not.
    package var advertisedURL: String?
    /// Maximum age of the listing of the storage that an answer rests on.
    package var pollInterval: Duration
    /// Whether listings of the syncers go by an update marker.
    package var hasUpdateMarker: Bool

    /// The key ID of the identity with which objects are sealed; nil if they are not.
    package var keyID: String?
    /// Whether only somebody with the identity can have written the state objects that are read.
    package var statesAreAuthentic = false

    /// See the properties of the same names.
    package init(
        instance: String, hostname: String, version: String, receiveOnly: Bool, onlyOnce: Bool, databases: [Database],
        health: Health, publishesState: Bool, scrapesMaps: Bool, statisticsInterval: Duration,
        advertisedURL: String? = nil, pollInterval: Duration = .seconds(1), hasUpdateMarker: Bool = false,
        keyID: String? = nil
    ) {
        self.instance = instance
        self.hostname = hostname
        self.version = version
        self.receiveOnly = receiveOnly
        self.onlyOnce = onlyOnce
        self.databases = databases
        self.health = health
        self.publishesState = publishesState
        self.scrapesMaps = scrapesMaps
        self.statisticsInterval = statisticsInterval
        self.advertisedURL = advertisedURL
        self.pollInterval = pollInterval
        self.hasUpdateMarker = hasUpdateMarker
        self.keyID = keyID
    }

    /// Name and version of the program.
    var software: String { "lightningstream \(version)" }
}

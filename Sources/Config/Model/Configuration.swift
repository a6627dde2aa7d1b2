/// The whole configuration, typed. Initial values of the properties are the defaults of the keys; `KeyTable` maps keys to
/// properties and restricts their values.
package struct Configuration: ConfigurationSection {
    /// Name of this instance, safe for object names (`[a-zA-Z0-9-]`).
    package var instance = ""
    /// Maximum time between checks of the LMDBs.
    package var lmdbPollInterval = Duration.seconds(1)
    /// Interval at which statistics of the LMDBs are logged; zero for never.
    package var lmdbLogStatsInterval = Duration.minutes(30)
    /// Whether the memory use of the LMDBs is read for the metrics.
    package var lmdbScrapeSmaps = true
    /// Maximum time between listings of the storage.
    package var storagePollInterval = Duration.seconds(1)
    /// Pause before a failed upload, download or listing is retried.
    package var storageRetryInterval = Duration.seconds(5)
    /// Attempts at an upload before the program gives up.
    package var storageRetryCount = 100
    /// Whether uploads are retried without limit.
    package var storageRetryForever = false
    /// A snapshot is sent after this long without one; zero for off.
    package var storageForceSnapshotInterval = Duration.hours(4)
    /// How long after a change a full snapshot follows its delta at the latest; nil for a multiple of the time that the last
    /// one took.
    package var fullSnapshotInterval: Duration?
    /// Concurrent downloads per database.
    package var memoryDownloadedSnapshots = 2
    /// Has no effect: decompression is streamed.
    package var memoryDecompressedSnapshots = 3
    /// Whether to end when everything is synced.
    package var onlyOnce = false
    /// How far in the future another instance's snapshot may be before its clock counts as wrong.
    package var clockSkewTolerance = Duration.seconds(5)
    /// Whether the state object is written.
    package var publishState = true
    /// The databases in the order of the file; at least one.
    package var databases: [DatabaseConfiguration] = []
    /// Sending of changes without the rest.
    package var deltas = DeltaConfiguration()
    /// Removal of old Deleted entries.
    package var sweeper = SweeperConfiguration()
    /// Where snapshots are kept.
    package var storage = StorageConfiguration()
    /// Status page and metrics.
    package var http = HTTPConfiguration()
    /// Telling others of changes, and being told.
    package var push = PushConfiguration()
    /// Logging.
    package var log = LogConfiguration()
    /// Health checks.
    package var health = HealthConfiguration()
    /// Handling of databases of PowerDNS.
    package var powerDNS = PowerDNSSection()

    /// A configuration of defaults: without instance and databases, in memory. For tests; others load a file.
    package init() {}
}

/// `deltas`.
package struct DeltaConfiguration: ConfigurationSection {
    /// Whether changes are sent as deltas; otherwise each sends a full snapshot.
    package var enabled = true

    /// The defaults.
    package init() {}
}

/// `sweeper`.
package struct SweeperConfiguration: ConfigurationSection {
    /// Whether old Deleted entries are removed.
    package var enabled = false
    /// Days that Deleted entries are kept.
    package var retentionDays = 370.0
    /// Time between runs.
    package var interval = Duration.hours(6)
    /// Time before the first run.
    package var firstInterval = Duration.minutes(10)
    /// Longest time the write lock is held at once.
    package var lockDuration = Duration.milliseconds(50)
    /// Pause before the write lock is taken again.
    package var releaseDuration = Duration.milliseconds(50)
    /// Margin before the end of the retention in which incoming Deleted entries are not added; zero for 1 %.
    package var retentionLoadCutoffDuration = Duration.zero

    /// The defaults.
    package init() {}

    /// How long Deleted entries are kept.
    package var retention: Duration { .seconds(retentionDays * 86_400) }
}

/// `http`.
package struct HTTPConfiguration: ConfigurationSection {
    /// Where to listen; nil for off.
    package var address: ListenAddress?
    /// Further host names of this host, in lower case, for which pages are served.
    package var allowedHosts: [String] = []

    /// The defaults.
    package init() {}
}

/// `push`. Empty texts mean unset.
package struct PushConfiguration: ConfigurationSection {
    /// The URL at which other instances reach the status server of this one; nil if they do not.
    package var advertise: PeerURL?
    /// File with the token that all instances share.
    package var tokenFile = ""

    /// The defaults: no push.
    package init() {}
}

/// `log`.
package struct LogConfiguration: ConfigurationSection {
    /// Lowest level that is logged.
    package var level = LogLevel.info
    /// Format of the lines.
    package var format = LogFormat.human
    /// Timestamps of the human format.
    package var timestamp = LogTimestamp.short

    /// The defaults.
    package init() {}
}

/// `health`.
package struct HealthConfiguration: ConfigurationSection {
    /// Failures to list the storage.
    package var storageList = HealthCheckConfiguration()
    /// Failures to load snapshots.
    package var storageLoad = HealthCheckConfiguration()
    /// Failures to store snapshots.
    package var storageStore = HealthCheckConfiguration()
    /// Start-up.
    package var start = StartHealthConfiguration()

    /// The defaults.
    package init() {}
}

/// One of the storage checks under `health`.
package struct HealthCheckConfiguration: ConfigurationSection {
    /// Time between checks.
    package var interval = Duration.seconds(5)
    /// Consecutive failures for this long are a warning.
    package var warnDuration = Duration.minutes(1)
    /// Consecutive failures for this long are an error.
    package var errorDuration = Duration.minutes(5)

    /// The defaults.
    package init() {}
}

/// `health.start`.
package struct StartHealthConfiguration: ConfigurationSection {
    /// Time between checks.
    package var interval = Duration.seconds(1)
    /// A start-up of this length is a warning.
    package var warnDuration = Duration.minutes(1)
    /// A start-up of this length is an error.
    package var errorDuration = Duration.minutes(5)
    /// Whether /healthz reports a start-up in progress as a failure.
    package var reportHealthz = false
    /// Whether the metadata of /healthz report it.
    package var reportMetadata = true

    /// The defaults.
    package init() {}
}

/// A section of the configuration: its initial values are the defaults of its keys.
package protocol ConfigurationSection: Sendable, Equatable {
    /// The section with all defaults.
    init()
}

/// Every key of the configuration file. The decoder, the checks of types and ranges, the reference page and the masked
/// effective configuration all work from these lists; defaults are the initial values of the properties they name.
package enum KeyTable {
    /// Every key, in the order of the file as the reference shows it.
    package static let descriptions: [KeyDescription] = topLevel.flatMap(\.descriptions)

    static let mostThings = 1_000_000

    static let topLevel: [KeyDefinition<Configuration>] = [
        .value(
            "instance", \.instance, .instanceName,
            "Name of this node, different on every node. Characters other than letters, digits and `-` become `-`.",
            default: "host name"),
        .value(
            "lmdb_poll_interval", \.lmdbPollInterval, .duration(atLeast: .milliseconds(100)),
            "How often the LMDBs are checked for changes where nothing tells of them, and the shortest time between two"
                + " snapshots of a database."),
        .value(
            "lmdb_log_stats_interval", \.lmdbLogStatsInterval, .duration,
            "How often statistics of the LMDBs are logged; 0 for never."),
        .value(
            "lmdb_scrape_smaps", \.lmdbScrapeSmaps, .bool, "Whether the metrics tell the memory use of the LMDBs."),
        .value(
            "storage_poll_interval", \.storagePollInterval, .duration(atLeast: .milliseconds(100)),
            "How often the storage is checked for new snapshots."),
        .value(
            "storage_retry_interval", \.storageRetryInterval, .duration(atLeast: .milliseconds(100)),
            "Pause before a failed upload, download or listing is tried again."),
        .value(
            "storage_retry_count", \.storageRetryCount, .count(atLeast: 1),
            "How often a failed upload is tried again before the program ends with an error."),
        .value("storage_retry_forever", \.storageRetryForever, .bool, "Never give up on a failing upload."),
        .value(
            "storage_force_snapshot_interval", \.storageForceSnapshotInterval,
            .duration(atLeast: .minutes(1), zeroIsOff: true),
            "Send a snapshot after this time even without a change, so that this node does not look gone; 0 for never."),
        .value(
            "memory_downloaded_snapshots", \.memoryDownloadedSnapshots, .count(atLeast: 1, upTo: mostThings),
            "Downloads at the same time, per database."),
        .value(
            "memory_decompressed_snapshots", \.memoryDecompressedSnapshots, .count(atLeast: 1, upTo: mostThings),
            "Accepted for old files. No snapshot is ever decompressed into memory as a whole.",
            .noEffect("snapshots are decompressed as streams")),
        .value(
            "only_once", \.onlyOnce, .bool,
            "Load what is in the storage, store local changes, and end; as `--only-once`."),
        .value(
            "clock_skew_tolerance", \.clockSkewTolerance, .duration,
            "A snapshot further in the future than this means that the clock of its sender is wrong."),
        .value(
            "publish_state", \.publishState, .bool,
            "Keep an object in the storage that tells which snapshots this node has merged."),
        .named(
            "lmdbs", placeholder: "{name}", database, allowed: DatabaseName.allowed, isUsable: DatabaseName.isUsable,
            insert: { name, database, root in
                var database = database
                database.name = name
                root.databases.append(database)
            }, elements: { $0.databases.map { ($0.name, $0) } }, check: Checks.database),
        .section("sweeper", \.sweeper, sweeper, check: Checks.sweeper),
        storageSection,
        .section("http", \.http, http),
        .section("log", \.log, log),
        .section("health", \.health, health),
        .section("powerdns", \.powerDNS, powerDNS),
    ]

    private static let database: [KeyDefinition<DatabaseConfiguration>] = [
        .value(
            "path", \.path, .text, "Directory of the LMDB, or its file with `options.no_subdir`.", .required),
        .section("options", \.options, environment),
        .value(
            "schema_tracks_changes", \.schemaTracksChanges, .bool,
            "Native mode: the application puts the header with time and flags in front of every value, as PowerDNS"
                + " Authoritative 4.8 and newer does with `lmdb-lightning-stream=yes`."),
        .value(
            "dupsort_hack", \.dupsortHack, .bool,
            "Sync DBIs with MDB_DUPSORT in shadow mode, the same on all instances. Not together with"
                + " `schema_tracks_changes`."),
        .value(
            "header_extra_padding_block", \.headerExtraPaddingBlock, .bool,
            "For tests of applications: write headers with one block of padding."),
        .named(
            "dbi_options", placeholder: "{dbi}", dbi, allowed: "a name that is not empty", isUsable: { !$0.isEmpty },
            insert: { $2.dbiOptions[$0] = $1 },
            elements: { database in database.dbiOptions.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }),
    ]

    private static let environment: [KeyDefinition<EnvironmentOptions>] = [
        .value("no_subdir", \.noSubdir, .bool, "`path` is the file itself and no directory; true for PowerDNS."),
        .value(
            "create", \.create, .bool,
            "Create the LMDB and its directory when they are missing. Without it a missing LMDB is an error."),
        .value(
            "dir_mask", \.dirMask, .fileMode,
            "Mode of a directory that is created, whatever the umask; 0 for the default, which the umask limits.",
            default: "0775 less the umask"),
        .value(
            "file_mask", \.fileMask, .fileMode,
            "Mode of files that are created, whatever the umask; 0 for the default, which the umask limits.",
            default: "0664 less the umask"),
        .value(
            "map_size", \.mapSize, .size,
            "Most that the LMDB can grow to. 0 keeps what the file says, and takes 1GB when it is created."),
        .value("max_dbs", \.maxDBs, .count(atLeast: 0, upTo: 65_535), "Most DBIs in the LMDB; 0 for the default."),
    ]

    private static let dbi: [KeyDefinition<DBIOptions>] = [
        .value(
            "override_create_flags", \.overrideCreateFlags, .flags,
            "Create this DBI with these LMDB flags instead of those of the snapshot.", default: "the snapshot's")
    ]

    private static let sweeper: [KeyDefinition<SweeperConfiguration>] = [
        .value(
            "enabled", \.enabled, .bool,
            "Remove Deleted entries that are older than the retention, and send nothing after a long absence until"
                + " `lightningstream resync` has run."),
        .value(
            "retention_days", \.retentionDays, .days,
            "How many days Deleted entries are kept; the same on every node."),
        .value(
            "interval", \.interval, .anyDuration, "Time from the beginning of a run to the next one."
        ),
        .value("first_interval", \.firstInterval, .anyDuration, "Time before the first run."),
        .value("lock_duration", \.lockDuration, .anyDuration, "About how long the write lock is held at once."),
        .value("release_duration", \.releaseDuration, .anyDuration, "Pause before it is taken again."),
        .value(
            "retention_load_cutoff_duration", \.retentionLoadCutoffDuration, .anyDuration,
            "Received Deleted entries that the sweeper would remove within this time are not added."
                + " 0 for 1 % of the retention; at most 75 % of it counts."),
    ]

    private static let http: [KeyDefinition<HTTPConfiguration>] = [
        .value(
            "address", \.address, .listenAddress,
            "Where status page, metrics and health checks are served; `:8500` for all interfaces, empty for off.",
            default: "off"),
        .value(
            "allowed_hosts", \.allowedHosts, .hostNames,
            "Names of this host, separated by commas, by which a browser may ask for the status page, besides `localhost`,"
                + " IP addresses and the host's own name."),
    ]

    private static let log: [KeyDefinition<LogConfiguration>] = [
        .value(
            "level", \.level, .logLevel,
            "Lowest level that is logged, in any case. `trace` is taken as debug, `warn` as warning, `panic` as fatal."),
        .value("format", \.format, .choice, "Form of the lines."),
        .value(
            "timestamp", \.timestamp, .logTimestamp,
            "Time of a line: `short` is the time of day on a terminal, and date and time everywhere else; `full` is both in"
                + " any case; `disable` is none."),
    ]
}

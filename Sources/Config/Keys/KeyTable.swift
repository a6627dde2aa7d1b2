/// Every key of the configuration file. The decoder, the checks of types and ranges, the reference page and the masked
/// effective configuration use these lists; defaults are the initial values of the properties they name.
package enum KeyTable {
    /// Every key, in the order of the reference.
    package static let descriptions: [KeyDescription] = topLevel.flatMap(\.descriptions)

    static let mostThings = 1_000_000

    static let topLevel: [KeyDefinition<Configuration>] = [
        .value(
            "instance", \.instance, .instanceName,
            "Name of this instance; must be unique. Characters other than letters, digits and `-` become `-`.",
            default: "host name"),
        .value(
            "lmdb_poll_interval", \.lmdbPollInterval, .duration(atLeast: .milliseconds(100)),
            "Interval at which the LMDBs are checked for changes without a notification, and minimum time between two"
                + " snapshots of a database."),
        .value(
            "lmdb_log_stats_interval", \.lmdbLogStatsInterval, .duration,
            "Interval at which statistics of the LMDBs are logged; 0 for never."),
        .value(
            "lmdb_scrape_smaps", \.lmdbScrapeSmaps, .bool, "Include the memory use of the LMDBs in the metrics."),
        .value(
            "storage_poll_interval", \.storagePollInterval, .duration(atLeast: .milliseconds(100)),
            "Interval at which the storage is checked for new snapshots."),
        .value(
            "storage_retry_interval", \.storageRetryInterval, .duration(atLeast: .milliseconds(100)),
            "Pause before a failed upload, download or listing is retried."),
        .value(
            "storage_retry_count", \.storageRetryCount, .count(atLeast: 1),
            "Retries of a failed upload before the program ends with an error."),
        .value("storage_retry_forever", \.storageRetryForever, .bool, "Never give up on a failing upload."),
        .value(
            "storage_force_snapshot_interval", \.storageForceSnapshotInterval,
            .duration(atLeast: .minutes(1), zeroIsOff: true),
            "Send a snapshot after this time even without a change, to show that this instance exists; 0 for never."),
        .value(
            "full_snapshot_interval", \.fullSnapshotInterval, .durationOrAutomatic(atLeast: .seconds(1)),
            "Send a full snapshot at the latest this long after a change that was only sent as a delta; `auto` is 100 times"
                + " as long as the last full snapshot took, at least 1s. Programs that do not read deltas, such as Lightning"
                + " Stream 1.0, see changes this much later."),
        .value(
            "memory_downloaded_snapshots", \.memoryDownloadedSnapshots, .count(atLeast: 1, upTo: mostThings),
            "Concurrent downloads per database."),
        .value(
            "memory_decompressed_snapshots", \.memoryDecompressedSnapshots, .count(atLeast: 1, upTo: mostThings),
            "Accepted for old files. Snapshots are never decompressed into memory as a whole.",
            .noEffect("snapshots are decompressed as streams")),
        .value(
            "only_once", \.onlyOnce, .bool,
            "Load the snapshots in the storage, store local changes, and end; as `--only-once`."),
        .value(
            "clock_skew_tolerance", \.clockSkewTolerance, .duration,
            "Maximum clock difference: a snapshot further in the future means that its sender's clock is wrong."),
        .value(
            "publish_state", \.publishState, .bool,
            "Publish the snapshots merged by this instance in an object in the storage."),
        .named(
            "lmdbs", placeholder: "{name}", database, allowed: DatabaseName.allowed, isUsable: DatabaseName.isUsable,
            insert: { name, database, root in
                var database = database
                database.name = name
                root.databases.append(database)
            }, elements: { $0.databases.map { ($0.name, $0) } }, check: Checks.database),
        .section("deltas", \.deltas, deltas),
        .section("sweeper", \.sweeper, sweeper, check: Checks.sweeper),
        storageSection,
        .section("http", \.http, http),
        .section("push", \.push, push),
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
            "Native mode: the application prefixes every value with a header of time and flags, as PowerDNS"
                + " Authoritative 4.8 and later does with `lmdb-lightning-stream=yes`."),
        .value(
            "dupsort_hack", \.dupsortHack, .bool,
            "Sync DBIs with MDB_DUPSORT in shadow mode; must be the same on all instances. Not together with"
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
        .value("no_subdir", \.noSubdir, .bool, "`path` is the file itself, not a directory; true for PowerDNS."),
        .value(
            "create", \.create, .bool,
            "Create the LMDB and its directory if they are missing. Otherwise a missing LMDB is an error."),
        .value(
            "dir_mask", \.dirMask, .fileMode,
            "Mode of created directories, whatever the umask; 0 for the default, which the umask limits.",
            default: "0775 less the umask"),
        .value(
            "file_mask", \.fileMask, .fileMode,
            "Mode of created files, whatever the umask; 0 for the default, which the umask limits.",
            default: "0664 less the umask"),
        .value(
            "map_size", \.mapSize, .size,
            "Maximum size of the LMDB. 0 keeps the size of the file, and 1GB for a new one."),
        .value(
            "max_dbs", \.maxDBs, .count(atLeast: 0, upTo: 65_535),
            "Maximum number of DBIs in the LMDB; 0 for the default."),
    ]

    private static let dbi: [KeyDefinition<DBIOptions>] = [
        .value(
            "override_create_flags", \.overrideCreateFlags, .flags,
            "Create this DBI with these LMDB flags instead of those of the snapshot.", default: "the snapshot's")
    ]

    private static let deltas: [KeyDefinition<DeltaConfiguration>] = [
        .value(
            "enabled", \.enabled, .bool,
            "Send what has changed as a delta, full snapshots less often, and read the deltas of other instances. `false`:"
                + " each change sends a full snapshot, and only full snapshots are read.")
    ]

    private static let sweeper: [KeyDefinition<SweeperConfiguration>] = [
        .value(
            "enabled", \.enabled, .bool,
            "Remove Deleted entries older than the retention, and send nothing after a long absence until"
                + " `lightningstream resync` has run."),
        .value(
            "retention_days", \.retentionDays, .days,
            "Days that Deleted entries are kept; must be the same on all instances."),
        .value(
            "interval", \.interval, .anyDuration, "Time from the start of a run to the next one."
        ),
        .value("first_interval", \.firstInterval, .anyDuration, "Time before the first run."),
        .value("lock_duration", \.lockDuration, .anyDuration, "Approximate time that the write lock is held at once."),
        .value("release_duration", \.releaseDuration, .anyDuration, "Pause before the write lock is taken again."),
        .value(
            "retention_load_cutoff_duration", \.retentionLoadCutoffDuration, .anyDuration,
            "Do not add received Deleted entries that the sweeper would remove within this time."
                + " 0 for 1 % of the retention; limited to 75 % of it."),
    ]

    private static let http: [KeyDefinition<HTTPConfiguration>] = [
        .value(
            "address", \.address, .listenAddress,
            "Address of status page, metrics and health checks; `:8500` for all interfaces, empty for off.",
            default: "off"),
        .value(
            "allowed_hosts", \.allowedHosts, .hostNames,
            "Host names, separated by commas, for which the status page is served to browsers, besides `localhost`,"
                + " IP addresses and the host's own name."),
    ]

    private static let push: [KeyDefinition<PushConfiguration>] = [
        .value(
            "advertise", \.advertise, .peerURL,
            "URL at which the other instances reach `http.address` of this host, such as `https://ns1.example.net:8443`: they"
                + " tell it at once what they have stored. `http` only with an IP address of a private network.",
            default: "not told by others"),
        .value(
            "token_file", \.tokenFile, .text,
            "File with the token that all instances share, of 32 characters or more; a second line may contain another one"
                + " that is accepted as well. With it this instance tells the others, and takes `POST /hint` and"
                + " `POST /events`.",
            default: "no push"),
    ]

    private static let log: [KeyDefinition<LogConfiguration>] = [
        .value(
            "level", \.level, .logLevel,
            "Lowest level that is logged, in upper or lower case. `trace` means debug, `warn` warning, `panic` fatal."),
        .value("format", \.format, .choice, "Format of the lines."),
        .value(
            "timestamp", \.timestamp, .logTimestamp,
            "Time of a line: `short` is the time of day on a terminal, otherwise date and time; `full` is always"
                + " both; `disable` is none."),
    ]
}

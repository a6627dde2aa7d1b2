import Observability
import Replication

/// The metrics of syncing, with the names of release 1.0.
struct SyncMetrics: Sendable {
    let loadFailed, listFailed, entries, loadCalls, loadBytes, listCalls: MetricFamily<Counter>
    let fenced, namesake, ownClock, lastHeard: MetricFamily<Gauge>
    let visibleLatency, writeLock: MetricFamily<Histogram>
    let send: SendMetrics
    let receiver: ReceiverMetrics
    let limits: LimitMetrics
    let deltas: DeltaMetrics
    let hints: HintMetrics

    init(_ registry: MetricRegistry) {
        send = SendMetrics(registry)
        receiver = ReceiverMetrics(registry)
        limits = LimitMetrics(registry)
        deltas = DeltaMetrics(registry)
        hints = HintMetrics(registry)
        let syncer = "lightningstream_syncer_"
        loadCalls = registry.counters(syncer + "snapshots_load_calls_total", "Downloads of snapshots begun.")
        loadBytes = registry.counters(syncer + "snapshots_load_bytes_total", "Size of all snapshots downloaded.")
        listCalls = registry.counters(syncer + "snapshots_list_calls_total", "Listings of snapshots.")
        loadFailed = registry.counters(
            syncer + "snapshots_load_failed_total",
            "Failed attempts to download or merge snapshots, and rejected snapshots.",
            labels: ["lmdb", "syncer_instance"])
        listFailed = registry.counters(
            syncer + "snapshots_list_failed_total", "Failed listings of snapshots.", labels: ["lmdb"])
        visibleLatency = registry.histograms(
            syncer + "visible_latency_seconds",
            "Time from an entry's timestamp until a merge made it visible here.",
            labels: ["lmdb", "syncer_instance"], bounds: EntryAges.bounds)
        writeLock = registry.histograms(
            syncer + "write_lock_seconds", "Time that a merge held the write lock; a merge without changes takes none.",
            labels: ["lmdb"], bounds: Self.lockBounds)
        entries = registry.counters(
            syncer + "entries_total",
            "Entries of snapshots: merged (written here), kept (not newer than the local entry), held (skipped), refused (rejected with their snapshot).",
            labels: ["lmdb", "result"])
        fenced = registry.gauges(
            syncer + "fenced",
            "1 while nothing is sent because the database was out of sync for too long, otherwise 0.",
            labels: ["lmdb"])
        namesake = registry.gauges(
            syncer + "namesake", "1 while another host uses this instance's name, otherwise 0.", labels: ["lmdb"])

        ownClock = registry.gauges(
            syncer + "clock_offset_seconds",
            "How far this host's clock is ahead of the storage's; negative when it is behind.", labels: ["lmdb"])
        lastHeard = registry.gauges(
            "lightningstream_instance_last_heard_seconds",
            "Time of an instance's last state object, by the storage's clock, since the UNIX epoch.",
            labels: ["lmdb", "syncer_instance"])
    }

    static let lockBounds: [Double] = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]

    /// Creates the series of a database that start with zero.
    ///
    /// - Parameter downloads: maximum number of concurrent downloads.
    func begin(_ lmdb: String, downloads: Int) {
        for family in [send.generated, send.failed, send.givenUp, listFailed] { _ = family.with(lmdb) }
        for result in ["merged", "kept", "held", "refused"] { _ = entries.with(lmdb, result) }
        _ = (fenced.with(lmdb), namesake.with(lmdb))
        _ = writeLock.with(lmdb)
        deltas.begin(lmdb)
        hints.begin(lmdb)
        // Snapshots are decompressed as streams, while they are compared. During a merge that waits for the write lock
        // there is one more.
        limits.begin(lmdb, "download", most: downloads)
        limits.begin(lmdb, "decompress", most: 2)
    }
}

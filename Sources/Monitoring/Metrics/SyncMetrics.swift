import Observability
import Replication

/// The metrics of syncing, under the names that dashboards for release 1.0 use.
struct SyncMetrics: Sendable {
    // MARK: lightningstream_syncer

    let generated, storeFailed, storeGivenUp, loadFailed, listFailed, entries: MetricFamily<Counter>
    let storeCalls, storeBytes, loadCalls, loadBytes, listCalls: MetricFamily<Counter>
    let generatedLast, generatedSize, fenced, namesake, ownClock, lastHeard: MetricFamily<Gauge>
    let visibleLatency, writeLock: MetricFamily<Histogram>

    // MARK: lightningstream_receiver

    let received, inStorageCount, inStorageBytes, clockSkew, held: MetricFamily<Gauge>
    let receivedAge: MetricFamily<Histogram>

    // MARK: lightningstream_climit

    let limit, waiting, active: MetricFamily<Gauge>
    let acquired: MetricFamily<Counter>
    let activeTime, waitingTime: MetricFamily<Histogram>

    init(_ registry: MetricRegistry) {
        let syncer = "lightningstream_syncer_"
        generated = registry.counters(
            syncer + "snapshots_generated_total", "Snapshots of this instance that were stored.", labels: ["lmdb"])
        generatedLast = registry.gauges(
            syncer + "snapshots_generated_last_unix_seconds",
            "The instant that the last snapshot stored shows, since the UNIX epoch.", labels: ["lmdb"])
        generatedSize = registry.gauges(
            syncer + "snapshots_generated_last_size_bytes", "Size of the last snapshot stored.", labels: ["lmdb"])
        storeFailed = registry.counters(
            syncer + "snapshots_store_failed_attempts_total",
            "Attempts to read the LMDB and store a snapshot of it that failed.", labels: ["lmdb"])
        storeGivenUp = registry.counters(
            syncer + "snapshots_store_failed_permanently_total",
            "How often the program gave up storing after storage_retry_count attempts.", labels: ["lmdb"])
        storeCalls = registry.counters(syncer + "snapshots_store_calls_total", "Snapshots that were to be stored.")
        storeBytes = registry.counters(syncer + "snapshots_store_bytes_total", "Size of all snapshots stored.")
        loadCalls = registry.counters(syncer + "snapshots_load_calls_total", "Downloads of snapshots begun.")
        loadBytes = registry.counters(syncer + "snapshots_load_bytes_total", "Size of all snapshots downloaded.")
        listCalls = registry.counters(syncer + "snapshots_list_calls_total", "Listings of snapshots.")
        loadFailed = registry.counters(
            syncer + "snapshots_load_failed_total",
            "Snapshots that could not be downloaded or merged, each attempt counted, or were refused.",
            labels: ["lmdb", "syncer_instance"])
        listFailed = registry.counters(
            syncer + "snapshots_list_failed_total", "Listings of snapshots that failed.", labels: ["lmdb"])
        visibleLatency = registry.histograms(
            syncer + "visible_latency_seconds",
            "From the timestamp of an entry to its being visible here by a merge.",
            labels: ["lmdb", "syncer_instance"], bounds: EntryAges.bounds)
        writeLock = registry.histograms(
            syncer + "write_lock_seconds", "How long a merge held the write lock; one without changes takes none.",
            labels: ["lmdb"], bounds: Self.lockBounds)
        entries = registry.counters(
            syncer + "entries_total",
            "Entries of snapshots: merged (written here), kept (nothing newer than what was here), held (left out), refused (with their snapshot).",
            labels: ["lmdb", "result"])
        fenced = registry.gauges(
            syncer + "fenced", "1 while nothing is sent because the database was away for too long, otherwise 0.",
            labels: ["lmdb"])
        namesake = registry.gauges(
            syncer + "namesake", "1 while another host uses this instance's name, otherwise 0.", labels: ["lmdb"])

        ownClock = registry.gauges(
            syncer + "clock_offset_seconds",
            "How far this host's clock is ahead of the storage's; negative when it is behind.", labels: ["lmdb"])
        lastHeard = registry.gauges(
            "lightningstream_instance_last_heard_seconds",
            "When the state object of an instance was written last, by the storage's clock, since the UNIX epoch.",
            labels: ["lmdb", "syncer_instance"])

        let receiver = "lightningstream_receiver_"
        received = registry.gauges(
            receiver + "snapshots_last_received_seconds",
            "The instant that the last snapshot downloaded shows, since the UNIX epoch.",
            labels: ["lmdb", "syncer_instance"])
        receivedAge = registry.histograms(
            receiver + "snapshots_last_received_age_seconds", "Age of snapshots when they had been downloaded.",
            labels: ["lmdb", "syncer_instance"], bounds: Self.ageBounds)
        inStorageCount = registry.gauges(
            receiver + "snapshots_in_storage_count", "Snapshots in the storage, as last listed.", labels: ["lmdb"])
        inStorageBytes = registry.gauges(
            receiver + "snapshots_in_storage_bytes", "Size of the snapshots in the storage, as last listed.",
            labels: ["lmdb"])
        clockSkew = registry.gauges(
            receiver + "clock_skew_seconds",
            "How far the sender's clock is ahead, as its newest snapshot shows; 0 when it is not.",
            labels: ["lmdb", "syncer_instance"])

        held = registry.gauges(
            receiver + "held_entries",
            "Entries that were left out of the last merge of an instance's snapshot; no series without any.",
            labels: ["lmdb", "syncer_instance"])

        let climit = "lightningstream_climit_"
        let labels = ["lmdb", "limit_name"]
        limit = registry.gauges(climit + "limit", "How many may be active at a time.", labels: labels)
        waiting = registry.gauges(climit + "waiting", "How many wait for others to end.", labels: labels)
        active = registry.gauges(climit + "active", "How many are active.", labels: labels)
        acquired = registry.counters(climit + "acquired_total", "How many have become active.", labels: labels)
        activeTime = registry.histograms(
            climit + "active_seconds", "How long each was active.", labels: labels, bounds: Self.limitBounds)
        waitingTime = registry.histograms(
            climit + "waiting_seconds", "How long each waited before.", labels: labels, bounds: Self.limitBounds)
    }

    static let lockBounds: [Double] = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]
    /// Those of release 1.0, which alert rules name as `le`, and some below and above.
    static let limitBounds: [Double] = [
        0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800,
    ]
    /// Those of release 1.0: 0.1 s to 30 days.
    static let ageBounds: [Double] = [
        0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 259_200, 604_800,
        1_209_600, 2_592_000,
    ]

    /// Makes the series of a database that are worth a zero from the beginning.
    ///
    /// - Parameter downloads: how many may be under way at a time.
    func begin(_ lmdb: String, downloads: Int) {
        for family in [generated, storeFailed, storeGivenUp, listFailed] { _ = family.with(lmdb) }
        for result in ["merged", "kept", "held", "refused"] { _ = entries.with(lmdb, result) }
        _ = (fenced.with(lmdb), namesake.with(lmdb))
        _ = writeLock.with(lmdb)
        // Snapshots are decompressed as streams, while they are compared. Beside a merge that waits for the write lock there is one more.
        for (name, most) in [("download", downloads), ("decompress", 2)] {
            limit.with(lmdb, name).set(most)
            _ = (waiting.with(lmdb, name), active.with(lmdb, name), acquired.with(lmdb, name))
            _ = (activeTime.with(lmdb, name), waitingTime.with(lmdb, name))
        }
    }
}

import Observability
import Replication

/// The metrics of sending, `lightningstream_syncer_snapshots_generated_…` and `…_store_…`.
struct SendMetrics: Sendable {
    let generated, failed, givenUp, calls, bytes: MetricFamily<Counter>
    let generatedLast, generatedSize: MetricFamily<Gauge>

    init(_ registry: MetricRegistry) {
        let syncer = "lightningstream_syncer_"
        generated = registry.counters(
            syncer + "snapshots_generated_total", "Snapshots and deltas of this instance stored.", labels: ["lmdb"])
        generatedLast = registry.gauges(
            syncer + "snapshots_generated_last_unix_seconds",
            "Time of the last stored snapshot, or of the end of the last stored delta, since the UNIX epoch.",
            labels: ["lmdb"])
        generatedSize = registry.gauges(
            syncer + "snapshots_generated_last_size_bytes", "Size of the last stored full snapshot.", labels: ["lmdb"])
        failed = registry.counters(
            syncer + "snapshots_store_failed_attempts_total",
            "Failed attempts to read the LMDB and store a snapshot.", labels: ["lmdb"])
        givenUp = registry.counters(
            syncer + "snapshots_store_failed_permanently_total",
            "Number of times storing was given up after storage_retry_count attempts.", labels: ["lmdb"])
        calls = registry.counters(
            syncer + "snapshots_store_calls_total", "Attempts to store a snapshot or delta.")
        bytes = registry.counters(
            syncer + "snapshots_store_bytes_total", "Size of all snapshots and deltas stored.")
    }

    func stored(_ report: SendReport, _ lmdb: String) {
        bytes.with().add(report.size)
        generated.with(lmdb).add()
        generatedLast.with(lmdb).set(Double(report.position.timestamp) / 1e9)
        // Dashboards show the growth of the database with it.
        if !report.name.isDelta { generatedSize.with(lmdb).set(report.size) }
    }
}

import Observability
import Replication

/// The metrics of what is sent, `lightningstream_syncer_snapshots_generated_…` and `…_store_…`.
struct SendMetrics: Sendable {
    let generated, failed, givenUp, calls, bytes: MetricFamily<Counter>
    let generatedLast, generatedSize: MetricFamily<Gauge>

    init(_ registry: MetricRegistry) {
        let syncer = "lightningstream_syncer_"
        generated = registry.counters(
            syncer + "snapshots_generated_total", "Snapshots of this instance that were stored.", labels: ["lmdb"])
        generatedLast = registry.gauges(
            syncer + "snapshots_generated_last_unix_seconds",
            "The instant that the last snapshot stored shows, since the UNIX epoch.", labels: ["lmdb"])
        generatedSize = registry.gauges(
            syncer + "snapshots_generated_last_size_bytes", "Size of the last snapshot stored.", labels: ["lmdb"])
        failed = registry.counters(
            syncer + "snapshots_store_failed_attempts_total",
            "Attempts to read the LMDB and store a snapshot of it that failed.", labels: ["lmdb"])
        givenUp = registry.counters(
            syncer + "snapshots_store_failed_permanently_total",
            "How often the program gave up storing after storage_retry_count attempts.", labels: ["lmdb"])
        calls = registry.counters(
            syncer + "snapshots_store_calls_total", "Snapshots that were to be stored.")
        bytes = registry.counters(
            syncer + "snapshots_store_bytes_total", "Size of all snapshots stored.")
    }

    func stored(_ report: SendReport, _ lmdb: String) {
        bytes.with().add(report.size)
        generated.with(lmdb).add()
        generatedLast.with(lmdb).set(Double(report.name.timestamp) / 1e9)
        generatedSize.with(lmdb).set(report.size)
    }
}

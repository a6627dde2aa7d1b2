import Observability
import Replication

/// The metrics of cleaner and sweeper.
package struct CleaningMetrics: Sendable {
    let listCalls, listFailed, deleted, deleteFailed: MetricFamily<Counter>
    let swept: MetricFamily<Counter>
    let sweepAvailable, sweepEntries, sweepDeleted: MetricFamily<Gauge>
    let sweepTime: MetricFamily<Summary>

    init(_ registry: MetricRegistry) {
        let cleaner = "lightningstream_cleaner_"
        listCalls = registry.counters(cleaner + "list_calls_total", "Listings for cleaning.")
        listFailed = registry.counters(cleaner + "list_failed_total", "Failed listings for cleaning.")
        deleted = registry.counters(
            cleaner + "delete_total",
            "Snapshots removed because there is a newer snapshot, or because of a stale instance.",
            labels: ["lmdb", "reason"])
        deleteFailed = registry.counters(cleaner + "delete_failed_total", "Snapshots that could not be removed.")

        let sweeper = "lightningstream_sweeper_"
        swept = registry.counters(
            sweeper + "cleaned_total", "Deleted entries removed by the sweeper.", labels: ["lmdb"])
        sweepAvailable = registry.gauges(
            sweeper + "stats_available", "1 once the sweeper has run, otherwise 0.", labels: ["lmdb"])
        sweepEntries = registry.gauges(
            sweeper + "stats_total_entries", "All entries including Deleted ones, as of the last run.", labels: ["lmdb"]
        )
        sweepDeleted = registry.gauges(
            sweeper + "stats_deleted_entries", "Deleted entries, as of the last run.", labels: ["lmdb"])
        sweepTime = registry.summaries(sweeper + "duration_seconds", "Duration of runs.", labels: ["lmdb"])
    }

    func begin(_ lmdb: String) {
        for reason in CleaningReason.allCases { _ = deleted.with(lmdb, reason.rawValue) }
        _ = (swept.with(lmdb), sweepAvailable.with(lmdb), sweepEntries.with(lmdb), sweepDeleted.with(lmdb))
        _ = sweepTime.with(lmdb)
    }

    /// Counts an event of a database.
    func count(_ event: SyncEvent, of lmdb: String) {
        switch event {
        case .swept(let report):
            swept.with(lmdb).add(report.cleaned)
            sweepAvailable.with(lmdb).set(1)
            sweepEntries.with(lmdb).set(report.entries)
            sweepDeleted.with(lmdb).set(report.deleted)
            sweepTime.with(lmdb).observe(report.duration)
        case .cleanerListed: listCalls.with().add()
        case .cleanerListFailed:
            listCalls.with().add()
            listFailed.with().add()
        case .cleanerDeleted(_, let reason): deleted.with(lmdb, reason.rawValue).add()
        case .cleanerDeleteFailed: deleteFailed.with().add()
        case .opened, .listStarted, .listed, .listFailed, .downloadStarted, .downloaded, .downloadVanished,
            .downloadFailed, .downloadsWaiting, .mergesWaiting, .mergeStarted, .merged, .progressed, .mergeFailed,
            .refused, .storing, .stored, .compared, .hinted, .hintMerged, .hearing, .proved, .pinned, .sendFailed,
            .sendingGivenUp, .settled, .fenced,
            .sendBlocked, .notInSync,
            .started, .namesake, .clockSkew, .ownClock, .ended:
            break
        }
    }
}

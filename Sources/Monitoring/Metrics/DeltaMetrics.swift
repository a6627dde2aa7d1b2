import Observability
import Replication

/// The metrics of deltas: what is sent, how it is found, and what is known of others.
struct DeltaMetrics: Sendable {
    let sends, bytes, pages, fallbacks: MetricFamily<Counter>
    let wrong, pinAge, positionLag: MetricFamily<Gauge>
    let diffTime: MetricFamily<Histogram>

    init(_ registry: MetricRegistry) {
        let syncer = "lightningstream_syncer_"
        sends = registry.counters(
            syncer + "sends_total", "Objects of this instance stored: full (snapshot) or delta.",
            labels: ["lmdb", "kind"])
        bytes = registry.counters(
            syncer + "sent_bytes_total", "Size of the objects of this instance stored: full (snapshot) or delta.",
            labels: ["lmdb", "kind"])
        pages = registry.counters(
            syncer + "diff_pages_total", "Pages read to find changes, by comparison of pages.", labels: ["lmdb"])
        diffTime = registry.histograms(
            syncer + "diff_seconds", "Duration of comparisons of pages.", labels: ["lmdb"], bounds: Self.diffBounds)
        fallbacks = registry.counters(
            syncer + "delta_fallbacks_total",
            "Full snapshots stored because changes could not be found by comparison of pages.",
            labels: ["lmdb", "reason"])
        wrong = registry.gauges(
            syncer + "diff_wrong",
            "1 after a comparison of pages was wrong, until the next start, otherwise 0.", labels: ["lmdb"])
        pinAge = registry.gauges(
            syncer + "pin_age_transactions",
            "Transactions since the one that is kept open for the next comparison of pages; 0 if there is none.",
            labels: ["lmdb"])
        positionLag = registry.gauges(
            syncer + "position_lag_seconds",
            "How far the merged position of an instance is behind the newest one in the last listing; 0 if everything is merged.",
            labels: ["lmdb", "syncer_instance"])
    }

    static let diffBounds: [Double] = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]

    /// Creates the series of a database that start with zero.
    func begin(_ lmdb: String) {
        for kind in ["full", "delta"] { _ = (sends.with(lmdb, kind), bytes.with(lmdb, kind)) }
        for reason in ChangeTracker.Fallback.allCases { _ = fallbacks.with(lmdb, reason.label) }
        _ = (pages.with(lmdb), diffTime.with(lmdb), wrong.with(lmdb), pinAge.with(lmdb))
    }

    func stored(_ report: SendReport, _ lmdb: String) {
        let kind = report.name.isDelta ? "delta" : "full"
        sends.with(lmdb, kind).add()
        bytes.with(lmdb, kind).add(report.size)
        if let changes = report.changes {
            pages.with(lmdb).add(changes.pages)
            diffTime.with(lmdb).observe(changes.time)
        }
        if let reason = report.fallback { fallbacks.with(lmdb, reason.label).add() }
    }

    func compared(_ comparison: Capture.Comparison, _ lmdb: String) {
        pages.with(lmdb).add(comparison.pages ?? 0)
        diffTime.with(lmdb).observe(comparison.time)
    }

    /// Replaces the lags of all instances, in seconds.
    func show(lags: [String: Double], _ lmdb: String) {
        positionLag.replace(where: { $0[0] == lmdb }, with: lags.map { ([lmdb, $0.key], $0.value) })
    }

    /// A reason as label value, such as `too_many_transactions`.
}

import Observability

/// The metrics of operations with limited concurrency, `lightningstream_climit_…`.
struct LimitMetrics: Sendable {
    let limit, waiting, active: MetricFamily<Gauge>
    let acquired: MetricFamily<Counter>
    let activeTime, waitingTime: MetricFamily<Histogram>

    init(_ registry: MetricRegistry) {
        let climit = "lightningstream_climit_"
        let labels = ["lmdb", "limit_name"]
        limit = registry.gauges(climit + "limit", "Maximum number of concurrent operations.", labels: labels)
        waiting = registry.gauges(climit + "waiting", "Operations waiting for others to end.", labels: labels)
        active = registry.gauges(climit + "active", "Active operations.", labels: labels)
        acquired = registry.counters(climit + "acquired_total", "Started operations.", labels: labels)
        activeTime = registry.histograms(
            climit + "active_seconds", "Duration of operations.", labels: labels, bounds: Self.limitBounds)
        waitingTime = registry.histograms(
            climit + "waiting_seconds", "Waiting time of operations.", labels: labels, bounds: Self.limitBounds)
    }

    /// The bounds of release 1.0, which alert rules use as `le`, and some below and above.
    static let limitBounds: [Double] = [
        0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800,
    ]

    /// Makes the series of a limit.
    func begin(_ lmdb: String, _ name: String, most: Int) {
        limit.with(lmdb, name).set(most)
        _ = (waiting.with(lmdb, name), active.with(lmdb, name), acquired.with(lmdb, name))
        _ = (activeTime.with(lmdb, name), waitingTime.with(lmdb, name))
    }

    func began(_ lmdb: String, _ name: String, waited: Duration) {
        acquired.with(lmdb, name).add()
        waitingTime.with(lmdb, name).observe(waited)
        active.with(lmdb, name).add(1)
    }

    func ended(_ lmdb: String, _ name: String, _ time: Duration) {
        active.with(lmdb, name).add(-1)
        activeTime.with(lmdb, name).observe(time)
    }
}

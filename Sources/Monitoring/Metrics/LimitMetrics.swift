import Observability

/// The metrics of what only so many may do at a time, `lightningstream_climit_…`.
struct LimitMetrics: Sendable {
    let limit, waiting, active: MetricFamily<Gauge>
    let acquired: MetricFamily<Counter>
    let activeTime, waitingTime: MetricFamily<Histogram>

    init(_ registry: MetricRegistry) {
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

    /// Those of release 1.0, which alert rules name as `le`, and some below and above.
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

import BlobStorage
import Observability

/// The metrics of hints: changes of the storage that become known before a listing shows them.
struct HintMetrics: Sendable {
    let received: MetricFamily<Counter>
    let merged: MetricFamily<Histogram>
    let feed: MetricFamily<Gauge>

    init(_ registry: MetricRegistry) {
        let receiver = "lightningstream_receiver_"
        received = registry.counters(
            receiver + "hints_total",
            "Hints that an object of the database was stored, by source: fs, listen, peer or webhook.",
            labels: ["lmdb", "source"])
        merged = registry.histograms(
            receiver + "hint_merged_seconds",
            "Time from the first hint of a change until it was merged; not of changes that a listing showed first.",
            labels: ["lmdb", "source"], bounds: Self.bounds)
        feed = registry.gauges(
            receiver + "listening",
            "1 while the S3 server announces all changes over a connection (notifications), otherwise 0.",
            labels: ["lmdb"])
    }

    static let bounds: [Double] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

    /// Creates the series of a database that start with zero.
    func begin(_ lmdb: String) {
        for source in HintSource.allCases {
            _ = (received.with(lmdb, source.rawValue), merged.with(lmdb, source.rawValue))
        }
        _ = feed.with(lmdb)
    }
}

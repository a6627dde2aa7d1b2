import Observability
import Replication

/// The metrics of the storage and of received snapshots, `lightningstream_receiver_…`.
struct ReceiverMetrics: Sendable {
    let received, inStorageCount, inStorageBytes, clockSkew, held: MetricFamily<Gauge>
    let receivedAge: MetricFamily<Histogram>

    init(_ registry: MetricRegistry) {
        let receiver = "lightningstream_receiver_"
        received = registry.gauges(
            receiver + "snapshots_last_received_seconds",
            "Time of the last downloaded snapshot, since the UNIX epoch.",
            labels: ["lmdb", "syncer_instance"])
        receivedAge = registry.histograms(
            receiver + "snapshots_last_received_age_seconds", "Age of snapshots at the end of their download.",
            labels: ["lmdb", "syncer_instance"], bounds: Self.ageBounds)
        inStorageCount = registry.gauges(
            receiver + "snapshots_in_storage_count", "Snapshots in the last listing.", labels: ["lmdb"])
        inStorageBytes = registry.gauges(
            receiver + "snapshots_in_storage_bytes", "Size of the snapshots in the last listing.",
            labels: ["lmdb"])
        clockSkew = registry.gauges(
            receiver + "clock_skew_seconds",
            "How far the sender's clock is ahead according to its newest snapshot, otherwise 0.",
            labels: ["lmdb", "syncer_instance"])

        held = registry.gauges(
            receiver + "held_entries",
            "Entries held in the last merge of an instance's snapshot; no series if there are none.",
            labels: ["lmdb", "syncer_instance"])
    }

    /// The bounds of release 1.0: 0.1 s to 30 days.
    static let ageBounds: [Double] = [
        0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 259_200, 604_800,
        1_209_600, 2_592_000,
    ]

    func listed(_ catalog: Catalog, _ lmdb: String) {
        inStorageCount.with(lmdb).set(catalog.snapshots.count)
        inStorageBytes.with(lmdb).set(catalog.snapshots.reduce(0.0) { $0 + Double($1.size) })
        forgetInstances(of: lmdb, except: catalog.instances)
    }

    func merged(_ report: MergeReport, _ lmdb: String) {
        if let count = report.held?.count {
            held.with(lmdb, report.name.instance).set(count)
        } else {
            held.remove { $0 == [lmdb, report.name.instance] }
        }
    }

    /// Removes the gauges of instances that have gone. Their counters stay.
    private func forgetInstances(of lmdb: String, except instances: Set<String>) {
        let isGone = { (values: [String]) in
            values[0] == lmdb && values[1] != "other" && !instances.contains(values[1])
        }
        received.remove(where: isGone)
        clockSkew.remove(where: isGone)
        held.remove(where: isGone)
    }
}

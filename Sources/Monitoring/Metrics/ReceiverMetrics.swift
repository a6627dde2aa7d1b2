import Observability
import Replication
import Snapshots

/// The metrics of the storage and of received snapshots, `lightningstream_receiver_…`.
struct ReceiverMetrics: Sendable {
    let received, inStorageCount, inStorageBytes, clockSkew, held: MetricFamily<Gauge>
    let receivedAge: MetricFamily<Histogram>

    init(_ registry: MetricRegistry) {
        let receiver = "lightningstream_receiver_"
        received = registry.gauges(
            receiver + "snapshots_last_received_seconds",
            "Time of the newest downloaded snapshot of another instance, or of the end of the last merged delta, since the UNIX epoch.",
            labels: ["lmdb", "syncer_instance"])
        receivedAge = registry.histograms(
            receiver + "snapshots_last_received_age_seconds",
            "Age of snapshots of other instances at the end of their download, and of their deltas at the end of their merge.",
            labels: ["lmdb", "syncer_instance"], bounds: Self.ageBounds)
        inStorageCount = registry.gauges(
            receiver + "snapshots_in_storage_count", "Full snapshots in the last listing.", labels: ["lmdb"])
        inStorageBytes = registry.gauges(
            receiver + "snapshots_in_storage_bytes", "Size of the full snapshots in the last listing.",
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
        forgetInstances(of: lmdb, except: catalog.instances.union(catalog.lastDeltas.keys))
    }

    /// Counts a position that was received.
    ///
    /// - Parameter age: nil if it was received earlier.
    func received(_ position: SnapshotName, _ age: Duration?, _ lmdb: String) {
        received.with(lmdb, position.instance).set(Double(position.timestamp) / 1e9)
        if let age { receivedAge.with(lmdb, position.instance).observe(age) }
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

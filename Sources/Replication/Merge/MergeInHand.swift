import LMDB
import Snapshots
import Support
import Synchronization

/// A downloaded snapshot to merge.
package struct MergeOrder: Sendable {
    /// Its name.
    package var name: SnapshotName
    /// Its bytes.
    package var body: Spool
    /// How long the download took.
    package var downloadTime: Duration
    /// Whether to omit Deleted entries that are too old.
    package var leavesOutOldDeletions: Bool
    /// The merges that wait to be applied, and are applied before it in the same transaction.
    package var behind: [MergeInHand] = []
}

/// A merge in progress: the state that its two halves share.
package struct MergeInHand: Sendable {
    /// The result of a comparison.
    struct Comparison: Sendable {
        var plan: MergePlan
        var meta: SnapshotMeta
        /// The private DBIs in it.
        var skipped: Set<String>
    }

    private final class Counter: Sendable { let count = Mutex(0) }

    let order: MergeOrder
    let inspection: (any MergeInspection)?
    /// The size of the map at the beginning, in bytes.
    let mapSize: Int
    let rules: MergePlanner.Rules
    /// When the comparison began.
    let begin: Duration
    var compareTime = Duration.zero
    var result: Comparison?
    private let counter = Counter()

    init(
        order: MergeOrder, inspection: (any MergeInspection)?, mapSize: Int, rules: MergePlanner.Rules,
        begin: Duration
    ) {
        self.order = order
        self.inspection = inspection
        self.mapSize = mapSize
        self.rules = rules
        self.begin = begin
    }

    /// The snapshot.
    package var name: SnapshotName { order.name }

    /// The number of entries read.
    var entriesRead: Int { counter.count.withLock(\.self) }

    /// Compares the snapshot with the LMDB.
    ///
    /// - Parameter planned: what is written before it in the same transaction; nil for nothing.
    func compare(_ environment: Environment, behind planned: PlannedVersions? = nil) throws -> Comparison {
        var rules = rules
        rules.planned = planned
        let (plan, meta, skipped) = try MergePlanner.plan(order.body, for: environment, rules: rules) { count in
            counter.count.withLock { $0 = count }
        }
        if name.isDelta, let problem = meta.problem(asDelta: name) { throw RefusedSnapshot(problem) }
        return Comparison(plan: plan, meta: meta, skipped: skipped)
    }

    /// What the snapshot says about itself, if that differs from its name.
    var claim: String? { name.isDelta ? nil : result?.meta.disagreement(with: name) }

    /// The position at its end, in nanoseconds since the UNIX epoch.
    var position: UInt64 { name.isDelta ? result?.meta.timestamp ?? name.timestamp : name.timestamp }

    /// Whether its sender reads deltas.
    var readsDeltas: Bool { name.isDelta || result?.meta.readsDeltas ?? false }
}

/// Why a snapshot was not merged.
package struct MergeFailure: Sendable {
    /// The kinds of failure.
    enum Kind: Sendable {
        /// It must never be merged.
        case refused(RefusedSnapshot)
        /// Its bytes are damaged, in the storage or by the transfer.
        case damaged(SnapshotError)
        /// The merge may succeed later.
        case failed(any Error)
    }

    var kind: Kind
    /// The number of entries read.
    var entriesRead: Int
    /// How long the merge took.
    var time: Duration
    /// The size of the map at the beginning of the merge, in bytes.
    var mapSize: Int
}

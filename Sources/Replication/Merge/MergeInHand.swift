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
}

/// A merge in progress: the state that its two halves share.
package struct MergeInHand: Sendable {
    /// The result of a comparison.
    struct Comparison: Sendable {
        var plan: MergePlan
        /// The name in the snapshot's metadata, if it differs from the object's name.
        var claim: String?
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

    func compare(_ environment: Environment) throws -> Comparison {
        let (plan, meta, skipped) = try MergePlanner.plan(order.body, for: environment, rules: rules) { count in
            counter.count.withLock { $0 = count }
        }
        return Comparison(plan: plan, claim: meta.disagreement(with: name), skipped: skipped)
    }
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

import LMDB
import Snapshots
import Support
import Synchronization

/// A downloaded snapshot that is to be merged.
package struct MergeOrder: Sendable {
    /// Its name.
    package var name: SnapshotName
    /// Its bytes.
    package var body: Spool
    /// How long the download took.
    package var downloadTime: Duration
    /// Whether Deleted entries that are too old are left out.
    package var leavesOutOldDeletions: Bool
}

/// A merge under way: what its two halves share.
package struct MergeInHand: Sendable {
    /// The result of a comparison.
    struct Comparison: Sendable {
        var plan: MergePlan
        /// Where the snapshot says otherwise than its name.
        var claim: String?
        /// Private DBIs in it.
        var skipped: Set<String>
    }

    private final class Counter: Sendable { let count = Mutex(0) }

    let order: MergeOrder
    let inspection: (any MergeInspection)?
    /// The size of the map when it began, in bytes.
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

    /// How many entries were read, whatever came of them.
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
    /// What became of the snapshot.
    enum Kind: Sendable {
        /// It must never be merged.
        case refused(RefusedSnapshot)
        /// Its bytes are damaged, in the storage or on their way.
        case damaged(SnapshotError)
        /// The same snapshot may be merged later.
        case failed(any Error)
    }

    var kind: Kind
    /// How many entries had been read.
    var entriesRead: Int
    /// How long the merge took until then.
    var time: Duration
    /// The size of the map when it began, in bytes.
    var mapSize: Int
}

import LMDB
import Snapshots

/// Writes a plan to the application's DBIs and their shadows, in one write transaction.
struct ShadowApplication: ~Copyable {
    private(set) var outcome = Merge.Outcome()
    private let transaction: UInt64
    private let paddingBlock: Bool
    private let schema: Schema
    private let now: UInt64
    /// Whether the comparison is still valid, and the shadows were up to date then.
    private let isCurrent: Bool
    private let inspection: (any MergeInspection)?

    /// - Parameters:
    ///   - isFirst: whether nothing was written before in the transaction.
    ///   - through: the newest captured transaction.
    ///   - now: the timestamp for changes of the application since the comparison, in nanoseconds since the UNIX epoch.
    ///   - inspection: called for entries that lost.
    init(
        _ plan: borrowing MergePlan, _ transaction: borrowing WriteTransaction, isFirst: Bool, through: UInt64?,
        now: UInt64, paddingBlock: Bool, inspection: (any MergeInspection)?
    ) {
        self.inspection = inspection
        self.transaction = transaction.id
        self.paddingBlock = paddingBlock
        self.now = now
        schema = plan.schema
        isCurrent =
            isFirst && plan.isOrdered && transaction.id == plan.comparedWith &+ 1 && through == plan.comparedWith
    }

    mutating func run(
        _ plan: borrowing MergePlan, _ transaction: borrowing WriteTransaction, _ written: inout WrittenTimestamps
    ) throws {
        for target in plan.targets where target.isMissing { try create(target, transaction) }
        var reader = MergePlanReader(plan.entries)
        var next = try reader.next()
        while let first = next {
            let target = plan.targets[first.target]
            var pair = try open(target, transaction)
            next = try write(from: first, target.name, &reader, &pair, transaction, &written)
        }
        try settle(plan, transaction)
    }

    /// Writes the entries of one DBI, which are consecutive.
    ///
    /// - Returns: the first entry of the next DBI.
    private mutating func write(
        from first: PlannedEntry, _ name: String, _ reader: inout MergePlanReader, _ pair: inout ShadowPair,
        _ transaction: borrowing WriteTransaction, _ written: inout WrittenTimestamps
    ) throws -> PlannedEntry? {
        var next: PlannedEntry? = first
        while let entry = next, entry.target == first.target {
            let changes = try pair.merge(entry, isCurrent: isCurrent, transaction)
            if changes.isCaptured || changes.isWritten { outcome.transaction = self.transaction }
            if changes.isWritten {
                outcome.written += 1
                written.note(entry.version.timestamp)
            } else {
                outcome.lost += 1
                inspection?.lost(entry.key, in: name)
            }
            next = try reader.next()
        }
        return next
    }

    /// Checks written entries again if keys have several values, after all entries are written.
    private func settle(_ plan: borrowing MergePlan, _ transaction: borrowing WriteTransaction) throws {
        let isAffected = plan.targets.map { !schema.transform($0.flags).isEmpty }
        guard outcome.written > 0, isAffected.contains(true) else { return }
        var reader = MergePlanReader(plan.entries)
        var next = try reader.next()
        while let first = next {
            let isAffected = isAffected[first.target]
            var pair = try open(plan.targets[first.target], transaction)
            while let entry = next, entry.target == first.target {
                if isAffected, !entry.version.isDeleted { try pair.settle(entry.key, transaction) }
                next = try reader.next()
            }
        }
    }

    /// Creates a missing DBI, or only its shadow if the application has created it since.
    private mutating func create(
        _ target: MergePlan.Target, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        let shadow = schema.versions(of: target.name)
        if let database = try transaction.database(target.name) {
            guard database.flags == target.flags, try transaction.database(shadow) == nil else { return }
        }
        _ = try transaction.database(target.name, creating: target.flags)
        _ = try transaction.database(shadow, creating: schema.versionFlags(of: target.flags))
        outcome.transaction = self.transaction
    }

    private func open(
        _ target: MergePlan.Target, _ transaction: borrowing WriteTransaction
    ) throws -> ShadowPair {
        guard let database = try transaction.database(target.name) else {
            throw MergeObstacle("DBI \(target.name) was dropped during the merge")
        }
        guard database.flags == target.flags else {
            throw MergeObstacle("DBI \(target.name) was recreated with different flags during the merge")
        }
        guard let shadow = try transaction.database(schema.versions(of: target.name)) else {
            throw MergeObstacle("the shadow of DBI \(target.name) was dropped during the merge")
        }
        try schema.check(versions: shadow, of: database.flags)
        if let size = target.integerKeySize {
            for sizes in try [
                Schema.integerKeySizes(database, transaction), Schema.integerKeySizes(shadow, transaction),
            ] {
                if let sizes, !sizes.contains(size) {
                    throw MergeObstacle("the integer keys of DBI \(target.name) changed their size during the merge")
                }
            }
        }
        return try ShadowPair(database, shadow: shadow, transaction, timestamp: now, paddingBlock: paddingBlock)
    }
}

import LMDB
import Snapshots
import Support

/// Writes the entries of plans: the second half of a merge.
package enum Merge {
    /// The result of a plan.
    package struct Outcome: Sendable {
        /// The write transaction; nil if there was nothing left to write.
        package var transaction: UInt64?
        /// How many entries were written.
        package var written = 0
        /// The number of planned entries that lost to later local changes.
        package var lost = 0
        /// How long the write lock was held.
        package var lockTime = Duration.zero
        /// How old the written entries were when they became visible.
        package var ages = EntryAges()
    }

    /// Applies a plan in one write transaction, as a whole or not at all.
    ///
    /// Parameters as of the other function.
    @discardableResult
    package static func apply(
        _ plan: MergePlan, to environment: Environment, paddingBlock: Bool, positions: RecordedPositions? = nil,
        capturedThrough: UInt64? = nil, inspection: (any MergeInspection)? = nil,
        willCommit: (UInt64) -> Void = { _ in },
        clock: @escaping WallClock = systemWallClock, uptime: Uptime = systemUptime
    ) throws -> Outcome {
        let outcomes = try apply(
            [(plan, inspection)], to: environment, paddingBlock: paddingBlock, positions: positions,
            capturedThrough: capturedThrough, willCommit: willCommit, clock: clock, uptime: uptime)
        return outcomes.first ?? Outcome()
    }

    /// Applies plans in this order in one write transaction, all of them or none.
    ///
    /// Each entry is compared again with the local one, unless it is of the first plan and there was no transaction since the
    /// comparison.
    ///
    /// - Parameters:
    ///   - plans: with the inspections that are called for entries that lost.
    ///   - paddingBlock: whether headers get an extension block (`header_extra_padding_block`).
    ///   - positions: recorded with the entries, if anything is written.
    ///   - recorded: what this process has recorded last; nil if it is not known.
    ///   - capturedThrough: the newest captured transaction, if there are shadows.
    ///   - willCommit: called with the transaction before it is committed.
    ///   - clock: the time, for the ages of entries, and for changes of the application since the comparison.
    ///   - uptime: measures how long the write lock is held: for each plan to write it, and to commit with the last one.
    /// - Returns: the result of each plan.
    package static func apply(
        _ plans: [(plan: MergePlan, inspection: (any MergeInspection)?)], to environment: Environment,
        paddingBlock: Bool, positions: RecordedPositions? = nil, recorded: RecordedPositions? = nil,
        capturedThrough: UInt64? = nil, willCommit: (UInt64) -> Void = { _ in },
        clock: @escaping WallClock = systemWallClock, uptime: Uptime = systemUptime
    ) throws -> [Outcome] {
        guard plans.contains(where: { !$0.plan.isEmpty }) else { return plans.map { _ in Outcome() } }
        var times: [Duration] = []
        var written: [WrittenTimestamps] = []
        var outcomes = try environment.write { transaction in
            times = [uptime()]
            var outcomes: [Outcome] = []
            for (plan, inspection) in plans {
                var timestamps = WrittenTimestamps(clock)
                outcomes.append(
                    try write(
                        plan, transaction, isFirst: outcomes.isEmpty, paddingBlock: paddingBlock,
                        capturedThrough: capturedThrough, inspection: inspection, now: clock, &timestamps))
                written.append(timestamps)
                times.append(uptime())
            }
            guard let own = outcomes.lazy.compactMap(\.transaction).first else { return .abort(outcomes) }
            try positions?.write(to: transaction, at: clock(), replacing: recorded)
            willCommit(own)
            return .commit(outcomes)
        }
        times[times.count - 1] = uptime()
        for index in outcomes.indices {
            outcomes[index].lockTime = times[index + 1] - times[index]
            outcomes[index].ages = written[index].finish()
        }
        return outcomes
    }

    private static func write(
        _ plan: MergePlan, _ transaction: borrowing WriteTransaction, isFirst: Bool, paddingBlock: Bool,
        capturedThrough: UInt64?, inspection: (any MergeInspection)?, now: WallClock,
        _ written: inout WrittenTimestamps
    ) throws -> Outcome {
        if plan.schema.hasShadows {
            var application = ShadowApplication(
                plan, transaction, isFirst: isFirst, through: capturedThrough, now: now(), paddingBlock: paddingBlock,
                inspection: inspection)
            try application.run(plan, transaction, &written)
            return application.outcome
        }
        var application = PlanWriter(
            plan, transaction, isFirst: isFirst, paddingBlock: paddingBlock, inspection: inspection)
        try application.run(plan, transaction, &written)
        return application.outcome
    }
}

/// Writes a plan to the application's DBIs in native mode, in one write transaction.
private struct PlanWriter: ~Copyable {
    private(set) var outcome = Merge.Outcome()
    private let paddingBlock: Bool
    private let transaction: UInt64
    /// Whether the comparison is still valid.
    private let isCurrent: Bool
    private let inspection: (any MergeInspection)?

    init(
        _ plan: borrowing MergePlan, _ transaction: borrowing WriteTransaction, isFirst: Bool, paddingBlock: Bool,
        inspection: (any MergeInspection)?
    ) {
        self.inspection = inspection
        self.transaction = transaction.id
        self.paddingBlock = paddingBlock
        isCurrent = isFirst && plan.isOrdered && transaction.id == plan.comparedWith &+ 1
    }

    mutating func run(
        _ plan: borrowing MergePlan, _ transaction: borrowing WriteTransaction, _ written: inout WrittenTimestamps
    ) throws {
        for target in plan.targets where target.isMissing {
            guard try transaction.database(target.name) == nil else { continue }
            _ = try transaction.database(target.name, creating: target.flags)
            outcome.transaction = self.transaction
        }
        var reader = MergePlanReader(plan.entries)
        var next = try reader.next()
        while let first = next {
            var cursor = try open(plan.targets[first.target], transaction)
            next = try write(from: first, &reader, &cursor, &written)
        }
    }

    /// Writes the entries of one DBI, which are consecutive.
    ///
    /// - Returns: the first entry of the next DBI.
    private mutating func write(
        from first: PlannedEntry, _ reader: inout MergePlanReader, _ cursor: inout WriteCursor,
        _ written: inout WrittenTimestamps
    ) throws -> PlannedEntry? {
        var next: PlannedEntry? = first
        while let entry = next, entry.target == first.target {
            if try write(entry, &cursor) { written.note(entry.version.timestamp) }
            next = try reader.next()
        }
        return next
    }

    private func open(
        _ target: MergePlan.Target, _ transaction: borrowing WriteTransaction
    ) throws -> WriteCursor {
        guard let database = try transaction.database(target.name) else {
            throw MergeObstacle("DBI \(target.name) was dropped during the merge")
        }
        // The DBI was recreated, but the keys were checked for other flags.
        guard database.flags == target.flags else {
            throw MergeObstacle("DBI \(target.name) was recreated with different flags during the merge")
        }
        var cursor = try transaction.openWriteCursor(database)
        // LMDB compares integer keys without checking their sizes.
        if let size = target.integerKeySize, try cursor.reading.first(), cursor.reading.key.count != size {
            throw MergeObstacle("the integer keys of DBI \(target.name) changed their size during the merge")
        }
        return cursor
    }

    /// - Returns: whether the entry was written.
    @inline(__always)
    private mutating func write(_ entry: PlannedEntry, _ cursor: inout WriteCursor) throws -> Bool {
        if isCurrent {
            do throws(LMDBError) {
                try put(entry, &cursor, append: entry.isBehindLast)
                return true
            } catch  where error.code == .keyExists {
                // The keys are not in LMDB's order: look the entry up.
            }
        }
        if try cursor.reading.find(entry.key) {
            let current = try Schema.version(at: &cursor.reading)
            guard MergeRule.replaces(entry.version, local: current) else {
                outcome.lost += 1
                inspection?.lost(entry.key, in: cursor.reading.database.name)
                return false
            }
        }
        try put(entry, &cursor, append: false)
        return true
    }

    @inline(__always)
    private mutating func put(
        _ entry: PlannedEntry, _ cursor: inout WriteCursor, append: Bool
    ) throws(LMDBError) {
        let header = EntryHeader(
            timestamp: entry.version.timestamp, transactionID: transaction,
            flags: entry.version.isDeleted ? EntryHeader.deletedFlag : 0)
        let headerSize = EntryHeader.size(paddingBlock: paddingBlock)
        let (value, paddingBlock) = (entry.version.value, self.paddingBlock)
        try cursor.put(entry.key, size: headerSize + value.count, append: append) { buffer in
            header.write(to: buffer, paddingBlock: paddingBlock)
            UnsafeMutableRawBufferPointer(rebasing: buffer[headerSize...]).copyMemory(from: value)
        }
        outcome.written += 1
        outcome.transaction = transaction
    }
}

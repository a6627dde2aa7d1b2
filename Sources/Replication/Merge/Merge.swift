import LMDB
import Snapshots
import Support

/// Writes a plan's entries: the second half of a merge.
package enum Merge {
    /// What became of a plan.
    package struct Outcome: Sendable {
        /// The transaction that wrote, nil when nothing had to be written any more.
        package var transaction: UInt64?
        /// How many entries were written.
        package var written = 0
        /// How many planned entries lost against what others wrote meanwhile.
        package var lost = 0
        /// How long the write lock was held.
        package var lockTime = Duration.zero
        /// How old the written entries were when they became visible.
        package var ages = EntryAges()
    }

    /// Applies a plan in one write transaction, whole or not at all.
    ///
    /// Each entry is compared again with what is there now, unless nobody has written since the comparison.
    ///
    /// - Parameters:
    ///   - paddingBlock: whether headers get an extension block (`header_extra_padding_block`).
    ///   - capturedThrough: up to which transaction the shadows are known to be up to date, where there are any.
    ///   - inspection: is told of entries that are not written after all.
    ///   - willCommit: is told the transaction before it is committed.
    ///   - clock: tells the time: for the ages of entries, and for what an application has changed meanwhile.
    ///   - uptime: measures how long the write lock is held.
    @discardableResult
    package static func apply(
        _ plan: MergePlan, to environment: Environment, paddingBlock: Bool, capturedThrough: UInt64? = nil,
        inspection: (any MergeInspection)? = nil, willCommit: (UInt64) -> Void = { _ in },
        clock: @escaping WallClock = systemWallClock, uptime: Uptime = systemUptime
    ) throws -> Outcome {
        guard !plan.isEmpty else { return Outcome() }
        var locked: Duration?
        var written = WrittenTimestamps(clock)
        var outcome = try environment.write { transaction in
            locked = uptime()
            let outcome: Outcome
            if plan.schema.hasShadows {
                var application = ShadowApplication(
                    plan, transaction, through: capturedThrough, now: clock(), paddingBlock: paddingBlock,
                    inspection: inspection)
                try application.run(plan, transaction, &written)
                outcome = application.outcome
            } else {
                var application = PlanApplication(
                    plan, transaction, paddingBlock: paddingBlock, inspection: inspection)
                try application.run(plan, transaction, &written)
                outcome = application.outcome
            }
            guard let own = outcome.transaction else { return .abort(outcome) }
            willCommit(own)
            return .commit(outcome)
        }
        if let locked { outcome.lockTime = uptime() - locked }
        outcome.ages = written.finish()
        return outcome
    }
}

/// Applies one plan to the application's DBIs, which hold the versions themselves, within one write transaction.
private struct PlanApplication: ~Copyable {
    private(set) var outcome = Merge.Outcome()
    private let paddingBlock: Bool
    private let transaction: UInt64
    /// Whether the plan's comparison still holds.
    private let isCurrent: Bool
    private let inspection: (any MergeInspection)?

    init(
        _ plan: borrowing MergePlan, _ transaction: borrowing WriteTransaction, paddingBlock: Bool,
        inspection: (any MergeInspection)?
    ) {
        self.inspection = inspection
        self.transaction = transaction.id
        self.paddingBlock = paddingBlock
        isCurrent = plan.isOrdered && transaction.id == plan.comparedWith &+ 1
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

    /// Writes the entries of one DBI, which come together.
    ///
    /// - Returns: the first one of another.
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
            throw MergeObstacle("DBI \(target.name) has been dropped during the merge")
        }
        // Made anew by somebody else meanwhile: the keys were checked for other flags.
        guard database.flags == target.flags else {
            throw MergeObstacle("DBI \(target.name) has been made anew with other flags during the merge")
        }
        var cursor = try transaction.openWriteCursor(database)
        // LMDB compares integer keys without a look at their sizes.
        if let size = target.integerKeySize, try cursor.reading.first(), cursor.reading.key.count != size {
            throw MergeObstacle("DBI \(target.name) has got integer keys of another size during the merge")
        }
        return cursor
    }

    /// - Returns: whether it was written.
    @inline(__always)
    private mutating func write(_ entry: PlannedEntry, _ cursor: inout WriteCursor) throws -> Bool {
        if isCurrent {
            do throws(LMDBError) {
                try put(entry, &cursor, append: entry.isBehindLast)
                return true
            } catch  where error.code == .keyExists {
                // Not in LMDB's order after all: goes on as an entry to be looked up.
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

import LMDB
import Snapshots
import Support

/// Copies what an application has changed to the shadows of its DBIs.
///
/// The comparison runs under a read transaction, so that the write lock is only held for the entries that changed. Who
/// writes in between makes it run again; a writer that never pauses makes it run under the lock in the end, so that what
/// is captured is always the state of one transaction.
package struct Capture: Sendable {
    /// How often the comparison is made without the write lock.
    static let freeAttempts = 2
    /// The timestamp of what was found at the start: it never wins over anything that has one.
    static let startTimestamp: UInt64 = 1

    /// What was done.
    package struct Outcome: Sendable {
        /// The transaction that wrote something, nil when there was nothing to be written.
        package var transaction: UInt64?
        /// Every transaction up to this one is in the shadows.
        package var through: UInt64
        /// How many entries were written.
        package var written = 0
        /// How long the write lock was held.
        package var lockTime = Duration.zero
        /// The DBIs that the application has dropped, whose entries are Deleted in the shadow now.
        package var dropped: [String] = []
        /// The DBIs whose shadows somebody has dropped.
        package var lost: [String] = []
    }

    /// Every transaction up to this one is in the shadows, and the application's DBIs hold what the shadows do.
    package private(set) var through: UInt64?
    /// The DBIs that have shadows.
    private var known: Set<String> = []
    let schema: Schema

    private let startsWithNow: Bool

    /// - Parameters:
    ///   - schema: one with shadows.
    ///   - startsWithNow: whether what is found by the first call counts as changed just now.
    package init(schema: Schema, startsWithNow: Bool = false) {
        self.schema = schema
        self.startsWithNow = startsWithNow
    }

    /// A transaction of our own has been committed, which kept the shadows as they should be.
    package mutating func noteOwn(_ transaction: UInt64) {
        if let through, transaction == through + 1 { self.through = transaction }
    }

    /// Captures everything up to the newest transaction.
    ///
    /// Changed entries get the time, or the timestamp of the version that they replace plus one where that is later. Nobody
    /// knows when something was changed before the first call: it gets 1 ns instead of the time.
    ///
    /// - Parameter whenCompared: is called before the write lock is taken.
    /// - Throws: ``LocalContentError`` for contents that can't be synced. Nothing has been written then.
    @discardableResult
    package mutating func run(
        _ environment: Environment, paddingBlock: Bool, clock: WallClock, uptime: Uptime = systemUptime,
        signal: CancellationSignal = CancellationSignal(), whenCompared: () throws -> Void = {}
    ) throws -> Outcome {
        let schema = schema
        for _ in 0..<Self.freeAttempts {
            let through = through
            let found: CapturePlan? = try environment.read { transaction in
                if transaction.id == through { return nil }
                return try ShadowDiff.run(transaction, schema: schema, signal: signal)
            }
            guard let plan = found else { return Outcome(through: through ?? 0) }
            if plan.isEmpty {
                finish(plan, through: plan.comparedWith)
                return Outcome(through: plan.comparedWith)
            }
            try whenCompared()
            if let outcome = try write(plan, environment, paddingBlock, clock, uptime, signal) { return outcome }
        }
        while true {
            if let outcome = try write(nil, environment, paddingBlock, clock, uptime, signal) { return outcome }
        }
    }

    /// - Returns: nil when somebody has written since the plan was made.
    private mutating func write(
        _ plan: CapturePlan?, _ environment: Environment, _ paddingBlock: Bool, _ clock: WallClock,
        _ uptime: Uptime, _ signal: CancellationSignal
    ) throws -> Outcome? {
        var locked = uptime()
        let (isStart, known, schema) = (through == nil && !startsWithNow, known, schema)
        let found: (plan: CapturePlan, written: Int, own: UInt64?, through: UInt64)? = try environment.write {
            transaction in
            locked = uptime()
            if let plan, transaction.id != plan.comparedWith &+ 1 { return .abort(nil) }
            let plan = try plan ?? ShadowDiff.run(transaction, schema: schema, signal: signal)
            let now = isStart ? Self.startTimestamp : clock()
            let writer = CaptureWriter(schema: schema, known: known, now: now, paddingBlock: paddingBlock)
            let written = plan.isEmpty ? 0 : try writer.run(plan, transaction)
            // Everybody else's transactions are older, and none of theirs can begin before this one ends.
            guard written > 0 || plan.targets.contains(where: \.isNew) else {
                return .abort((plan, 0, nil, transaction.id &- 1))
            }
            return .commit((plan, written, transaction.id, transaction.id))
        }
        guard let found else { return nil }
        finish(found.plan, through: found.through)
        return Outcome(
            transaction: found.own, through: found.through, written: found.written, lockTime: uptime() - locked,
            dropped: found.plan.dropped,
            lost: found.plan.targets.filter { $0.isNew && known.contains($0.name) }.map(\.name))
    }

    private mutating func finish(_ plan: CapturePlan, through transaction: UInt64) {
        through = transaction
        known = Set(plan.targets.map(\.name))
    }
}

/// Writes what a plan tells of, within one write transaction.
private struct CaptureWriter {
    var schema: Schema
    var known: Set<String>
    var now: UInt64
    var paddingBlock: Bool

    func run(_ plan: CapturePlan, _ transaction: borrowing WriteTransaction) throws -> Int {
        for target in plan.targets where target.isNew {
            guard let database = try transaction.database(target.name) else { continue }
            _ = try transaction.database(
                schema.versions(of: target.name), creating: schema.versionFlags(of: database.flags))
        }
        var reader = MergePlanReader(plan.keys)
        var written = 0
        var next = try reader.next()
        while let first = next {
            next = try write(from: first, plan.targets[first.target], &reader, transaction, &written)
        }
        return written
    }

    /// Writes the entries of one DBI, which come together.
    ///
    /// - Returns: the first one of another.
    private func write(
        from first: PlannedEntry, _ target: CapturePlan.Target, _ reader: inout MergePlanReader,
        _ transaction: borrowing WriteTransaction, _ written: inout Int
    ) throws -> PlannedEntry? {
        guard let shadow = try transaction.database(schema.versions(of: target.name)) else {
            return try pass(first.target, &reader)
        }
        // Somebody has dropped the shadow, and with it when things were changed: that was not now.
        let isLost = target.isNew && known.contains(target.name)
        var pair = try ShadowPair(
            transaction.database(target.name), shadow: shadow, transaction,
            timestamp: isLost ? Capture.startTimestamp : now, paddingBlock: paddingBlock)
        var next: PlannedEntry? = first
        while let entry = next, entry.target == first.target {
            if try pair.capture(entry.key) { written += 1 }
            next = try reader.next()
        }
        return next
    }

    /// Passes over the other entries of a DBI.
    private func pass(_ target: Int, _ reader: inout MergePlanReader) throws -> PlannedEntry? {
        while let entry = try reader.next() { if entry.target != target { return entry } }
        return nil
    }
}

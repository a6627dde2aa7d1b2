import LMDB
import Snapshots
import Support

/// Copies the application's changes to the shadows of its DBIs.
///
/// The comparison runs in a read transaction, so that the write lock is held for writing changed entries only. It is
/// repeated if another transaction commits in between; if that happens again and again, it runs under the write lock. So a
/// capture always copies the state of one transaction.
package struct Capture: Sendable {
    /// How many comparisons of everything run without the write lock.
    static let freeAttempts = 2
    /// How many comparisons of pages do, each of which is much shorter.
    static let freePageAttempts = 8
    /// The timestamp of entries found at start: they lose to any entry with a real one.
    static let startTimestamp: UInt64 = 1

    /// The result of a capture.
    package struct Outcome: Sendable {
        /// The write transaction; nil if there was nothing to write.
        package var transaction: UInt64?
        /// The newest captured transaction.
        package var through: UInt64
        /// The number of entries written.
        package var written = 0
        /// How long the write lock was held.
        package var lockTime = Duration.zero
        /// The DBIs that the application has dropped. Their entries in the shadow are Deleted now.
        package var dropped: [String] = []
        /// The DBIs whose shadows were dropped.
        package var lost: [String] = []
        /// How the changes were found; nil if nothing was compared, or pages never are.
        package var comparison: Comparison?
    }

    /// How the changes were found.
    package struct Comparison: Sendable {
        /// The number of tree pages read; nil if everything was compared.
        package var pages: Int?
        /// How long it took.
        package var time = Duration.zero
        /// Why everything was compared, and details.
        package var fallback: ChangeTracker.Fallback?
        package var cause: String?
        /// The result of comparing everything as well.
        package var proof: ChangeTracker.Proof?

        /// See the properties of the same names.
        package init(
            pages: Int? = nil, time: Duration = .zero, fallback: ChangeTracker.Fallback? = nil, cause: String? = nil
        ) {
            (self.pages, self.time, self.fallback, self.cause) = (pages, time, fallback, cause)
        }

        /// One that follows another one of the same capture.
        fileprivate func following(_ earlier: Comparison?) -> Comparison {
            guard let earlier else { return self }
            var both = self
            both.time += earlier.time
            if let pages = earlier.pages { both.pages = pages + (self.pages ?? 0) }
            if fallback == nil { (both.fallback, both.cause) = (earlier.fallback, earlier.cause) }
            both.proof = proof ?? earlier.proof
            return both
        }
    }

    /// The newest captured transaction, as of which the application's DBIs and the shadows agree.
    package private(set) var through: UInt64?
    /// The DBIs that have shadows.
    private var known: Set<String> = []
    let schema: Schema

    private let startsWithNow: Bool
    private let retention: Duration?
    private let tracker: CaptureTracker?

    /// - Parameters:
    ///   - schema: one with shadows.
    ///   - startsWithNow: whether entries found by the first call count as changed now.
    ///   - retention: how long Deleted entries are kept; nil if they are never removed.
    ///   - tracker: finds changes by comparing pages; nil to compare everything.
    package init(
        schema: Schema, startsWithNow: Bool = false, retention: Duration? = nil, tracker: CaptureTracker? = nil
    ) {
        self.schema = schema
        self.startsWithNow = startsWithNow
        self.retention = retention
        self.tracker = tracker
    }

    /// Reports a committed transaction of our own that kept the shadows up to date.
    package mutating func ownCommitted(_ transaction: UInt64) {
        guard let through, transaction == through + 1 else { return }
        self.through = transaction
        tracker?.advance(to: transaction)
    }

    /// Captures everything up to the newest transaction.
    ///
    /// Changed entries get the current time as their timestamp, or the timestamp of the version that they replace plus
    /// one, whichever is later. The time of changes before the first call is unknown: they get the timestamp 1. Deletions
    /// among them get at least the time half the retention ago: with an older one the sweepers of all instances would
    /// remove the Deleted entry before everybody has merged it, and a live version elsewhere would come back.
    ///
    /// - Parameter whenCompared: called before the write lock is taken.
    /// - Throws: ``LocalContentError`` for contents that cannot be synced. Nothing has been written then.
    @discardableResult
    package mutating func run(
        _ environment: Environment, paddingBlock: Bool, clock: WallClock, uptime: Uptime = systemUptime,
        signal: CancellationSignal = CancellationSignal(), whenCompared: () throws -> Void = {}
    ) throws -> Outcome {
        var comparison: Comparison?
        var outcome: Outcome?
        var attempts = 0
        while outcome == nil {
            guard try environment.read({ $0.id }) != through else {
                outcome = Outcome(through: through ?? 0)
                break
            }
            let (plan, isByPages) = try compare(environment, &comparison, uptime, signal)
            if plan.isEmpty {
                finish(plan, through: plan.comparedWith)
                outcome = Outcome(through: plan.comparedWith)
                break
            }
            try whenCompared()
            outcome = try write(plan, environment, paddingBlock, clock, uptime, signal)
            attempts += 1
            if attempts >= (isByPages ? Self.freePageAttempts : Self.freeAttempts) { break }
        }
        while outcome == nil { outcome = try write(nil, environment, paddingBlock, clock, uptime, signal) }
        guard var outcome else { return Outcome(through: through ?? 0) }
        tracker?.advance(to: outcome.through)
        outcome.comparison = comparison
        return outcome
    }

    private func compare(
        _ environment: Environment, _ comparison: inout Comparison?, _ uptime: Uptime, _ signal: CancellationSignal
    ) throws -> (plan: CapturePlan, isByPages: Bool) {
        guard let tracker else {
            return (try environment.read { try ShadowDiff.run($0, schema: schema, signal: signal) }, false)
        }
        let begin = uptime()
        var (plan, found) = try tracker.plan(schema, signal: signal)
        found.time = uptime() - begin
        comparison = found.following(comparison)
        return (plan, found.pages != nil)
    }

    /// - Returns: nil if there was a transaction since the comparison.
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
            let now = clock()
            let writer = CaptureWriter(
                schema: schema, known: known, time: isStart ? Self.startTimestamp : now,
                deletionTime: isStart ? oldestDeletion(at: now) : now, paddingBlock: paddingBlock)
            let written = plan.isEmpty ? 0 : try writer.run(plan, transaction)
            // All other transactions are older, and none can begin before this one ends.
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

    /// The earliest timestamp of a deletion whose time is unknown.
    private func oldestDeletion(at now: UInt64) -> UInt64 {
        guard let retention else { return Self.startTimestamp }
        return max(Self.startTimestamp, DeletedCutoff(retention: retention / 2).timestamp(at: now))
    }

    private mutating func finish(_ plan: CapturePlan, through transaction: UInt64) {
        through = transaction
        known = Set(plan.targets.map(\.name))
    }
}

/// Writes a plan within one write transaction.
private struct CaptureWriter {
    var schema: Schema
    var known: Set<String>
    /// The timestamp of additions and changes.
    var time: UInt64
    /// The timestamp of deletions.
    var deletionTime: UInt64
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

    /// Writes the entries of one DBI, which are consecutive.
    ///
    /// - Returns: the first entry of the next DBI.
    private func write(
        from first: PlannedEntry, _ target: CapturePlan.Target, _ reader: inout MergePlanReader,
        _ transaction: borrowing WriteTransaction, _ written: inout Int
    ) throws -> PlannedEntry? {
        guard let shadow = try transaction.database(schema.versions(of: target.name)) else {
            return try pass(first.target, &reader)
        }
        // The shadow was dropped, and the times of changes with it. They did not happen now.
        let isLost = target.isNew && known.contains(target.name)
        var pair = try ShadowPair(
            transaction.database(target.name), shadow: shadow, transaction,
            timestamp: isLost ? Capture.startTimestamp : time, deletionTimestamp: deletionTime,
            paddingBlock: paddingBlock)
        var next: PlannedEntry? = first
        while let entry = next, entry.target == first.target {
            if try pair.capture(entry.key) { written += 1 }
            next = try reader.next()
        }
        return next
    }

    /// Skips the remaining entries of a DBI.
    private func pass(_ target: Int, _ reader: inout MergePlanReader) throws -> PlannedEntry? {
        while let entry = try reader.next() { if entry.target != target { return entry } }
        return nil
    }
}

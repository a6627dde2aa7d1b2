import LMDB
import Snapshots
import Support
import Synchronization

/// Finds what the application has changed since the last capture by comparing pages.
///
/// It pins a transaction in which the application's DBIs and their shadows agree, and compares the pages of the newest one with it.
/// An entry can differ from its version in the shadow only if one of the two has changed since, so shadows are compared as well:
/// merges and sweeps change them, and the application may turn an entry back to what it was before. Every entry found is looked up
/// in both. Where the comparison is impossible, everything is compared.
///
/// ``plan(_:signal:)`` and ``advance(to:)`` block, and are called by one thread at a time, outside of any transaction.
/// ``check()``, ``distrust()`` and ``state`` may be called by others meanwhile, and never wait for them.
package final class CaptureTracker: Sendable {
    private typealias Fallback = ChangeTracker.Fallback

    /// What is pinned.
    package struct State: Sendable, Equatable {
        /// The pinned transaction.
        package var transaction: UInt64?
        /// The transactions since then.
        package var age: UInt64 = 0
        /// Whether a comparison of pages was wrong, after which there are no more.
        package var isBroken = false
    }

    private struct Shared: ~Copyable, Sendable {
        /// Nil during a comparison.
        var base: DiffBase?
        /// The pinned transaction, during a comparison as well.
        var state = State()
        var isComparing = false
        /// Why nothing is pinned.
        var reason = Fallback.start
        var comparisonsUntilProof = 0
    }

    private let environment: Environment
    private let compare: ChangeTracker.Comparison
    private let shared = Mutex(Shared())

    /// - Parameter environment: the LMDB.
    package convenience init(_ environment: Environment) {
        self.init(environment) { try PageDiff.run(from: &$0, to: &$1, includes: $2, $3) }
    }

    /// The same with another comparison, for tests.
    init(_ environment: Environment, compare: @escaping ChangeTracker.Comparison) {
        (self.environment, self.compare) = (environment, compare)
    }

    /// What is pinned. Never blocks.
    package var state: State {
        let last = environment.info.lastTransactionID
        var state = shared.withLock { $0.state }
        if let transaction = state.transaction, last > transaction { state.age = last - transaction }
        return state
    }

    // MARK: What is pinned

    /// Pins a transaction in which the application's DBIs and their shadows agree, if it is the newest one. Otherwise the pinned one
    /// stays, which is as good, but older.
    func advance(to transaction: UInt64) {
        let state = shared.withLock { $0.state }
        guard !state.isBroken, state.transaction != transaction, environment.info.lastTransactionID == transaction
        else { return }
        if PinRules.isMapNearlyFull(environment, pinned: transaction) { return giveUp(.mapNearlyFull) }
        // Without it everything is compared, or more than necessary. If it recurs, the next comparison says so.
        guard let base = try? DiffBase(environment), base.reader.id == transaction else { return }
        put(base)
    }

    /// Gives up what costs too much; see ``PinRules``. To be called once a second.
    package func check() {
        let info = environment.info
        // A comparison is short, and moves it on.
        guard let pinned = shared.withLock({ $0.isComparing ? nil : $0.state.transaction }) else { return }
        if PinRules.isOld(pinned, info) {
            giveUp(.tooManyTransactions, of: pinned)
        } else if PinRules.isMapNearlyFull(environment, pinned: pinned) {
            giveUp(.mapNearlyFull, of: pinned)
        }
    }

    /// Compares no more pages: a comparison was wrong.
    package func distrust() {
        shared.withLock { ($0.state.isBroken, $0.reason) = (true, .broken) }
        // A comparison gives it up at its end.
        giveUp(.broken)
    }

    /// - Parameter transaction: nothing is given up if another one is pinned; nil for any.
    private func giveUp(_ reason: ChangeTracker.Fallback, of transaction: UInt64? = nil) {
        // Ends after the lock is released.
        _ = shared.withLock { shared -> DiffBase? in
            guard !shared.isComparing, transaction == nil || shared.state.transaction == transaction else { return nil }
            shared.reason = reason
            shared.state.transaction = nil
            return shared.base.take()
        }
    }

    private func put(_ base: consuming DiffBase) {
        var new: DiffBase? = consume base
        // The one before ends after the lock is released.
        _ = shared.withLock { shared -> DiffBase? in
            let old = shared.base.take()
            shared.state.transaction = new.withValue { $0.reader.id }
            shared.base = new.take()
            return old
        }
    }

    private func take() -> DiffBase? {
        shared.withLock { shared in
            shared.isComparing = true
            return shared.base.take()
        }
    }

    /// Ends a comparison.
    ///
    /// - Parameter reason: why the pinned transaction is given up; nil to keep it.
    private func putBack(_ base: inout DiffBase?, _ reason: ChangeTracker.Fallback?) {
        let isBroken = shared.withLock { $0.state.isBroken }
        if reason != nil || isBroken { base = nil }
        let transaction = base.withValue { $0.reader.id }
        shared.withLock { shared in
            shared.isComparing = false
            if let reason { shared.reason = reason }
            shared.state.transaction = transaction
            shared.base = base.take()
        }
    }

    // MARK: Comparing

    /// Compares the application's DBIs with their shadows, in the newest transaction.
    ///
    /// - Throws: as ``ShadowDiff/run(_:schema:signal:)``.
    func plan(
        _ schema: Schema, signal: CancellationSignal
    ) throws -> (plan: CapturePlan, comparison: Capture.Comparison) {
        var comparison = Capture.Comparison()
        if let plan = try comparePages(schema, &comparison, signal) { return (plan, comparison) }
        let plan = try environment.read { try ShadowDiff.run($0, schema: schema, signal: signal) }
        return (plan, comparison)
    }

    /// - Returns: nil if everything has to be compared.
    private func comparePages(
        _ schema: Schema, _ comparison: inout Capture.Comparison, _ signal: CancellationSignal
    ) throws -> CapturePlan? {
        var base = take()
        guard base != nil else {
            putBack(&base, nil)
            comparison.fallback = shared.withLock { $0.reason }
            return nil
        }
        do {
            var later = try DiffBase(environment)
            let plan = try base.withValue { try compare(&$0, &later, schema, &comparison, signal) }
            if comparison.proof?.isSound == false { distrust() }
            if let plan, plan.isEmpty { base = consume later }
            putBack(&base, nil)
            return plan
        } catch {
            let fallback = Fallback.of(error)
            putBack(&base, fallback?.reason)
            guard let fallback else { throw error }
            comparison = Capture.Comparison(fallback: fallback.reason, cause: fallback.cause)
            return nil
        }
    }

    private func compare(
        _ base: inout DiffBase, _ later: inout DiffBase, _ schema: Schema, _ comparison: inout Capture.Comparison,
        _ signal: CancellationSignal
    ) throws -> CapturePlan {
        var writer = CaptureChanges.Writer(signal: signal)
        let outcome = try compare(&base, &later, CaptureChanges.Writer.includes) { try writer.add($0) }
        let changes = try writer.finish(uncompared: outcome.uncompared)
        let plan = try base.reader.read(beside: &later.reader) { old, new in
            try ShadowDiff.run(new, since: old, changes, schema: schema, signal: signal)
        }
        comparison.pages = outcome.pages
        guard outcome.pages > 0, isProofDue() else { return plan }
        let whole = try later.reader.read { try ShadowDiff.run($0, schema: schema, signal: signal) }
        let isSound = try plan.isSame(as: whole)
        shared.withLock { $0.comparisonsUntilProof = PinRules.comparisonsBetweenProofs }
        comparison.proof = ChangeTracker.Proof(
            earlier: base.reader.id, later: later.reader.id, found: plan.count, expected: whole.count, isSound: isSound)
        return whole
    }

    /// Counts a comparison.
    private func isProofDue() -> Bool {
        shared.withLock { shared in
            defer { shared.comparisonsUntilProof -= 1 }
            return shared.comparisonsUntilProof <= 0
        }
    }
}

extension CapturePlan {
    /// Whether another plan of the same transaction writes the same.
    fileprivate func isSame(as other: CapturePlan) throws -> Bool {
        guard count == other.count, targets == other.targets, dropped == other.dropped else { return false }
        return try sum() == other.sum()
    }

    /// A hash of the keys in any order.
    private func sum() throws -> Int {
        var reader = MergePlanReader(keys)
        var sum = 0
        while let entry = try reader.next() {
            var hasher = Hasher()
            hasher.combine(entry.target)
            hasher.combine(bytes: entry.key)
            sum &+= hasher.finalize()
        }
        return sum
    }
}

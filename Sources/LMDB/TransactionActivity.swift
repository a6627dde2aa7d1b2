import Synchronization

/// Shows an observer that polls it whether the transactions of an environment make progress.
package struct TransactionActivity: Sendable, Equatable {
    /// Whether a transaction is open or about to begin.
    package var isBusy: Bool
    /// Whether a write transaction waits for the lock, held by another process.
    package var waitsForLock: Bool
    /// Number of completed waits for the lock: distinguishes consecutive waits, whatever other transactions do.
    package var endedWaits: Int
    /// Grows when a transaction begins or ends, and with the entries passed by cursors.
    package var steps: Int

    /// See the properties of the same names.
    package init(isBusy: Bool = false, waitsForLock: Bool = false, endedWaits: Int = 0, steps: Int = 0) {
        self.isBusy = isBusy
        self.waitsForLock = waitsForLock
        self.endedWaits = endedWaits
        self.steps = steps
    }
}

/// The counters of ``TransactionActivity``. Each is consistent by itself, which is enough.
@usableFromInline
final class ActivityCounter: Sendable {
    private let transactions = Atomic(0)
    private let lockWaits = Atomic(0)
    private let endedWaits = Atomic(0)
    private let steps = Atomic(0)

    var activity: TransactionActivity {
        TransactionActivity(
            isBusy: transactions.load(ordering: .relaxed) > 0, waitsForLock: lockWaits.load(ordering: .relaxed) > 0,
            endedWaits: endedWaits.load(ordering: .relaxed), steps: steps.load(ordering: .relaxed))
    }

    @usableFromInline
    func step() { steps.wrappingAdd(1, ordering: .relaxed) }

    /// A transaction is about to begin, or has ended.
    func turn(begins: Bool) {
        transactions.wrappingAdd(begins ? 1 : -1, ordering: .relaxed)
        step()
    }

    /// Calls `body`, which waits for the write lock.
    func waitingForLock<R>(_ body: () -> R) -> R {
        lockWaits.wrappingAdd(1, ordering: .relaxed)
        defer {
            lockWaits.wrappingAdd(-1, ordering: .relaxed)
            endedWaits.wrappingAdd(1, ordering: .relaxed)
            step()
        }
        return body()
    }
}

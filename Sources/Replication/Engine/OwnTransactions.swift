import Synchronization

/// The transactions of this syncer, noted before they are committed: whoever sees one in the LMDB finds it here.
///
/// A send may begin to read, and a change of the file may be noticed, before the loop hears that a merge has ended.
final class OwnTransactions: Sendable {
    private let state = Mutex(LocalChanges())

    /// What is to be known of local changes; to be asked for within the transaction that reads them.
    var changes: LocalChanges { state.withLock { $0 } }

    /// Whether a transaction is known to be one of ours.
    func contains(_ transaction: UInt64) -> Bool { state.withLock { $0.isOwn(transaction) } }

    /// A snapshot of everything up to this transaction has been stored.
    func sent(through transaction: UInt64) { state.withLock { $0.sent(through: transaction) } }

    /// Calls `body`, which writes, and calls its argument with the transaction before it commits.
    func noting<R>(_ body: (_ willCommit: (UInt64) -> Void) throws -> R) rethrows -> R {
        var noted: UInt64?
        do {
            return try body { transaction in
                noted = transaction
                state.withLock { $0.note(own: transaction) }
            }
        } catch {
            // Another one gets its ID.
            if let noted { state.withLock { $0.forget(own: noted) } }
            throw error
        }
    }
}

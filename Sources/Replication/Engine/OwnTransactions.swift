import Synchronization

/// The transactions of this syncer, recorded before they are committed, so that none is taken for the application's.
///
/// A send may begin to read, or a change of the file may be detected, before the loop handles the end of a merge.
final class OwnTransactions: Sendable {
    private let state = Mutex(LocalChanges())

    /// The state of local changes; to be read within the transaction that reads them.
    var changes: LocalChanges { state.withLock { $0 } }

    /// Whether a transaction is known to be our own.
    func contains(_ transaction: UInt64) -> Bool { state.withLock { $0.isOwn(transaction) } }

    /// Reports that a snapshot of everything up to this transaction is stored.
    func sent(through transaction: UInt64) { state.withLock { $0.sent(through: transaction) } }

    /// Calls `body`, which writes, and which calls its argument with the transaction before it commits.
    ///
    /// - Parameter isSentByOthers: whether what it writes need not be sent from here.
    func noting<R>(
        isSentByOthers: Bool = true, _ body: (_ willCommit: (UInt64) -> Void) throws -> R
    ) rethrows -> R {
        var noted: UInt64?
        do {
            let result = try body { transaction in
                noted = transaction
                state.withLock { $0.note(own: transaction, isSentByOthers: isSentByOthers) }
            }
            if noted != nil { state.withLock { $0.confirm() } }
            return result
        } catch {
            // Another transaction gets its ID.
            if let noted { state.withLock { $0.forget(own: noted) } }
            throw error
        }
    }
}

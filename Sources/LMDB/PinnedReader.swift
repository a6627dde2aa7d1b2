import Synchronization

/// A read transaction that stays open beyond a closure.
///
/// Its pages, including those that later transactions replace, stay unchanged until it ends: with ``release()``, or with
/// the value. This delays the reuse of a few pages for each transaction that is written meanwhile.
///
/// liblmdb allows neither to resize the map nor to close the handle of a database during a transaction. A pinned reader blocks
/// neither: it is ended first. Another process may also take its slot in the reader table if it considers this
/// process dead (a process in another PID namespace with an old liblmdb). In each case ``loss`` has the reason, every read throws
/// it from then on, and data read under the pin are valid only if the read did not throw.
///
/// It keeps its environment open. Like a transaction it blocks: use it on a blocking thread, and not within another
/// transaction of the environment.
package struct PinnedReader: ~Copyable, Sendable {
    /// The reason why a pinned reader cannot be read any more.
    package enum Loss: Error, Sendable, Hashable {
        /// This process resizes its map.
        case mapResized
        /// A database was dropped, or recreated by another process, and its handle closed.
        case handleClosed
        /// The reader table does not contain its slot: the pages of its view may have been reused. Also if there is no reader
        /// table, because the LMDB is read without a lock file.
        case slotTaken
        /// The data file was replaced, or overwritten by an older copy.
        case fileReplaced
    }

    /// The newest transaction that it sees.
    package var id: UInt64 { pinned.id }
    private let environment: Environment
    private let pinned: PinnedTransaction

    init(_ pinned: PinnedTransaction, _ environment: Environment) {
        self.pinned = pinned
        self.environment = environment
    }

    deinit { environment.unpin(pinned) }

    /// Ends it.
    package consuming func release() {}

    /// Why it cannot be read any more, nil if it can; checks the reader table and the file. Never waits.
    package var loss: Loss? { pinned.loss }

    /// Reads through it. Nothing that `body` got from the transaction may be used after it, including cursors.
    ///
    /// - Throws: ``Loss`` if it cannot be read any more, whatever `body` returned or threw; otherwise errors of `body`.
    package mutating func read<R>(_ body: (borrowing ReadTransaction) throws -> R) throws -> R {
        environment.beginPinnedRead()
        defer { environment.endPinnedRead() }
        return try pinned.read(body)
    }

    /// Reads through it and through a later one of the same environment, to compare the two.
    ///
    /// - Throws: ``Loss`` if either cannot be read any more; otherwise errors of `body`.
    package mutating func read<R>(
        beside later: inout PinnedReader, _ body: (borrowing ReadTransaction, borrowing ReadTransaction) throws -> R
    ) throws -> R {
        precondition(later.environment === environment, "pinned readers of two environments")
        // One shared access for both: a second one could wait for a thread that waits for the first.
        environment.beginPinnedRead()
        defer { environment.endPinnedRead() }
        let other = later.pinned
        return try pinned.read { transaction in try other.read { try body(transaction, $0) } }
    }
}

/// The transaction of a ``PinnedReader``, which its environment can end.
// Sendable because a read has shared access, and only the owner, who reads or ends it, may end it without
// exclusive access. The lock is for owner and environment ending it at the same time.
final class PinnedTransaction: @unchecked Sendable {
    let id: UInt64
    private let environment: Environment
    /// Nil once it has ended.
    private var transaction: ReadTransaction?
    private let known = Mutex<PinnedReader.Loss?>(nil)

    init(_ transaction: consuming ReadTransaction) {
        id = transaction.id
        environment = transaction.environment
        self.transaction = .some(transaction)
    }

    /// For a thread with shared access.
    func read<R>(_ body: (borrowing ReadTransaction) throws -> R) throws -> R {
        if let loss { throw loss }
        let result = Result { try withTransaction(body) }
        // Without the slot the pages may have been reused.
        if let loss { throw loss }
        return try result.get()
    }

    private func withTransaction<R>(_ body: (borrowing ReadTransaction) throws -> R) throws -> R {
        switch transaction {
        case .some(let open): return try body(open)
        case .none: throw PinnedReader.Loss.handleClosed
        }
    }

    /// Why it cannot be read any more. For the owner.
    var loss: PinnedReader.Loss? {
        if let loss = known.withLock(\.self) { return loss }
        guard environment.isInPlace && environment.info.lastTransactionID >= id else { return end(.fileReplaced) }
        // A later transaction can have this ID only if nothing was written in between.
        guard environment.hasReader(at: id) else { return end(.slotTaken) }
        return nil
    }

    /// Ends the transaction, unless it has ended.
    ///
    /// - Returns: the reason why it ended.
    @discardableResult
    func end(_ loss: PinnedReader.Loss?) -> PinnedReader.Loss? {
        known.withLock { known in
            guard let transaction = transaction.take() else { return known }
            known = loss
            // liblmdb would free the slot, although it may belong to another process.
            if loss == .slotTaken { transaction.core.abandon() }
            return loss
        }
    }
}

extension Environment {
    /// Begins a read transaction that stays open: one consistent view, whose pages are not reused.
    ///
    /// - Throws: as ``read(_:)``; ``PinnedReader/Loss/slotTaken`` if there is no reader table.
    package func pin() throws -> PinnedReader {
        let pinned = try begin { transaction in
            let pinned = PinnedTransaction(transaction)
            pins.withLock { $0.append(pinned) }
            return pinned
        }
        let reader = PinnedReader(pinned, self)
        if let loss = reader.loss { throw loss }
        return reader
    }

    fileprivate func unpin(_ pinned: PinnedTransaction) {
        pinned.end(nil)
        pins.withLock { $0.removeAll { $0 === pinned } }
    }

    fileprivate func beginPinnedRead() {
        counter.turn(begins: true)
        turns.beginShared()
    }

    fileprivate func endPinnedRead() {
        turns.endShared()
        counter.turn(begins: false)
    }

    /// Calls `body` while no other transaction of this process runs; pinned readers are ended first.
    func withoutTransactions<R, E: Error>(_ loss: PinnedReader.Loss, _ body: () throws(E) -> R) throws(E) -> R {
        turns.beginExclusive()
        defer { turns.endExclusive() }
        for pinned in pins.withLock(\.self) { pinned.end(loss) }
        return try body()
    }
}

import Synchronization

/// A read transaction that stays open beyond a closure.
///
/// Its pages, and those that later transactions have replaced, stay as they are until it ends: with ``release()``, or when
/// the value goes. It costs the reuse of a few pages for each transaction that is written meanwhile.
///
/// liblmdb lets neither the map be resized nor the handle of a database be closed beside a transaction. A pinned reader holds
/// neither up: it is given up first. Another process may take its slot in the reader table away, too, where it takes this
/// process for dead (one in another PID namespace with an old liblmdb). In each case ``loss`` says why, every read throws
/// that from then on, and what has been read under the pin counts only if the read did not throw.
///
/// It keeps its environment open. Like a transaction it blocks: use it on a thread that may wait, and not within another
/// transaction of the environment.
package struct PinnedReader: ~Copyable, Sendable {
    /// Why a pinned reader can't be read any more.
    package enum Loss: Error, Sendable, Hashable {
        /// This process resizes its map.
        case mapResized
        /// A database was dropped, or created again by another process, and its handle closed.
        case handleClosed
        /// The reader table does not show its slot: the pages of its view may have been used again. Also where there is no reader
        /// table, because the LMDB is read without a lock file.
        case slotTaken
        /// The data file was replaced, or an older one copied over it.
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

    /// Why it can't be read any more, nil while it can; looks at the reader table and at the file. Never waits.
    package var loss: Loss? { pinned.loss }

    /// Reads through it. Nothing that `body` got from the transaction may be used after it, cursors included.
    ///
    /// - Throws: ``Loss`` when it can't be read any more, whatever `body` returned or threw; otherwise what `body` throws.
    package mutating func read<R>(_ body: (borrowing ReadTransaction) throws -> R) throws -> R {
        environment.beginPinnedRead()
        defer { environment.endPinnedRead() }
        return try pinned.read(body)
    }

    /// Reads through it and through a later one of the same environment, to compare the two.
    ///
    /// - Throws: ``Loss`` when either can't be read any more; otherwise what `body` throws.
    package mutating func read<R>(
        beside later: inout PinnedReader, _ body: (borrowing ReadTransaction, borrowing ReadTransaction) throws -> R
    ) throws -> R {
        precondition(later.environment === environment, "pinned readers of two environments")
        // One share of the access for both: a second one could wait for somebody who waits for the first.
        environment.beginPinnedRead()
        defer { environment.endPinnedRead() }
        let other = later.pinned
        return try pinned.read { transaction in try other.read { try body(transaction, $0) } }
    }
}

/// The transaction of a ``PinnedReader``, which its environment can end.
// Sendable because a read has a share of the access, and nobody but the owner, who reads or ends it, ends it without
// exclusive access. The lock is for the owner and the environment that end it at the same time.
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

    /// For who has a share of the access.
    func read<R>(_ body: (borrowing ReadTransaction) throws -> R) throws -> R {
        if let loss { throw loss }
        let result = Result { try withTransaction(body) }
        // Without the slot anything may have been read.
        if let loss { throw loss }
        return try result.get()
    }

    private func withTransaction<R>(_ body: (borrowing ReadTransaction) throws -> R) throws -> R {
        switch transaction {
        case .some(let open): return try body(open)
        case .none: throw PinnedReader.Loss.handleClosed
        }
    }

    /// Why it can't be read any more. For the owner.
    var loss: PinnedReader.Loss? {
        if let loss = known.withLock(\.self) { return loss }
        guard environment.isInPlace && environment.info.lastTransactionID >= id else { return end(.fileReplaced) }
        // A transaction that began later can't stand there unless nobody has written in between.
        guard environment.hasReader(at: id) else { return end(.slotTaken) }
        return nil
    }

    /// Ends the transaction, unless it has ended.
    ///
    /// - Returns: why it has.
    @discardableResult
    func end(_ loss: PinnedReader.Loss?) -> PinnedReader.Loss? {
        known.withLock { known in
            guard let transaction = transaction.take() else { return known }
            known = loss
            // liblmdb would free the slot, whoever has it now.
            if loss == .slotTaken { transaction.core.abandon() }
            return loss
        }
    }
}

extension Environment {
    /// Begins a read transaction that stays open: one consistent view, and all pages of it stay.
    ///
    /// - Throws: as ``read(_:)``; ``PinnedReader/Loss/slotTaken`` where there is no reader table.
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

    /// Calls `body` while no other transaction of this process runs; pinned readers are given up first.
    func withoutTransactions<R, E: Error>(_ loss: PinnedReader.Loss, _ body: () throws(E) -> R) throws(E) -> R {
        turns.beginExclusive()
        defer { turns.endExclusive() }
        for pinned in pins.withLock(\.self) { pinned.end(loss) }
        return try body()
    }
}

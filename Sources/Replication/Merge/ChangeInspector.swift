import LMDB
import Snapshots

/// Looks into what merges and sends change, for those who know what the entries mean. It may refuse snapshots.
///
/// It is asked once for each merge and each send, and then told of each entry that changes: entries that don't change
/// cost nothing.
package protocol ChangeInspector: Sendable {
    /// A snapshot is about to be compared with a database.
    ///
    /// - Returns: who looks at this merge; nil for nobody.
    func inspectMerge(of snapshot: SnapshotName, into database: String) -> (any MergeInspection)?

    /// A database is about to be read for a snapshot.
    ///
    /// - Returns: who looks at this send; nil for nobody.
    func inspectSend(of database: String) -> (any SendInspection)?
}

/// Looks at one merge. Called by one thread at a time: bytes are valid during the call only, and the sooner a call
/// returns the sooner the merge goes on.
package protocol MergeInspection: AnyObject, Sendable {
    /// The comparison begins. It may have to be made again: then this is called again, and what was told before does
    /// not count.
    ///
    /// - Parameter transaction: the one that the snapshot is compared in.
    /// - Throws: to have the snapshot tried again.
    func begins(_ transaction: borrowing ReadTransaction) throws

    /// An entry of the snapshot is going to replace the local one, or to be added.
    ///
    /// Called under a read transaction; the write lock is not held. What is wrong with the snapshot as a whole may not be
    /// known yet.
    ///
    /// - Parameters:
    ///   - old: the local version; nil when there is none.
    ///   - new: the snapshot's.
    /// - Returns: whether it may.
    /// - Throws: ``RefusedSnapshot`` to have the snapshot refused.
    func change(
        of key: UnsafeRawBufferPointer, in dbi: String, from old: MergeRule.Version?, to new: MergeRule.Version
    ) throws(RefusedSnapshot) -> ChangeVerdict

    /// All changes have been told, and the snapshot has been checked to its end.
    ///
    /// - Parameter transaction: the one that it was compared in.
    /// - Throws: ``RefusedSnapshot`` to have the snapshot refused, ``CompareAgain`` to have all changes told once more;
    ///   anything else to have it tried again.
    func check(_ transaction: borrowing ReadTransaction) throws

    /// The snapshot is refused. Called when no transaction is open any more, so there is time to look around.
    ///
    /// - Returns: the refusal as it is to be told.
    func refused(_ refusal: RefusedSnapshot) -> RefusedSnapshot

    /// The merge has been made. Called when no transaction is open any more, before ``ended(_:)``.
    ///
    /// - Returns: what was held back; nil when nothing was.
    func heldBack() -> HeldEntries?

    /// An entry that had been told of as a change has not been written: the application has changed it meanwhile.
    func lost(_ key: UnsafeRawBufferPointer, in dbi: String)

    /// The merge has ended.
    ///
    /// - Parameter report: nil when nothing has been written, because it failed or was refused.
    func ended(_ report: MergeReport?)
}

/// What becomes of an entry of a snapshot that would replace the local one, or be added.
package enum ChangeVerdict: Sendable {
    /// It is merged.
    case merge
    /// It is left out: the local one stays, and the next snapshot is compared with that.
    case hold
}

/// What a merge has left out, so that this snapshot is not merged as a whole.
package struct HeldEntries: Sendable, Equatable {
    /// How many entries.
    package var count: Int
    /// One line about the first of them: which it is, and why.
    package var first: String

    /// See the properties of the same names.
    package init(count: Int, first: String) {
        self.count = count
        self.first = first
    }
}

/// A look at a merge has found out what it should have known from the beginning. Thrown at most once by each.
package struct CompareAgain: Error {
    /// The request.
    package init() {}
}

/// Looks at one send. Called by one thread at a time.
package protocol SendInspection: AnyObject, Sendable {
    /// The database begins to be read.
    ///
    /// - Parameter transaction: the one that it is read in.
    /// - Throws: to have the send tried again.
    func begins(_ transaction: borrowing ReadTransaction) throws

    /// The application has written this entry since the last send. Bytes are valid during the call only.
    func change(of key: UnsafeRawBufferPointer, in dbi: String, to new: MergeRule.Version)

    /// The send has ended.
    ///
    /// - Parameter report: nil when nothing has been stored; another send follows then, and tells of the same changes.
    func ended(_ report: SendReport?)
}

/// Which entries of a database have been written by others than this syncer since its last send: the header of each tells
/// the transaction.
package struct LocalChanges: Sendable {
    /// More transactions of our own than this are not remembered.
    private static let mostOwn = 65_536

    /// Everything up to this transaction is sent; nil when that is not known.
    private(set) var sentThrough: UInt64?
    /// Transactions of our own since then.
    private var own: Set<UInt64> = []

    /// Nothing is known.
    package init() {}

    /// A transaction of our own is about to be committed, or has been.
    mutating func note(own transaction: UInt64) {
        own.insert(transaction)
        // What can't be told apart is not told at all.
        if own.count > Self.mostOwn { self = LocalChanges() }
    }

    /// It could not be committed.
    mutating func forget(own transaction: UInt64) { own.remove(transaction) }

    /// Whether a transaction is known to be one of ours.
    func isOwn(_ transaction: UInt64) -> Bool { own.contains(transaction) }

    /// A snapshot of everything up to this transaction has been stored.
    mutating func sent(through transaction: UInt64) {
        sentThrough = transaction
        own = own.filter { $0 > transaction }
    }

    /// Whether an entry with this transaction in its header is a local change.
    func contains(_ transaction: UInt64) -> Bool {
        guard let sentThrough, transaction > sentThrough else { return false }
        return !own.contains(transaction)
    }
}

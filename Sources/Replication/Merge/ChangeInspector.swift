import LMDB
import Snapshots

/// Inspects the entries that merges and sends change, with knowledge of their contents. It may reject snapshots.
///
/// Called once for each merge and each send; the returned inspection is called for each changed entry. Unchanged
/// entries cost nothing.
package protocol ChangeInspector: Sendable {
    /// Called before a snapshot is compared with a database.
    ///
    /// - Returns: the inspection of this merge; nil for none.
    func inspectMerge(of snapshot: SnapshotName, into database: String) -> (any MergeInspection)?

    /// Called before a database is read for a snapshot.
    ///
    /// - Returns: the inspection of this send; nil for none.
    func inspectSend(of database: String) -> (any SendInspection)?
}

/// Inspects one merge. Called by one thread at a time. Bytes are valid during the call only. Calls delay the merge.
package protocol MergeInspection: AnyObject, Sendable {
    /// The comparison begins. May be called again if the comparison has to be repeated; discard the changes reported
    /// before.
    ///
    /// - Parameter transaction: the transaction of the comparison.
    /// - Throws: to have the snapshot retried.
    func begins(_ transaction: borrowing ReadTransaction) throws

    /// An entry of the snapshot is about to replace the local one, or to be added.
    ///
    /// Called in a read transaction, without the write lock. The snapshot may still turn out to be invalid as a whole.
    ///
    /// - Parameters:
    ///   - old: the local version; nil if there is none.
    ///   - new: the version in the snapshot.
    /// - Returns: whether to merge the entry.
    /// - Throws: ``RefusedSnapshot`` to reject the snapshot.
    func change(
        of key: UnsafeRawBufferPointer, in dbi: String, from old: MergeRule.Version?, to new: MergeRule.Version
    ) throws(RefusedSnapshot) -> ChangeVerdict

    /// All changes are reported, and the whole snapshot is checked.
    ///
    /// - Parameter transaction: the transaction of the comparison.
    /// - Throws: ``RefusedSnapshot`` to reject the snapshot, ``CompareAgain`` to have all changes reported again; any
    ///   other error to have it retried.
    func check(_ transaction: borrowing ReadTransaction) throws

    /// Whether the verdict on the snapshot, after ``check(_:)``, rests on nothing but the reported changes. Then it may be written with
    /// others that were compared before it, whose entries the transaction of the comparison did not have. Otherwise it is compared
    /// again after they are written.
    var isSelfContained: Bool { get }

    /// The snapshot is rejected. Called without an open transaction, so it may take time.
    ///
    /// - Returns: the error to report.
    func refused(_ refusal: RefusedSnapshot) -> RefusedSnapshot

    /// The merge has succeeded. Called without an open transaction, before ``ended(_:)``.
    ///
    /// - Returns: the held entries; nil if there are none.
    func heldBack() -> HeldEntries?

    /// A reported change was not written, because the application has changed the entry since.
    func lost(_ key: UnsafeRawBufferPointer, in dbi: String)

    /// The merge has ended.
    ///
    /// - Parameter report: nil if nothing was written, because the merge failed or was rejected.
    func ended(_ report: MergeReport?)
}

/// The verdict on an entry of a snapshot that would replace the local one, or be added.
package enum ChangeVerdict: Sendable {
    /// Merge the entry.
    case merge
    /// Omit the entry. The local one stays, and is compared with the next snapshot.
    case hold
}

/// Entries omitted from a merge, so that the snapshot does not count as merged as a whole.
package struct HeldEntries: Sendable, Equatable {
    /// The number of entries.
    package var count: Int
    /// One line about the first of them: name and reason.
    package var first: String

    /// See the properties of the same names.
    package init(count: Int, first: String) {
        self.count = count
        self.first = first
    }
}

/// An inspection has found something that it must consider from the beginning. Thrown at most once per inspection.
package struct CompareAgain: Error {
    /// A request for another comparison.
    package init() {}
}

/// Inspects one send. Called by one thread at a time.
package protocol SendInspection: AnyObject, Sendable {
    /// Reading the database begins. May be called again if a comparison of pages fails and everything is read instead; discard
    /// the changes reported before.
    ///
    /// - Parameter transaction: the transaction of the send.
    /// - Throws: to have the send retried.
    func begins(_ transaction: borrowing ReadTransaction) throws

    /// The application has written this entry since the last send. Everything is read, so what it has replaced is unknown. Bytes
    /// are valid during the call only.
    ///
    /// Between two calls of ``begins(_:)`` all changes are reported by this function, or all by
    /// ``change(of:in:from:to:)``.
    func change(of key: UnsafeRawBufferPointer, in dbi: String, to new: MergeRule.Version)

    /// The application has changed or removed this entry since the last comparison of pages. Bytes are valid during the call only.
    ///
    /// Each comparison reports what it has found itself, whether what earlier ones have found is stored or not.
    ///
    /// - Parameters:
    ///   - old: the version of the last comparison; nil if there was none.
    ///   - new: the version of this one; nil if the application has removed the entry without marking it as Deleted.
    func change(
        of key: UnsafeRawBufferPointer, in dbi: String, from old: MergeRule.Version?, to new: MergeRule.Version?)

    /// The send has ended.
    ///
    /// - Parameter report: nil if nothing was stored, and the next send reports the same changes again. What a comparison of pages
    ///   has found is not reported again: this is called when a later send has stored it.
    func ended(_ report: SendReport?)
}

/// Determines which entries of a database the application has written since the last send, from the transaction in the
/// header of each.
package struct LocalChanges: Sendable {
    /// The number of our own transactions that are remembered.
    private static let mostOwn = 65_536

    /// The newest sent transaction; nil if unknown.
    private(set) var sentThrough: UInt64?
    /// Our own transactions since then.
    private var own: Set<UInt64> = []
    /// Those of them whose entries nobody else sends.
    private var unsent: Set<UInt64> = []
    /// The one that may still fail to commit: the next transaction, of another program perhaps, would get its ID.
    private var pending: UInt64?

    /// Local changes are unknown.
    package init() {}

    /// Reports a transaction of our own, before or after its commit.
    ///
    /// - Parameter isSentByOthers: whether its entries need not be sent from here.
    mutating func note(own transaction: UInt64, isSentByOthers: Bool = true) {
        own.insert(transaction)
        if !isSentByOthers { unsent.insert(transaction) }
        pending = transaction
        // Beyond the limit local changes are unknown.
        if own.count > Self.mostOwn { self = LocalChanges() }
    }

    /// Reports that the transaction was not committed.
    mutating func forget(own transaction: UInt64) {
        own.remove(transaction)
        unsent.remove(transaction)
        pending = nil
    }

    /// Reports that the transaction noted last was committed.
    mutating func confirm() { pending = nil }

    /// Whether a transaction is known to be our own.
    func isOwn(_ transaction: UInt64) -> Bool { own.contains(transaction) }

    /// Whether a transaction is certainly our own: its entries need not be sent.
    func isMerge(_ transaction: UInt64) -> Bool {
        own.contains(transaction) && transaction != pending && !unsent.contains(transaction)
    }

    /// Reports that a snapshot of everything up to this transaction is stored.
    mutating func sent(through transaction: UInt64) {
        sentThrough = transaction
        own = own.filter { $0 > transaction }
        unsent.formIntersection(own)
    }

    /// Whether an entry with this transaction in its header is a local change.
    func contains(_ transaction: UInt64) -> Bool {
        guard let sentThrough, transaction > sentThrough else { return false }
        return !own.contains(transaction)
    }
}

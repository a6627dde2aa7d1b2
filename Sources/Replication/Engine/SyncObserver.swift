import LMDB
import Snapshots

/// Is told what a ``DatabaseSyncer`` does, for metrics, health checks and the status page.
package protocol SyncObserver: Sendable {
    /// Something happened. Called from any thread, often while others wait: it must not block.
    func observe(_ event: SyncEvent, of database: String)
}

/// What a ``DatabaseSyncer`` tells. Texts of errors are single lines without secrets.
package enum SyncEvent: Sendable {
    /// The LMDB is open, and stays so until ``ended``.
    case opened(Environment)
    /// The storage is being listed.
    case listStarted
    /// The storage was listed.
    case listed(Catalog)
    /// The storage could not be listed.
    case listFailed(String)
    /// A snapshot is being downloaded; `waited` is how long that was put off for others.
    case downloadStarted(SnapshotName, waited: Duration)
    /// It is here.
    case downloaded(SnapshotName, bytes: Int, time: Duration)
    /// It is not in the storage any more.
    case downloadVanished(SnapshotName, time: Duration)
    /// It could not be had, and is tried again.
    case downloadFailed(SnapshotName, String, time: Duration)
    /// How many snapshots wait for a download to end before theirs begins.
    case downloadsWaiting(Int)
    /// How many downloaded snapshots wait to be merged.
    case mergesWaiting(Int)
    /// A snapshot is being merged; `waited` is how long it lay here.
    case mergeStarted(SnapshotName, waited: Duration)
    /// It is merged.
    case merged(MergeReport)
    /// What has been merged here, and what of that is sent on, is this now.
    case progressed(SyncProgress)
    /// It could not be merged, and is tried again.
    case mergeFailed(SnapshotName, String, time: Duration)
    /// It must not be merged and is never tried again; so many entries had been read.
    case refused(SnapshotName, entries: Int, String, time: Duration)
    /// A snapshot of ours is being stored.
    case storing(SnapshotName, bytes: Int)
    /// It is stored.
    case stored(SendReport)
    /// A snapshot could not be read from the LMDB or stored, and is made anew.
    case sendFailed(String)
    /// So many sends have failed that the syncer ends.
    case sendingGivenUp(String)
    /// Everything up to this transaction is stored or was not ours to send; nil while a send is due or under way.
    case settled(transaction: UInt64?)
    /// A run of the sweeper ended.
    case swept(Sweep.Report)
    /// Nothing is sent because the database has been away for too long: one line that says why and what to do. Nil
    /// when that is over.
    case fenced(String?)
    /// Changes wait to be sent, and something keeps them from it that may pass: one line that says what. Nil when
    /// nothing does any more.
    case sendBlocked(String?)
    /// Some of what is in the storage can't be loaded, so that the database is not in sync any more and will be
    /// ``fenced(_:)`` if that lasts: one line that says since when and why. Nil when that is over.
    case notInSync(String?)
    /// Start-up is complete.
    case started
    /// Another host uses our name, as this snapshot shows, or not any more.
    case namesake(SnapshotName?)
    /// How far the clock of an instance is ahead, as its newest snapshot shows (zero when it is not), and whether
    /// that is more than is tolerated.
    case clockSkew(instance: String, ahead: Duration, exceeds: Bool)
    /// How far this host's clock is ahead of the storage's (negative when it is behind), and whether that is more than
    /// is tolerated.
    case ownClock(ahead: Duration, exceeds: Bool)
    /// The cleaner has listed the storage.
    case cleanerListed
    /// The cleaner could not list the storage.
    case cleanerListFailed(String)
    /// The cleaner has deleted a snapshot.
    case cleanerDeleted(SnapshotName, CleaningReason)
    /// The cleaner could not delete a snapshot, and tries it again with its next run.
    case cleanerDeleteFailed(SnapshotName, String)
    /// ``DatabaseSyncer/run()`` is about to return.
    case ended
}

/// How a merge went.
package struct MergeReport: Sendable {
    /// The snapshot.
    package var name: SnapshotName
    /// Its size in bytes.
    package var size: Int
    /// Entries that were written.
    package var written: Int
    /// Entries that changed nothing here.
    package var kept: Int
    /// What was left out; nil when nothing was. With something left out the snapshot does not count as merged where
    /// something is removed because it was.
    package var held: HeldEntries?
    /// The transaction that wrote, nil when none had to.
    package var transaction: UInt64?
    /// How old the written entries were when they became visible.
    package var ages: EntryAges
    /// How long the comparison took.
    package var compareTime: Duration
    /// How long the write lock was held; zero without a transaction.
    package var lockTime: Duration
    /// From the start of the comparison to the end.
    package var totalTime: Duration
}

/// How a send went.
package struct SendReport: Sendable {
    /// The snapshot.
    package var name: SnapshotName
    /// Its size in bytes.
    package var size: Int
    /// The entries in it.
    package var entries: Int
    /// The newest transaction in it.
    package var transaction: UInt64
    /// How long reading and compressing took.
    package var dumpTime: Duration
    /// How long storing took.
    package var storeTime: Duration
    /// From the start of reading to the end.
    package var totalTime: Duration
}

/// An observer that does nothing.
package struct NoObserver: SyncObserver {
    /// The observer.
    package init() {}
    /// Does nothing.
    package func observe(_ event: SyncEvent, of database: String) {}
}

import BlobStorage
import LMDB
import Snapshots

/// Observes a ``DatabaseSyncer``, for metrics, health checks and the status page.
package protocol SyncObserver: Sendable {
    /// Handles an event. Called from any thread, often while others wait: must not block.
    func observe(_ event: SyncEvent, of database: String)
}

/// An observable event of a ``DatabaseSyncer``. Error texts are single lines without secrets.
package enum SyncEvent: Sendable {
    /// The LMDB is open, and stays so until ``ended``.
    case opened(Environment)
    /// The storage is being listed.
    case listStarted
    /// A hint was received that an object of this database was stored.
    case hinted(HintSource)
    /// What a hint told of is merged, this long after the hint.
    case hintMerged(HintSource, after: Duration)
    /// By which way changes of others become known has changed.
    case hearing(Hearing)
    /// The storage was listed.
    case listed(Catalog)
    /// The storage could not be listed.
    case listFailed(String)
    /// A snapshot is being downloaded; `waited` is how long the download had to wait for others.
    case downloadStarted(SnapshotName, waited: Duration)
    /// It is downloaded.
    case downloaded(SnapshotName, bytes: Int, time: Duration)
    /// It is no longer in the storage.
    case downloadVanished(SnapshotName, time: Duration)
    /// Its download failed, and will be retried.
    case downloadFailed(SnapshotName, String, time: Duration)
    /// The number of snapshots that wait for other downloads to end.
    case downloadsWaiting(Int)
    /// The number of downloaded snapshots that wait to be merged.
    case mergesWaiting(Int)
    /// A snapshot is being merged; `waited` is how long it had to wait.
    case mergeStarted(SnapshotName, waited: Duration)
    /// It is merged.
    case merged(MergeReport)
    /// The progress has changed.
    case progressed(SyncProgress)
    /// Its merge failed, and will be retried.
    case mergeFailed(SnapshotName, String, time: Duration)
    /// It must not be merged and is never retried; with the number of entries read, nil if the storage does not let it be downloaded.
    case refused(SnapshotName, entries: Int?, String, time: Duration)
    /// A snapshot of our own is being stored.
    case storing(SnapshotName, bytes: Int)
    /// It is stored.
    case stored(SendReport)
    /// The application's DBIs were compared with their shadows by comparing pages.
    case compared(Capture.Comparison)
    /// A comparison of pages was compared with one of all entries.
    case proved(ChangeTracker.Proof)
    /// How many transactions were made since the oldest pinned one, which the next delta or capture is compared with; 0 if none is
    /// pinned.
    case pinned(age: UInt64)
    /// A snapshot could not be read from the LMDB or stored, and will be retried.
    case sendFailed(String)
    /// Too many sends have failed; the syncer ends.
    case sendingGivenUp(String)
    /// Every transaction up to this one is stored or was one of our own; nil while a send is due or in progress.
    case settled(transaction: UInt64?)
    /// A run of the sweeper ended.
    case swept(Sweep.Report)
    /// Sending is blocked after a long absence: one line with cause and remedy. Nil when that has ended.
    case fenced(String?)
    /// A temporary obstacle prevents sending local changes: one line that describes it. Nil when it has gone.
    case sendBlocked(String?)
    /// Some snapshots cannot be loaded, so that the database is out of sync, and will be ``fenced(_:)`` if that lasts:
    /// one line with time and cause. Nil when that has ended.
    case notInSync(String?)
    /// Start-up is complete.
    case started
    /// Another host uses our name, as shown by this snapshot; nil when that has ended.
    case namesake(SnapshotName?)
    /// How far the clock of an instance is ahead according to its newest snapshot (zero if it is not), and whether that
    /// exceeds the tolerance.
    case clockSkew(instance: String, ahead: Duration, exceeds: Bool)
    /// How far this host's clock is ahead of the storage's (negative if it is behind), and whether that exceeds the
    /// tolerance.
    case ownClock(ahead: Duration, exceeds: Bool)
    /// The cleaner has listed the storage.
    case cleanerListed
    /// The cleaner could not list the storage.
    case cleanerListFailed(String)
    /// The cleaner has deleted a snapshot.
    case cleanerDeleted(SnapshotName, CleaningReason)
    /// The cleaner could not delete a snapshot, and will retry with its next run.
    case cleanerDeleteFailed(SnapshotName, String)
    /// ``DatabaseSyncer/run()`` is about to return.
    case ended
}

/// The result of a merge.
package struct MergeReport: Sendable {
    /// The snapshot.
    package var name: SnapshotName
    /// The position at its end: the name of the full snapshot of that instant.
    package var position: SnapshotName
    /// Its size in bytes.
    package var size: Int
    /// The number of entries written.
    package var written: Int
    /// The number of entries that changed nothing.
    package var kept: Int
    /// Entries that were held; nil if there were none. A snapshot with held entries does not count as merged when
    /// others are removed because of it.
    package var held: HeldEntries?
    /// The write transaction; nil if none was necessary.
    package var transaction: UInt64?
    /// How old the written entries were when they became visible.
    package var ages: EntryAges
    /// How long the comparison took.
    package var compareTime: Duration
    /// How long the write lock was held; zero without a write transaction.
    package var lockTime: Duration
    /// From the start of the comparison to the end.
    package var totalTime: Duration
}

/// The result of a send.
package struct SendReport: Sendable {
    /// The snapshot.
    package var name: SnapshotName
    /// The position at its end: the name of the full snapshot of that instant.
    package var position: SnapshotName
    /// Its size in bytes.
    package var size: Int
    /// The number of entries in it.
    package var entries: Int
    /// The newest transaction in it.
    package var transaction: UInt64
    /// What the comparison of pages has found; nil if there was none.
    package var changes: ChangeTracker.Changes?
    /// Why it is a full snapshot and not a delta; nil if a full one was due.
    package var fallback: ChangeTracker.Fallback?
    /// How long reading and compressing took.
    package var dumpTime: Duration
    /// How long storing took.
    package var storeTime: Duration
    /// From the start of reading to the end of storing.
    package var totalTime: Duration
}

/// An observer that does nothing.
package struct NoObserver: SyncObserver {
    /// The observer.
    package init() {}
    /// Does nothing.
    package func observe(_ event: SyncEvent, of database: String) {}
}

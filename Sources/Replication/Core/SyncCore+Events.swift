import BlobStorage
import Logging
import Snapshots
import Support

extension SyncCore {
    /// An input of the core.
    package enum Event: Sendable {
        /// Time has passed.
        case tick
        /// Begin nothing new; ``Effect/end(_:)`` follows when all work in progress has ended.
        case shutDown
        /// An object of another instance may have appeared in the storage.
        case storageChanged
        /// The newest transaction of the LMDB, and whether it is known to be one of our own, which does not trigger a
        /// send.
        case observed(transaction: UInt64, isOurs: Bool)
        /// The LMDB is no longer usable.
        case lost(LocalContentError)
        /// Reader slots of dead processes have been freed.
        case freedReaders(Int)

        /// The storage was listed.
        case listed(Listing)
        /// It could not be listed.
        case listingFailed(String)
        /// The record in the LMDB was read.
        case foundRecord(SyncRecord)
        /// It could not be read.
        case recordNotRead(String)
        /// The size of the map in bytes, and whether it may grow without a change of the configuration.
        case measuredMap(SnapshotName, size: Int, grows: Bool)
        /// A snapshot was downloaded, with the time it took.
        case downloaded(SnapshotName, Spool, time: Duration)
        /// It could not be downloaded.
        case downloadFailed(SnapshotName, any Error, time: Duration)

        /// A snapshot was compared, and has entries to write.
        case compared(MergeInHand)
        /// It was merged.
        case merged(MergeInHand, MergeReport, newestTransaction: UInt64)
        /// It was not merged, and nothing of it was written.
        case mergeFailed(SnapshotName, MergeFailure)

        /// The application's changes were copied to the shadows, with the time it took.
        case captured(Capture.Outcome, time: Duration)
        /// They could not be copied.
        case captureFailed(any Error)
        /// The LMDB was read for a send.
        case scanned(Scan)
        /// It was read, and contains no DBI to send.
        case foundNothing(transaction: UInt64)
        /// It could not be read.
        case scanFailed(any Error)
        /// The snapshot was stored.
        case stored
        /// It could not be stored.
        case storeFailed(any Error)
        /// A slice of the sweeper ended.
        case swept(Sweep, transaction: UInt64?, lock: SweepLock?)
        /// A slice of the sweeper failed.
        case sweepFailed(any Error)
        /// The record was written.
        case recorded(SyncRecord, transaction: UInt64)
        /// It could not be written.
        case recordFailed(any Error)

        /// The storage was listed for the cleaner.
        case listedForCleaner(Listing)
        /// It could not be listed.
        case cleanerListingFailed(String)
        /// The objects of a removal are removed.
        case removed(CleanerMachine.Removal)
        /// Some of them could not be removed.
        case removalFailed(CleanerMachine.Removal, String)
        /// This many leftovers of interrupted writers were removed.
        case removedLeftovers(Int)
        /// They could not be removed.
        case leftoversFailed(String)
    }

    /// An output of the core. Work that takes time ends with an ``Event``; nothing blocks on it.
    package enum Effect: Sendable {
        /// List the database's objects, after reading the record in the LMDB if requested.
        case list(readsRecord: Bool)
        /// Measure the map, which was too small for the snapshot before.
        case measureMap(SnapshotName)
        /// Download a snapshot of at most this many bytes.
        case download(SnapshotName, atMost: Int)
        /// Compare a downloaded snapshot with the LMDB: the first half of a merge.
        case compare(MergeOrder)
        /// Write the result of the comparison: the second half of a merge. An outdated comparison is repeated first.
        case apply(MergeInHand, isOutdated: Bool)
        /// Copy the application's changes to the shadows.
        case capture
        /// Read the LMDB for a snapshot with at least this timestamp.
        case scan(floor: UInt64)
        /// Store the snapshot.
        case store(FullScan.Result)
        /// Run a slice of the sweeper, with the write lock held for this long before the commit.
        case sweep(Sweep, deletionTime: Duration)
        /// Write the record to the LMDB.
        case record(SyncRecord)
        /// List the storage for the cleaner.
        case listForCleaner
        /// Remove the objects of a snapshot.
        case remove(CleanerMachine.Removal)
        /// Remove leftovers of interrupted writers from the storage.
        case removeLeftovers

        /// Everything up to this transaction is stored. Synchronous.
        case noteSent(through: UInt64)
        /// A merge has ended. Synchronous.
        case endInspection(any MergeInspection, MergeReport?)
        /// A send has ended. Synchronous.
        case endSendInspection(any SendInspection, SendReport?)
        /// Write a line to the log.
        case log(Logger.Level, String, Logger.Metadata)
        /// Report to the observer.
        case observe(SyncEvent)
        /// The end: return, or throw the error.
        case end((any Error)?)
    }

    /// The result of a listing.
    package struct Listing: Sendable {
        /// The objects with the name prefix of the database's snapshots.
        package var blobs: [Blob]
        /// When the listing began and ended, by this host's clock, in nanoseconds since the UNIX epoch.
        package var began: UInt64
        package var ended: UInt64
        /// How far the storage's clock is ahead of this host's; nil if it is the same or unknown.
        package var clockOffset: Duration?

        /// See the properties of the same names.
        package init(blobs: [Blob], began: UInt64, ended: UInt64, clockOffset: Duration?) {
            (self.blobs, self.began, self.ended, self.clockOffset) = (blobs, began, ended, clockOffset)
        }

        /// When the listing began, by the storage's clock.
        var beganInStorage: UInt64 { storageTime(began, offset: clockOffset) }

        /// The catalog of the listed objects.
        func catalog(of database: String) -> Catalog {
            Catalog(
                blobs, database: database, now: max(beganInStorage, began),
                time: storageTime(ended, offset: clockOffset))
        }
    }

    /// A snapshot read from the LMDB, not stored yet.
    package struct Scan: Sendable {
        /// The snapshot.
        package var snapshot: FullScan.Result
        /// Every transaction up to this one is in it.
        package var transaction: UInt64
        /// Inspects the send; nil for none.
        package var inspection: (any SendInspection)?
    }
}

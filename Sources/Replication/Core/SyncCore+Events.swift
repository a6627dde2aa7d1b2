import BlobStorage
import Logging
import Snapshots
import Support

extension SyncCore {
    /// Something that has happened.
    package enum Event: Sendable {
        /// Time has passed.
        case tick
        /// Begin nothing new; ``Effect/end(_:)`` follows when everything under way has ended.
        case shutDown
        /// An object of another instance may have appeared in the storage.
        case storageChanged
        /// The newest transaction of the LMDB; whether it is known to be one of our own, which triggers no send.
        case observed(transaction: UInt64, isOurs: Bool)
        /// The LMDB can't be used any more.
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
        /// The map has this size now, in bytes, and may grow without a change of the configuration or not.
        case measuredMap(SnapshotName, size: Int, grows: Bool)
        /// A snapshot was downloaded in this time.
        case downloaded(SnapshotName, Spool, time: Duration)
        /// It could not be downloaded.
        case downloadFailed(SnapshotName, any Error, time: Duration)

        /// A snapshot was compared, and some of its entries are to be written.
        case compared(MergeInHand)
        /// It was merged.
        case merged(MergeInHand, MergeReport, newestTransaction: UInt64)
        /// It was not merged, and nothing of it is written.
        case mergeFailed(SnapshotName, MergeFailure)

        /// The application's changes were copied to the shadows in this time.
        case captured(Capture.Outcome, time: Duration)
        /// They could not be copied.
        case captureFailed(any Error)
        /// The LMDB was read for a send.
        case scanned(Scan)
        /// It was read, and holds no DBI to be sent.
        case foundNothing(transaction: UInt64)
        /// It could not be read.
        case scanFailed(any Error)
        /// The snapshot was stored.
        case stored
        /// It could not be stored.
        case storeFailed(any Error)
        /// The sweeper has worked for one slice.
        case swept(Sweep, transaction: UInt64?, lock: SweepLock?)
        /// It could not.
        case sweepFailed(any Error)
        /// The record was written.
        case recorded(SyncRecord, transaction: UInt64)
        /// It could not be written.
        case recordFailed(any Error)

        /// The storage was listed for the cleaner.
        case listedForCleaner(Listing)
        /// It could not be listed.
        case cleanerListingFailed(String)
        /// The objects of a removal are gone.
        case removed(CleanerMachine.Removal)
        /// They could not all be removed.
        case removalFailed(CleanerMachine.Removal, String)
        /// So many leftovers of interrupted writers were removed.
        case removedLeftovers(Int)
        /// They could not be removed.
        case leftoversFailed(String)
    }

    /// Something to do. What takes time is answered by an ``Event``; nothing waits for it.
    package enum Effect: Sendable {
        /// List the database's objects, after a look at the record in the LMDB where that is asked for.
        case list(readsRecord: Bool)
        /// Ask for the size of the map, which could not hold the snapshot before.
        case measureMap(SnapshotName)
        /// Download a snapshot of at most so many bytes.
        case download(SnapshotName, atMost: Int)
        /// Compare a downloaded snapshot with the LMDB: the first half of a merge.
        case compare(MergeOrder)
        /// Write what the comparison has found: the second half. It is compared again first where it is outdated.
        case apply(MergeInHand, isOutdated: Bool)
        /// Copy the application's changes to the shadows.
        case capture
        /// Read the LMDB for a snapshot whose timestamp is this one at least.
        case scan(floor: UInt64)
        /// Store what was read.
        case store(FullScan.Result)
        /// Sweep for one slice, with the write lock held for this long before the commit.
        case sweep(Sweep, deletionTime: Duration)
        /// Write the record to the LMDB.
        case record(SyncRecord)
        /// List the storage for the cleaner.
        case listForCleaner
        /// Remove the objects of a snapshot.
        case remove(CleanerMachine.Removal)
        /// Remove what interrupted writers have left in the storage.
        case removeLeftovers

        /// Everything up to this transaction is stored. Done at once.
        case noteSent(through: UInt64)
        /// A merge has ended. Done at once.
        case endInspection(any MergeInspection, MergeReport?)
        /// A send has ended. Done at once.
        case endSendInspection(any SendInspection, SendReport?)
        /// Write a line to the log.
        case log(Logger.Level, String, Logger.Metadata)
        /// Report to the observer.
        case observe(SyncEvent)
        /// Everything is over: return, or throw the error.
        case end((any Error)?)
    }

    /// The result of a listing.
    package struct Listing: Sendable {
        /// The objects whose names start like those of the database's snapshots.
        package var blobs: [Blob]
        /// When it began and when it ended, by this host's clock, in nanoseconds since the UNIX epoch.
        package var began: UInt64
        package var ended: UInt64
        /// How far the storage's clock is ahead of this host's; nil where it is the same one, or not known.
        package var clockOffset: Duration?

        /// See the properties of the same names.
        package init(blobs: [Blob], began: UInt64, ended: UInt64, clockOffset: Duration?) {
            (self.blobs, self.began, self.ended, self.clockOffset) = (blobs, began, ended, clockOffset)
        }

        /// When it began, by the storage's clock.
        var beganInStorage: UInt64 { storageTime(began, offset: clockOffset) }

        /// What was listed, sorted.
        ///
        /// - Parameter last: the listing before: most show nothing new.
        func catalog(of database: String, before last: Catalog?) -> Catalog {
            let (now, time) = (max(beganInStorage, began), storageTime(ended, offset: clockOffset))
            if let same = last?.repeated(blobs, now: now, time: time) { return same }
            return Catalog(blobs, database: database, now: now, time: time, last: last)
        }
    }

    /// A snapshot that was read from the LMDB, and is to be stored.
    package struct Scan: Sendable {
        /// The snapshot.
        package var snapshot: FullScan.Result
        /// Every transaction up to this one is in it.
        package var transaction: UInt64
        /// Inspects the send; nil for none.
        package var inspection: (any SendInspection)?
    }
}

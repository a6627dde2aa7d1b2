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
        /// An object may have appeared in the storage.
        case hint(Hint)
        /// The connection over which all changes are announced is established, or has ended.
        case feed(isUp: Bool)
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
        /// A snapshot was downloaded, in this version if the storage has versions, with the time it took.
        case downloaded(SnapshotName, Spool, version: String? = nil, time: Duration)
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
        /// Deltas of our own were merged into the first one of them.
        case widened(OwnChain.Stored)
        /// They could not be.
        case wideningFailed(any Error)
        /// A comparison of pages was compared with one of all entries; nil if that was given up.
        case proved(ChangeTracker.Proof?)
        /// It could not be.
        case notProved(any Error)
        /// The snapshot was stored, as this version if the storage has versions.
        case stored(version: String?)
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
        /// The positions were recorded; the transaction, if they had changed.
        case recordedPositions(transaction: UInt64?)
        /// They could not be recorded.
        case positionsNotRecorded(String)

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
        /// Write the results of these comparisons, and these positions, in one transaction: the second half of a merge. Outdated
        /// comparisons are repeated first.
        case apply([MergeInHand], isOutdated: Bool, positions: RecordedPositions?)
        /// Copy the application's changes to the shadows.
        case capture
        /// Read the LMDB for a snapshot.
        case scan(ScanOrder)
        /// Store the snapshot.
        case store(FullScan.Result)
        /// Merge these deltas of our own into the first one of them, and remove the others.
        case widen([OwnChain.Stored])
        /// Compare the last comparison of pages with one of all entries.
        case prove
        /// Run a slice of the sweeper, with the write lock held for this long before the commit.
        case sweep(Sweep, deletionTime: Duration)
        /// Write the record to the LMDB.
        case record(SyncRecord)
        /// Write these positions to the LMDB, unless they are there. The end does not wait for it for long.
        case recordPositions(RecordedPositions)
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
        ///
        /// - Parameter previous: the last one, whose names are not parsed again.
        func catalog(of database: String, previous: Catalog?) -> Catalog {
            Catalog(
                blobs, database: database, now: max(beganInStorage, began),
                time: storageTime(ended, offset: clockOffset), previous: previous)
        }
    }

    /// What to read from the LMDB.
    package struct ScanOrder: Sendable {
        /// The kind of snapshot.
        package var kind: OwnChain.Send
        /// The lowest position at its end, in nanoseconds since the UNIX epoch.
        package var floor: UInt64
        /// The positions of others that are merged, by instance.
        package var positions: [String: UInt64]
    }

    /// A snapshot read from the LMDB, not stored yet.
    package struct Scan: Sendable {
        /// The snapshot.
        package var snapshot: FullScan.Result
        /// The position at its end, in nanoseconds since the UNIX epoch.
        package var position: UInt64
        /// Every transaction up to this one is in it.
        package var transaction: UInt64
        /// Inspects the send; nil for none.
        package var inspection: (any SendInspection)?
        /// What the comparison of pages has found; nil if there was none.
        package var changes: ChangeTracker.Changes?
        /// Why it is a full snapshot although a delta was ordered, and details.
        package var fallback: ChangeTracker.Fallback?
        package var cause: String?
        /// Whether the comparison is to be proved.
        package var needsProof = false
    }
}

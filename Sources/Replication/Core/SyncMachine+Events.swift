import Snapshots

extension SyncMachine {
    /// What the machine goes by.
    package struct Settings: Sendable {
        /// This instance's name.
        package var instance: String
        /// Whether snapshots are only received, and nothing is ever written to the storage.
        package var receiveOnly: Bool
        /// Whether to end once what is in the storage is loaded and what is here is stored.
        package var onlyOnce: Bool
        /// How often the storage is listed; after a change was signalled it may be sooner.
        package var storagePollInterval: Duration
        /// What decides about downloads.
        package var receiver: Receiver.Settings
        /// What decides about sends.
        package var sender: Sender.Settings
        /// When old Deleted entries are removed; nil for never, and for no ``StaleFence``. Receivers and single runs
        /// never remove any.
        package var sweeper: SweeperMachine.Settings?
        /// Whether the application's changes have to be captured in shadows.
        package var hasShadows: Bool

        /// See the properties of the same names.
        package init(
            instance: String, receiveOnly: Bool = false, onlyOnce: Bool = false, storagePollInterval: Duration,
            receiver: Receiver.Settings, sender: Sender.Settings, sweeper: SweeperMachine.Settings? = nil,
            hasShadows: Bool = false
        ) {
            self.instance = instance
            self.receiveOnly = receiveOnly
            self.onlyOnce = onlyOnce
            self.storagePollInterval = storagePollInterval
            self.receiver = receiver
            self.sender = sender
            self.sweeper = sweeper
            self.hasShadows = hasShadows
        }
    }

    /// What has happened.
    package enum Event: Sendable {
        /// The storage was listed: the full snapshots of this database.
        ///
        /// `began` is when the listing began by the storage's clock, in nanoseconds since the UNIX epoch; `ceiling` is
        /// the same by our own clock, with what clocks may differ; `stranger` the newest one under our name that another
        /// host has written.
        case listed([SnapshotName], began: UInt64 = 0, ceiling: UInt64 = .max, stranger: SnapshotName? = nil)
        /// The storage could not be listed.
        case listingFailed
        /// Something may have appeared in the storage.
        case storageChanged
        /// The newest transaction of the LMDB is this one; whether it is known to be one of ours that nobody else need hear of.
        case observed(transaction: UInt64, isOurs: Bool = false)
        /// The snapshot is here, and waits to be merged.
        case downloaded(SnapshotName)
        /// The snapshot is not in the storage any more.
        case vanished(SnapshotName)
        /// The download failed for a reason that may pass.
        case downloadFailed(SnapshotName)
        /// The snapshot has been compared, and something in it is to be written.
        case compared(SnapshotName)
        /// The snapshot has been merged, or there was nothing in it to be written; the transaction that wrote something, if any
        /// did, and whether nothing of it was held back.
        case merged(SnapshotName, transaction: UInt64?, isWhole: Bool = true)
        /// The snapshot must never be merged.
        case refused(SnapshotName)
        /// The merge failed for a reason that may pass.
        case mergeFailed(SnapshotName)
        /// The LMDB has been read for a send, as of this transaction.
        case read(transaction: UInt64)
        /// It was read, and there is nothing in it.
        case foundNothing(transaction: UInt64)
        /// Everything up to this transaction is in the shadows; the transaction that wrote something, if any did.
        case captured(through: UInt64, transaction: UInt64?)
        /// The application's changes could not be captured.
        case captureFailed
        /// What was read is stored, as this.
        case stored(SnapshotName)
        /// Reading or storing failed.
        case sendFailed
        /// The LMDB holds something that can't be sent. Tried again for ever: nothing else need stop for that.
        case unsendable
        /// A slice of the sweeper ended: the transaction that removed something, if any did; how long the write lock
        /// was held, if it was taken; and whether that was the last slice of a run.
        case swept(transaction: UInt64?, lock: SweepLock?, isLast: Bool)
        /// A slice of the sweeper failed.
        case sweepFailed
        /// The LMDB remembers this, and has been looked at anew.
        case foundRecord(SyncRecord)
        /// The record was written, in this transaction.
        case recorded(SyncRecord, transaction: UInt64)
        /// It could not be written.
        case recordFailed
        /// Time has passed.
        case tick
        /// Begin nothing new; ``Action/finish`` follows when everything under way has ended.
        case shutDown
    }

    /// What is to be done.
    package enum Action: Sendable, Equatable {
        /// List the snapshots of the database.
        case list
        /// Download the snapshot.
        case download(SnapshotName)
        /// Compare the snapshot, which has been downloaded, with the LMDB: the first half of a merge.
        case compare(SnapshotName)
        /// Write what the comparison has found: the second half.
        case apply(SnapshotName)
        /// Read the LMDB, then store what was read.
        case send
        /// Copy the application's changes to the shadows.
        case capture
        /// Go on removing old Deleted entries, or begin, with the write lock held for this long before the commit.
        case sweep(deletionTime: Duration)
        /// Remember this, for ``StaleFence``.
        case record(SyncRecord)
        /// Start-up is complete. Comes once.
        case started
        /// So many sends have failed that the process must give up.
        case giveUp
        /// So many tries to list, load, capture or record something have failed that a single run must give up.
        case giveUpLoading
        /// The single run is over; what is here must not be sent.
        case endFenced
        /// Everything is done.
        case finish
    }
}

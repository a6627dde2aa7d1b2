import Snapshots

extension SyncMachine {
    /// Configuration.
    package struct Settings: Sendable {
        /// This instance's name.
        package var instance: String
        /// Whether this instance only receives snapshots. It never writes to the storage then.
        package var receiveOnly: Bool
        /// Whether to end once the storage is loaded and local changes are stored.
        package var onlyOnce: Bool
        /// How often the storage is listed. A signalled change may cause an earlier listing.
        package var storagePollInterval: Duration
        /// Configuration of downloads.
        package var receiver: Receiver.Settings
        /// Configuration of sends.
        package var sender: Sender.Settings
        /// Configuration of the sweeper; nil for none, and for no ``RejoinFence``. Receivers and single runs never
        /// sweep.
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

    /// An input of the machine.
    package enum Event: Sendable {
        /// The storage was listed: the full snapshots of this database.
        ///
        /// `began` is when the listing began by the storage's clock, in nanoseconds since the UNIX epoch; `ceiling` is
        /// the same by our own clock, plus the clock tolerance; `strangers` are the snapshots under our name that
        /// another host has written.
        case listed([SnapshotName], began: UInt64 = 0, ceiling: UInt64 = .max, strangers: Set<SnapshotName> = [])
        /// The storage could not be listed.
        case listingFailed
        /// A new snapshot may be in the storage.
        case storageChanged
        /// The newest transaction of the LMDB, and whether it is known to be one of our own, which does not trigger a
        /// send.
        case observed(transaction: UInt64, isOurs: Bool = false)
        /// The snapshot is downloaded, and waits to be merged.
        case downloaded(SnapshotName)
        /// The snapshot is no longer in the storage.
        case vanished(SnapshotName)
        /// The download failed for a temporary reason.
        case downloadFailed(SnapshotName)
        /// The snapshot is compared, and has entries to write.
        case compared(SnapshotName)
        /// The snapshot is merged, or had nothing to write; the transaction if there was one, and whether no entry was
        /// held.
        case merged(SnapshotName, transaction: UInt64?, isWhole: Bool = true)
        /// The snapshot must never be merged.
        case refused(SnapshotName)
        /// The merge failed for a temporary reason.
        case mergeFailed(SnapshotName)
        /// The LMDB was read for a send, as of this transaction.
        case read(transaction: UInt64)
        /// It was read, and is empty.
        case foundNothing(transaction: UInt64)
        /// Everything up to this transaction is captured; the transaction that wrote to the shadows, if any.
        case captured(through: UInt64, transaction: UInt64?)
        /// The application's changes could not be captured.
        case captureFailed
        /// The snapshot is stored under this name.
        case stored(SnapshotName)
        /// Reading or storing failed.
        case sendFailed
        /// The LMDB contains something that cannot be sent. Retried without limit, as nothing else has to stop.
        case unsendable
        /// A slice of the sweeper ended: the transaction that removed entries, if any; how long the write lock was
        /// held, if it was taken; and whether it was the last slice of a run.
        case swept(transaction: UInt64?, lock: SweepLock?, isLast: Bool)
        /// A slice of the sweeper failed.
        case sweepFailed
        /// The record in the LMDB was read again.
        case foundRecord(SyncRecord)
        /// The record was written, in this transaction.
        case recorded(SyncRecord, transaction: UInt64)
        /// It could not be written.
        case recordFailed
        /// Time has passed.
        case tick
        /// Begin nothing new; ``Action/finish`` follows when all work in progress has ended.
        case shutDown
    }

    /// An output of the machine.
    package enum Action: Sendable, Equatable {
        /// List the snapshots of the database.
        case list
        /// Download the snapshot.
        case download(SnapshotName)
        /// Compare the downloaded snapshot with the LMDB: the first half of a merge.
        case compare(SnapshotName)
        /// Write the result of the comparison: the second half of a merge.
        case apply(SnapshotName)
        /// Read the LMDB, then store the snapshot.
        case send
        /// Copy the application's changes to the shadows.
        case capture
        /// Begin or continue to remove old Deleted entries, with the write lock held for this long before the commit.
        case sweep(deletionTime: Duration)
        /// Write this record to the LMDB, for ``RejoinFence``.
        case record(SyncRecord)
        /// Start-up is complete. Occurs once.
        case started
        /// The limit of failed sends is exceeded: the process must give up.
        case giveUp
        /// The limit of failures to list, load, capture or record is exceeded: a single run must give up.
        case giveUpLoading
        /// The single run ends, but sending is blocked.
        case endFenced
        /// The end.
        case finish
    }
}

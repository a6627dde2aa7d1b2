import BlobStorage
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
        /// Configuration of deltas; nil if only full snapshots are read and written.
        package var deltas: OwnChain.Settings?

        /// See the properties of the same names.
        package init(
            instance: String, receiveOnly: Bool = false, onlyOnce: Bool = false, storagePollInterval: Duration,
            receiver: Receiver.Settings, sender: Sender.Settings, sweeper: SweeperMachine.Settings? = nil,
            hasShadows: Bool = false, deltas: OwnChain.Settings? = nil
        ) {
            self.instance = instance
            self.receiveOnly = receiveOnly
            self.onlyOnce = onlyOnce
            self.storagePollInterval = storagePollInterval
            self.receiver = receiver
            self.sender = sender
            self.sweeper = sweeper
            self.hasShadows = hasShadows
            self.deltas = deltas
        }
    }

    /// An input of the machine.
    package enum Event: Sendable {
        /// The storage was listed.
        case listed(Listing)
        /// The storage could not be listed.
        case listingFailed
        /// A new snapshot may be in the storage: this one, of this version if that is known; nil if it is not known which one.
        case hint(SnapshotName?, version: String? = nil, source: HintSource)
        /// An instance has stored its state object.
        case stateHint(String, source: HintSource)
        /// The connection over which all changes are announced is established, or has ended.
        case feed(isUp: Bool)
        /// The newest transaction of the LMDB, and whether it is known to be one of our own, which does not trigger a
        /// send.
        case observed(transaction: UInt64, isOurs: Bool = false)
        /// The snapshot is downloaded, and waits to be merged; the version that was read, if known.
        case downloaded(SnapshotName, version: String? = nil)
        /// The snapshot is no longer in the storage.
        case vanished(SnapshotName)
        /// The download failed for a temporary reason.
        case downloadFailed(SnapshotName)
        /// The snapshot is compared, and has entries to write.
        case compared(SnapshotName)
        /// The snapshot is merged, or had nothing to write.
        case merged(SnapshotName, Merged)
        /// The snapshot must never be merged; whether its contents were seen.
        case refused(SnapshotName, isOpened: Bool = true)
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
        /// The snapshot is stored.
        case stored(OwnChain.Stored)
        /// Several deltas were merged into one.
        case widened(OwnChain.Stored)
        /// They could not be.
        case wideningFailed
        /// The application has removed entries, or a DBI, without marking them as Deleted: others restore them.
        case entriesLost
        /// Deltas may lack something: a full snapshot has to follow.
        case deltasAreWrong
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
        /// The positions are recorded, in this transaction; nil if there was nothing to write, or on failure.
        case recordedPositions(transaction: UInt64?)
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
        /// Write the results of these comparisons in one transaction: the second half of a merge.
        case apply([SnapshotName])
        /// Read the LMDB, then store the snapshot.
        case send(OwnChain.Send)
        /// Merge these deltas of our own into the first one of them, and remove the others.
        case widen([OwnChain.Stored])
        /// Copy the application's changes to the shadows.
        case capture
        /// Begin or continue to remove old Deleted entries, with the write lock held for this long before the commit.
        case sweep(deletionTime: Duration)
        /// Write this record to the LMDB, for ``RejoinFence``.
        case record(SyncRecord)
        /// Record the positions in the LMDB. Occurs once, before the end.
        case recordPositions
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

extension SyncMachine {
    /// The objects of this database in the storage.
    package struct Listing: Sendable {
        /// The full snapshots.
        package var names: [SnapshotName]
        /// The deltas.
        package var deltas: [Catalog.Delta]
        /// The sizes of the full snapshots, in bytes.
        package var sizes: [SnapshotName: Int]
        /// When the listing began by the storage's clock, in nanoseconds since the UNIX epoch.
        package var began: UInt64
        /// The same by our own clock, plus the clock tolerance.
        package var ceiling: UInt64
        /// The snapshots under our name that another host has written.
        package var strangers: Set<SnapshotName>
        /// Whether another host uses our name.
        package var hasNamesake: Bool

        /// See the properties of the same names.
        package init(
            _ names: [SnapshotName], deltas: [Catalog.Delta] = [], sizes: [SnapshotName: Int] = [:], began: UInt64 = 0,
            ceiling: UInt64 = .max, strangers: Set<SnapshotName> = [], hasNamesake: Bool = false
        ) {
            self.names = names
            self.deltas = deltas
            self.sizes = sizes
            self.began = began
            self.ceiling = ceiling
            self.strangers = strangers
            self.hasNamesake = hasNamesake
        }
    }

    /// What a merged snapshot says, and what has become of it.
    package struct Merged: Sendable {
        /// The write transaction; nil if there was nothing to write.
        package var transaction: UInt64?
        /// Whether no entry was held.
        package var isWhole: Bool
        /// The position at its end; nil for that in the name of a full snapshot.
        package var position: UInt64?
        /// What the sender had merged of others, by instance.
        package var others: [String: UInt64]
        /// Whether the sender reads deltas.
        package var readsDeltas: Bool

        /// See the properties of the same names.
        package init(
            transaction: UInt64?, isWhole: Bool = true, position: UInt64? = nil, others: [String: UInt64] = [:],
            readsDeltas: Bool = false
        ) {
            self.transaction = transaction
            self.isWhole = isWhole
            self.position = position
            self.others = others
            self.readsDeltas = readsDeltas
        }
    }
}

extension SyncMachine.Action {
    /// The second half of the merge of one snapshot.
    package static func apply(_ name: SnapshotName) -> Self { .apply([name]) }
}

extension SyncMachine.Event {
    /// A listing with full snapshots only.
    package static func listed(
        _ names: [SnapshotName], began: UInt64 = 0, ceiling: UInt64 = .max, strangers: Set<SnapshotName> = []
    ) -> Self { .listed(.init(names, began: began, ceiling: ceiling, strangers: strangers)) }

    /// The merge of a full snapshot.
    package static func merged(_ name: SnapshotName, transaction: UInt64?, isWhole: Bool = true) -> Self {
        .merged(name, .init(transaction: transaction, isWhole: isWhole))
    }

    /// A full snapshot is stored.
    package static func stored(_ name: SnapshotName) -> Self {
        .stored(.init(name: name, position: name.timestamp, size: 0, version: nil))
    }
}

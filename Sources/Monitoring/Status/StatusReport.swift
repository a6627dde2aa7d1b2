/// The contents of `/status.json`, the status page and `status --json`.
///
/// The JSON form has the names of the properties in snake case, is stable, and is described in docs/status.md. Times
/// are RFC 3339 in UTC, durations seconds, sizes bytes.
package struct StatusReport: Codable, Sendable, Equatable {
    /// The version of this form.
    package var version = 1
    /// Name and version of the program that made the report.
    package var software = ""
    /// The name of this instance.
    package var instance = ""
    /// The name of this host.
    package var hostname = ""
    /// When the report was made.
    package var time = ""
    /// When the process started to sync; nil in a report without a daemon.
    package var started: String?
    /// The kind of daemon, if any.
    package var mode = Mode.none
    /// The overall health.
    package var health = Health()
    /// Each database, in the order of the configuration.
    package var databases: [Database] = []
    /// PowerDNS's zones; nil without a daemon, and where no database is PowerDNS's.
    package var zones: Zones?
    /// Recent problems, newest first.
    package var problems: [Problem] = []

    /// An empty report.
    package init() {}

    /// The kind of daemon.
    package enum Mode: String, Codable, Sendable {
        /// Two-way syncing.
        case sync
        /// Loading only.
        case receive
        /// No daemon: the report was made from storage and LMDB.
        case none
    }

    /// The results of the health checks.
    package struct Health: Codable, Sendable, Equatable {
        /// `OK`, `Warning` or `Unavailable`.
        package var status = "OK"
        /// The time since which it is unchanged.
        package var since: String?
        /// Failures: the name of each check with one line.
        package var failures: [String: String] = [:]
        /// Warnings: the name of each check with one line.
        package var warnings: [String: String] = [:]

        /// No problems.
        package init() {}
    }

    /// A database.
    package struct Database: Codable, Sendable, Equatable {
        /// Its key under `lmdbs:`.
        package var name = ""
        /// The data file or its directory.
        package var path = ""
        /// Facts about the LMDB; nil while it is not open or cannot be read.
        package var lmdb: LMDBFacts?
        /// Whether start-up is complete; nil without a daemon.
        package var startupComplete: Bool?
        /// Why nothing is sent, if so: a line with the fix.
        package var fence: String?
        /// What currently blocks sending, if anything.
        package var blocked: String?
        /// Why it is not in sync and will be fenced if that persists.
        package var notInSync: String?
        /// Whether local changes are not stored yet; nil without a daemon, and in receivers.
        package var unsent: Bool?
        /// Why they are not stored, after a failed attempt.
        package var unsentReason: String?
        /// The snapshots in the last listing.
        package var storage: StorageFacts?
        /// The newest position of this instance that is stored.
        package var sent: Snapshot?
        /// Whether the S3 server announces all changes over a connection; nil without a daemon.
        package var listening: Bool?
        /// Every instance with snapshots or a state object in the storage, including this one, by name.
        package var instances: [Instance] = []
        /// The last hour, minute by minute, oldest first; empty without a daemon.
        package var history: [Minute] = []
        /// Recent activities, newest first; empty without a daemon.
        package var activities: [Activity] = []

        /// An empty database.
        package init() {}
    }

    /// Sizes and counters of an LMDB.
    package struct LMDBFacts: Codable, Sendable, Equatable {
        /// In bytes.
        package var mapSize = 0
        /// The part of the map that has ever been used, in bytes.
        package var usedBytes = 0
        /// The size of its DBIs in bytes.
        package var dbiBytes = 0
        /// The size of the data file in bytes.
        package var fileSize = 0
        /// The newest transaction.
        package var lastTransaction: UInt64 = 0
        /// Reader slots in use.
        package var readers = 0
        /// All reader slots.
        package var maximumReaders = 0
        /// Each DBI, by name.
        package var dbis: [DBI] = []

        /// All zero.
        package init() {}
    }

    /// A DBI.
    package struct DBI: Codable, Sendable, Equatable {
        /// Its name.
        package var name = ""
        /// The number of entries.
        package var entries = 0
        /// Levels of the B+ tree.
        package var depth = 0
        /// Pages that refer to other pages.
        package var branchPages = 0
        /// Pages with entries.
        package var leafPages = 0
        /// Pages with large values.
        package var overflowPages = 0
        /// The size of its pages in bytes.
        package var bytes = 0
        /// The names of its flags as in lmdb.h, joined by `|`; "0" for none.
        package var flags = "0"

        /// All zero.
        package init() {}
    }

    /// The snapshots and deltas of a database in the storage.
    package struct StorageFacts: Codable, Sendable, Equatable {
        /// The number of full snapshots.
        package var snapshots = 0
        /// The number of deltas; nil if unknown.
        package var deltas: Int?
        /// The total size of both in bytes.
        package var bytes = 0
        /// When they were listed.
        package var listed: String?

        /// None.
        package init() {}
    }

    /// A full snapshot, or a position: the name of the full snapshot of that instant, whether there is one or only a delta that
    /// ends there.
    package struct Snapshot: Codable, Sendable, Equatable {
        /// The name of the object.
        package var name = ""
        /// The time of its contents.
        package var time = ""
        /// The size of the object in bytes, if known.
        package var size: Int?

        /// A snapshot without a name.
        package init() {}
    }

    /// An instance, as seen by this one.
    package struct Instance: Codable, Sendable, Equatable {
        /// Its name.
        package var name = ""
        /// Whether it is this one.
        package var isOwn = false
        /// Its newest position in the storage. The end of a delta that is not merged yet is not known: it is the time when that was
        /// stored.
        package var newest: Snapshot?
        /// Its position up to which everything is merged here.
        package var merged: Snapshot?
        /// When that was merged; nil if unknown.
        package var mergedAt: String?
        /// How many seconds its newest snapshot has been waiting to be merged here; 0 if it is merged, nil if
        /// unknown.
        package var lag: Double?
        /// Seconds from the time of its last snapshot that arrived while the daemon ran to the
        /// end of its merge.
        package var latency: Double?
        /// By which way its newest merged change was first known here: `listing`, `fs` (the kernel), `listen` (the S3 server), `peer`
        /// or `webhook`; nil without a daemon, and for this instance.
        package var heardBy: String?
        /// How many seconds its clock is ahead according to its last snapshot, otherwise 0. For this instance:
        /// how many seconds ahead of the storage's, negative if it is slow.
        package var clockSkew: Double?
        /// The newest snapshot of this instance that it has merged, from its state object; nil if it publishes none.
        package var mergedOfOurs: String?
        /// Time of its last state object, by the storage's clock; nil if it publishes none.
        package var lastHeard: String?
        /// The health in its state object: `OK`, `Warning`, `Unavailable`, or `Stopped` after an orderly shutdown;
        /// `Silent` after three missed publications; nil if it publishes none.
        package var health: String?
        /// The key ID of the identity with which its last full snapshot is sealed, from its state object; nil if it is not, or unknown.
        package var sealedWith: String?

        /// An instance without a name.
        package init() {}
    }

    /// The activity within one minute.
    package struct Minute: Codable, Sendable, Equatable {
        /// The start of the minute.
        package var time = ""
        /// Snapshots and deltas merged.
        package var merges = 0
        /// Snapshots and deltas sent.
        package var sends = 0
        /// Entries written by merges.
        package var entries = 0
        /// The longest time from a snapshot's time to the end of its merge, in seconds; nil without a merge.
        package var latency: Double?

        /// Nothing.
        package init() {}
    }

    /// A merge or a send.
    package struct Activity: Codable, Sendable, Equatable {
        /// The end of the activity.
        package var time = ""
        /// Its kind.
        package var kind = Kind.merge
        /// The name of the snapshot or delta.
        package var snapshot = ""
        /// Whether it is a delta; nil if unknown.
        package var isDelta: Bool?
        /// The instance of the snapshot.
        package var instance = ""
        /// Entries in the snapshot.
        package var entries = 0
        /// Entries changed by the merge; nil for a send.
        package var changed: Int?
        /// The size of the snapshot in bytes.
        package var size = 0
        /// Total duration in seconds.
        package var duration = 0.0
        /// Time that a merge held the write lock, in seconds.
        package var lock: Double?

        /// The kind of an activity.
        package enum Kind: String, Codable, Sendable {
            /// A snapshot of another instance was merged.
            case merge
            /// A snapshot of this instance was stored.
            case send
        }

        /// Nothing.
        package init() {}
    }

    /// A problem with the number of its repetitions.
    package struct Problem: Codable, Sendable, Equatable {
        /// The last occurrence.
        package var time = ""
        /// The database, if it concerns one.
        package var database: String?
        /// One line.
        package var text = ""
        /// The number of occurrences.
        package var count = 1

        /// Nothing.
        package init() {}
    }
}

/// Where everything stands: what `/status.json`, the status page and `status --json` show.
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
    /// When the process began to sync; nil in a report that no running process made.
    package var started: String?
    /// Whether a daemon made it, and of which kind.
    package var mode = Mode.none
    /// How it is with everything together.
    package var health = Health()
    /// Each database, in the order of the configuration.
    package var databases: [Database] = []
    /// PowerDNS's zones; nil without a daemon, and where no database is PowerDNS's.
    package var zones: Zones?
    /// What went wrong last, newest first.
    package var problems: [Problem] = []

    /// An empty report.
    package init() {}

    /// What runs.
    package enum Mode: String, Codable, Sendable {
        /// Two-way syncing.
        case sync
        /// Loading only.
        case receive
        /// No daemon: the report was made from storage and LMDB alone.
        case none
    }

    /// The outcome of the health checks.
    package struct Health: Codable, Sendable, Equatable {
        /// `OK`, `Warning` or `Unavailable`.
        package var status = "OK"
        /// Since when it has been so.
        package var since: String?
        /// What fails: the name of each check with one line.
        package var failures: [String: String] = [:]
        /// What is not as it should be: the name of each check with one line.
        package var warnings: [String: String] = [:]

        /// All well.
        package init() {}
    }

    /// A database.
    package struct Database: Codable, Sendable, Equatable {
        /// Its key under `lmdbs:`.
        package var name = ""
        /// The data file, or the directory that holds it.
        package var path = ""
        /// What the LMDB says about itself; nil while it is not open or can't be read.
        package var lmdb: LMDBFacts?
        /// Whether start-up is complete; nil without a daemon.
        package var startupComplete: Bool?
        /// Why nothing is sent, where that is so: the line that says what to do.
        package var fence: String?
        /// What keeps changes from being sent for the time being, where that is so.
        package var blocked: String?
        /// Why it is not in sync, where it will be fenced if that lasts.
        package var notInSync: String?
        /// Whether there are local changes that are not stored yet; nil without a daemon, and where none is to send.
        package var unsent: Bool?
        /// Why they are not stored, where an attempt has failed.
        package var unsentReason: String?
        /// The snapshots in the storage, as last listed.
        package var storage: StorageFacts?
        /// The newest snapshot of our own.
        package var sent: Snapshot?
        /// Every instance that has snapshots or a state object in the storage, ours too, by name.
        package var instances: [Instance] = []
        /// The last hour, minute by minute, oldest first; empty without a daemon.
        package var history: [Minute] = []
        /// What was done last, newest first; empty without a daemon.
        package var activities: [Activity] = []

        /// An empty database.
        package init() {}
    }

    /// Sizes and counters of an LMDB.
    package struct LMDBFacts: Codable, Sendable, Equatable {
        /// In bytes.
        package var mapSize = 0
        /// In bytes: how much of the map has ever been used.
        package var usedBytes = 0
        /// In bytes: what its DBIs take.
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
        /// Pages that lead to other pages.
        package var branchPages = 0
        /// Pages that hold entries.
        package var leafPages = 0
        /// Pages of large values.
        package var overflowPages = 0
        /// What its pages take, in bytes.
        package var bytes = 0
        /// The names of its flags as in lmdb.h, joined by `|`; "0" for none.
        package var flags = "0"

        /// All zero.
        package init() {}
    }

    /// The snapshots of a database in the storage.
    package struct StorageFacts: Codable, Sendable, Equatable {
        /// How many.
        package var snapshots = 0
        /// Their size together, in bytes.
        package var bytes = 0
        /// When they were listed.
        package var listed: String?

        /// None.
        package init() {}
    }

    /// A snapshot.
    package struct Snapshot: Codable, Sendable, Equatable {
        /// The name of the object.
        package var name = ""
        /// The instant that it shows.
        package var time = ""
        /// In bytes, where known.
        package var size: Int?

        /// A snapshot without a name.
        package init() {}
    }

    /// An instance as seen from here.
    package struct Instance: Codable, Sendable, Equatable {
        /// Its name.
        package var name = ""
        /// Whether it is this one.
        package var isOwn = false
        /// Its newest snapshot in the storage.
        package var newest: Snapshot?
        /// Its newest snapshot that is merged here.
        package var merged: Snapshot?
        /// When that was merged; nil where nobody remembers.
        package var mergedAt: String?
        /// For how many seconds its newest snapshot has waited to be merged here; 0 when it is merged, nil when
        /// that is not known.
        package var lag: Double?
        /// How many seconds passed from the instant of the last snapshot of it that came while the daemon ran to the
        /// end of its merge.
        package var latency: Double?
        /// How many seconds its clock is ahead, as the last of its snapshots shows; 0 when it is not. Of this instance:
        /// how many it is ahead of the storage's, negative when it is behind.
        package var clockSkew: Double?
        /// The newest snapshot of ours that it has merged, as its state object says; nil where it publishes none.
        package var mergedOfOurs: String?
        /// When its state object was written last, by the storage's clock; nil where it publishes none.
        package var lastHeard: String?
        /// The health that its state object tells: `OK`, `Warning`, `Unavailable`, or `Stopped` after an orderly end;
        /// `Silent` when it has missed three publications; nil where it publishes none.
        package var health: String?

        /// An instance without a name.
        package init() {}
    }

    /// What was done within one minute.
    package struct Minute: Codable, Sendable, Equatable {
        /// When it began.
        package var time = ""
        /// Snapshots merged.
        package var merges = 0
        /// Snapshots sent.
        package var sends = 0
        /// Entries written by merges.
        package var entries = 0
        /// The longest time from a snapshot's instant to the end of its merge, in seconds; nil without a merge.
        package var latency: Double?

        /// Nothing.
        package init() {}
    }

    /// A merge or a send.
    package struct Activity: Codable, Sendable, Equatable {
        /// When it ended.
        package var time = ""
        /// What it was.
        package var kind = Kind.merge
        /// The snapshot.
        package var snapshot = ""
        /// Whose snapshot.
        package var instance = ""
        /// Entries in the snapshot.
        package var entries = 0
        /// How many of them a merge changed here; nil for what is sent, as others find that out.
        package var changed: Int?
        /// The size of the snapshot in bytes.
        package var size = 0
        /// How long it took altogether, in seconds.
        package var duration = 0.0
        /// How long a merge held the write lock, in seconds.
        package var lock: Double?

        /// What was done.
        package enum Kind: String, Codable, Sendable {
            /// A snapshot of somebody was merged.
            case merge
            /// A snapshot of ours was stored.
            case send
        }

        /// Nothing.
        package init() {}
    }

    /// Something that went wrong, with all its repetitions.
    package struct Problem: Codable, Sendable, Equatable {
        /// When it happened last.
        package var time = ""
        /// The database, where it concerns one.
        package var database: String?
        /// One line.
        package var text = ""
        /// How often it has happened.
        package var count = 1

        /// Nothing.
        package init() {}
    }
}

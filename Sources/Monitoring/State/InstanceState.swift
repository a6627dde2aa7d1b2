import Observability
import Snapshots

/// What an instance says about itself in the state object `{db}__{instance}.state`: who has what.
///
/// The JSON form is that of the snapshot format's description (docs/snapshot-format.md); unknown fields are ignored.
package struct InstanceState: Codable, Sendable, Equatable {
    /// The version of this form that is written and read here.
    package static let knownVersion = 1

    /// The version of this form.
    package var version = knownVersion
    /// The instance's name.
    package var instance: String
    /// The name of its host.
    package var hostname: String
    /// Name and version of the program.
    package var software: String
    /// When it was written: RFC 3339, UTC.
    package var time: String
    /// The newest snapshot that it has sent; nil when it has sent none.
    package var sent: String?
    /// The newest snapshot that it has merged, by instance.
    package var applied: [String: String]
    /// By instance, the newest snapshot whose entries `sent` holds.
    package var covered: [String: String]?
    /// `OK`, `Warning` or `Unavailable`, or ``stopped``.
    package var health: String
    /// It is written again within so many seconds; 0 when nothing follows, as after a single run. Nil means the usual
    /// five minutes.
    package var interval: Int?

    /// The ``health`` of a daemon that has ended in good order.
    package static let stopped = "Stopped"
    /// What a report says of one that has missed three publications.
    package static let silent = "Silent"
    /// After so many nanoseconds three publications are missed.
    static let patience: UInt64 = 3 * 300 * 1_000_000_000

    /// The ``health`` where it is one that is known.
    package var knownHealth: String? {
        health == Self.stopped ? health : HealthChecks.Status(rawValue: health)?.rawValue
    }

    /// The newest snapshot of an instance that it says it has merged; nil where it says none, or something else: anybody who may
    /// write to the bucket may write anything.
    package func merged(of instance: String, database: String) -> SnapshotName? {
        guard let name = applied[instance].flatMap({ SnapshotName($0) }), name.instance == instance,
            name.database == database, name.description.utf8.count <= 1024
        else { return nil }
        return name
    }

    /// Whether it should have been written again since.
    ///
    /// - Parameters:
    ///   - heard: when it was written, by the storage's clock, in nanoseconds since the UNIX epoch.
    ///   - now: the time by the same clock.
    package func isSilent(heard: UInt64, at now: UInt64) -> Bool {
        interval != 0 && now.elapsed(since: heard) > Self.patience
    }

    /// See the properties of the same names.
    package init(
        instance: String, hostname: String, software: String, time: String, sent: String?,
        applied: [String: String], covered: [String: String]?, health: String, interval: Int? = nil
    ) {
        self.instance = instance
        self.hostname = hostname
        self.software = software
        self.time = time
        self.sent = sent
        self.applied = applied
        self.covered = covered
        self.health = health
        self.interval = interval
    }
}

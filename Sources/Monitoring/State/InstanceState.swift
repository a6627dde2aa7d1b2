import Observability
import Snapshots
import Support

/// The published state of an instance, in the object `{db}__{instance}.state`.
///
/// The JSON form is described in docs/snapshot-format.md; unknown fields are ignored.
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
    /// The time of writing: RFC 3339, UTC.
    package var time: String
    /// The newest sent snapshot; nil if there is none.
    package var sent: String?
    /// The newest merged snapshots, by instance.
    package var applied: [String: String]
    /// By instance, the newest snapshot whose entries `sent` contains.
    package var covered: [String: String]?
    /// `OK`, `Warning` or `Unavailable`, or ``stopped``.
    package var health: String
    /// Maximum number of seconds until the next update; 0 if there is none, as after a single run. Nil means the default
    /// of five minutes.
    package var interval: Int?

    /// The URL at which other instances tell this one what they have stored; nil if they do not.
    ///
    /// Untrusted: anybody with write access to the bucket may write anything.
    package var url: String?

    /// The key ID of the identity with which its last full snapshot is sealed; nil if it is not, or if it has stored none since the
    /// start.
    package var sealedWith: String?

    /// Whether only somebody with the identity can have written it, as when nothing unsealed is read. Not in the object.
    package var isAuthentic = false

    private enum CodingKeys: CodingKey {
        case version, instance, hostname, software, time, sent, applied, covered, health, interval, url, sealedWith
    }

    /// The ``health`` of a daemon after an orderly shutdown.
    package static let stopped = "Stopped"
    /// The reported health of an instance that has missed three publications.
    package static let silent = "Silent"
    /// The time of three publications in nanoseconds.
    static let patience: UInt64 = 3 * 300 * 1_000_000_000

    /// The ``health`` if it is a known value.
    package var knownHealth: String? {
        health == Self.stopped ? health : HealthChecks.Status(rawValue: health)?.rawValue
    }

    /// ``sealedWith`` if it is a key ID.
    package var knownKeyID: String? {
        sealedWith.flatMap { $0.utf8.count == 8 && $0.allSatisfy { $0.isASCII && $0.isHexDigit } ? $0 : nil }
    }

    /// The newest merged snapshot of an instance; nil if there is none or the name is not plausible: anybody with
    /// write access to the bucket may write anything.
    package func merged(of instance: String, database: String) -> SnapshotName? {
        guard let name = applied[instance].flatMap({ SnapshotName($0) }), name.instance == instance,
            name.database == database, name.description.utf8.count <= 1024
        else { return nil }
        return name
    }

    /// Whether an update is overdue.
    ///
    /// - Parameters:
    ///   - stateTime: time of writing by the storage's clock, in nanoseconds since the UNIX epoch.
    ///   - now: the time by the same clock.
    package func isSilent(stateTime: UInt64, at now: UInt64) -> Bool {
        interval != 0 && now.elapsed(since: heard(stateTime: stateTime)) > Self.patience
    }

    /// When the instance was heard last: an old object that somebody has put back has a new time in the storage.
    ///
    /// - Parameter stateTime: see ``isSilent(stateTime:at:)``.
    func heard(stateTime: UInt64) -> UInt64 {
        guard isAuthentic, let written = WallTime(rfc3339: time) else { return stateTime }
        return min(stateTime, UInt64(written))
    }

    /// Whether this is from before another one of the same instance, and both are authentic.
    func isReplay(after other: InstanceState?) -> Bool {
        guard isAuthentic, let other, other.isAuthentic, let written = WallTime(rfc3339: time),
            let before = WallTime(rfc3339: other.time)
        else { return false }
        return UInt64(written) < UInt64(before)
    }

    /// See the properties of the same names.
    package init(
        instance: String, hostname: String, software: String, time: String, sent: String?,
        applied: [String: String], covered: [String: String]?, health: String, interval: Int? = nil,
        url: String? = nil, sealedWith: String? = nil
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
        self.url = url
        self.sealedWith = sealedWith
    }
}

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
    /// `OK`, `Warning` or `Unavailable`.
    package var health: String

    /// See the properties of the same names.
    package init(
        instance: String, hostname: String, software: String, time: String, sent: String?,
        applied: [String: String], covered: [String: String]?, health: String
    ) {
        self.instance = instance
        self.hostname = hostname
        self.software = software
        self.time = time
        self.sent = sent
        self.applied = applied
        self.covered = covered
        self.health = health
    }
}

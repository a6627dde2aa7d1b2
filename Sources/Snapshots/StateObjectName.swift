/// The name of the object in which an instance says where it stands: `{db}__{instance}.state`.
///
/// Whoever reads snapshots only skips it, because its name is not that of a snapshot.
package struct StateObjectName: Hashable, Sendable, CustomStringConvertible {
    /// The configured name of the LMDB.
    package let database: String
    /// The instance's name; only ASCII letters, digits and `-`.
    package let instance: String

    private static let suffix = ".state"

    /// The name for an instance; the instance's name is put right.
    package init(database: String, instance: String) {
        self.database = database
        self.instance = SnapshotName.sanitize(instance: instance)
    }

    /// Parses the name of an object of one database; nil when it is none of its state objects.
    package init?(_ text: String, database: String) {
        let prefix = SnapshotName.prefix(database: database)
        guard text.hasPrefix(prefix), text.hasSuffix(Self.suffix) else { return nil }
        let instance = String(text.dropFirst(prefix.count).dropLast(Self.suffix.count))
        guard !instance.isEmpty, SnapshotName.sanitize(instance: instance) == instance else { return nil }
        self.database = database
        self.instance = instance
    }

    /// The name as it is written.
    package var description: String { SnapshotName.prefix(database: database) + instance + Self.suffix }
}

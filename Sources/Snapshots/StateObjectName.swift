/// The name of the object with the state of an instance: `{db}__{instance}.state`.
///
/// Readers of snapshots skip it, because it is not a snapshot name.
package struct StateObjectName: Hashable, Sendable, CustomStringConvertible {
    /// The configured name of the LMDB.
    package let database: String
    /// The instance's name; only ASCII letters, digits and `-`.
    package let instance: String

    private static let suffix = ".state"

    /// Creates the name for an instance; normalises the instance's name.
    package init(database: String, instance: String) {
        self.database = database
        self.instance = SnapshotName.sanitize(instance: instance)
    }

    /// Parses the name of an object of one database; nil if it is not a state object of it.
    package init?(_ text: String, database: String) {
        let prefix = SnapshotName.prefix(database: database)
        let bytes = text.utf8
        let (first, last) = (prefix.utf8, Self.suffix.utf8)
        // By bytes: characters are slow to count, and each listing comes by here.
        guard bytes.count >= first.count + last.count, bytes.starts(with: first),
            bytes.suffix(last.count).elementsEqual(last)
        else { return nil }
        let instance = String(decoding: bytes.dropFirst(first.count).dropLast(last.count), as: UTF8.self)
        guard !instance.isEmpty, SnapshotName.sanitize(instance: instance) == instance else { return nil }
        self.database = database
        self.instance = instance
    }

    /// The whole name.
    package var description: String { SnapshotName.prefix(database: database) + instance + Self.suffix }
}

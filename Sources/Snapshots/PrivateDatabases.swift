/// DBIs that belong to the syncing and not to the application: never in a snapshot, and never accepted from one.
package enum PrivateDatabases {
    /// The prefix of their names.
    package static let prefix = "_sync"

    /// Whether a DBI of this name is private.
    package static func contains(_ name: String) -> Bool { name.utf8.starts(with: prefix.utf8) }
}

/// Restrictions of the format and of LMDB on the DBIs in a snapshot.
package enum SnapshotLimits {
    /// Maximum size of a DBI's name in bytes: LMDB stores it as a key.
    package static let longestDatabaseName = SnapshotFields.longestDatabaseName
    /// The only transform: of the keys of DBIs with several values per key.
    package static let dupSortTransform = SnapshotFields.dupSortTransform
}

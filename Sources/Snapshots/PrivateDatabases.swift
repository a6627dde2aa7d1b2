/// DBIs that belong to the syncing and not to the application: never in a snapshot, and never taken from one.
package enum PrivateDatabases {
    /// How their names start.
    package static let prefix = "_sync"

    /// Whether a DBI of this name is private.
    package static func contains(_ name: String) -> Bool { name.utf8.starts(with: prefix.utf8) }
}

/// What the format and LMDB ask of the DBIs in a snapshot.
package enum SnapshotLimits {
    /// The most bytes that the name of a DBI has: LMDB keeps it as a key.
    package static let longestDatabaseName = SnapshotFields.longestDatabaseName
    /// The transform of the keys of DBIs whose keys have several values; the only one there is.
    package static let dupSortTransform = SnapshotFields.dupSortTransform
}

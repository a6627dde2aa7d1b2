/// DBIs that belong to the syncing and not to the application: never in a snapshot, and never taken from one.
package enum PrivateDatabases {
    /// How their names start.
    package static let prefix = "_sync"

    /// Whether a DBI of this name is private.
    package static func contains(_ name: String) -> Bool { name.utf8.starts(with: prefix.utf8) }
}

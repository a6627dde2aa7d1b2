import LMDB
import Snapshots

/// Drops what the syncing keeps for itself in an LMDB: what `drop-shadow` does.
package enum ShadowRemoval {
    /// A DBI that was dropped.
    package struct Dropped: Sendable, Equatable {
        /// Its name.
        package var name: String
        /// How many entries it had.
        package var entries: Int
    }

    /// Drops every private DBI in one write transaction: all of them or none.
    ///
    /// Blocks. Without private DBIs nothing is written.
    ///
    /// - Returns: what was dropped, in the order of the names.
    package static func run(_ environment: Environment) throws -> [Dropped] {
        try environment.write { transaction in
            var dropped: [Dropped] = []
            for database in try transaction.databases() where PrivateDatabases.contains(database.name) {
                dropped.append(
                    Dropped(name: database.name, entries: try transaction.statistics(database).entries))
                try transaction.drop(database)
            }
            return dropped.isEmpty ? .abort(dropped) : .commit(dropped)
        }
    }
}

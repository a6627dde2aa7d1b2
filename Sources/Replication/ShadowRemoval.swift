import LMDB
import Snapshots

/// Drops the private DBIs of an LMDB: the work of `drop-shadow`.
package enum ShadowRemoval {
    /// A dropped DBI.
    package struct Dropped: Sendable, Equatable {
        /// Its name.
        package var name: String
        /// The number of entries it had.
        package var entries: Int
    }

    /// Drops all private DBIs in one write transaction.
    ///
    /// Blocks. Without private DBIs nothing is written.
    ///
    /// - Returns: the dropped DBIs, sorted by name.
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

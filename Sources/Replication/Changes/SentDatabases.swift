import LMDB
import Snapshots

/// A DBI of the application that snapshots contain.
struct SentDatabase: Sendable {
    /// Its name, as in snapshots.
    let name: String
    /// Its flags, as in snapshots.
    let flags: DatabaseFlags
    /// The DBI that stores the versions of its entries: itself, or its shadow.
    let versions: Database
}

/// The DBIs of one transaction that snapshots contain.
struct SentDatabases: Sendable {
    /// Sorted bytewise by name. One without a shadow is new, and is not sent before its shadow exists.
    let databases: [SentDatabase]
    /// Whether the application has any DBI.
    let isEmpty: Bool
    /// The names of all DBIs, private ones included.
    private let all: [String]

    /// - Throws: ``LocalContentError`` for a DBI that cannot be sent.
    init(_ transaction: borrowing ReadTransaction, _ schema: Schema) throws {
        let all = try transaction.databases()
        self.all = all.map(\.name)
        let own = all.filter { !PrivateDatabases.contains($0.name) }
        isEmpty = own.isEmpty
        var databases: [SentDatabase] = []
        for database in own {
            try schema.check(database)
            guard let versions = try transaction.database(schema.versions(of: database.name)) else { continue }
            databases.append(SentDatabase(name: database.name, flags: database.flags, versions: versions))
        }
        self.databases = databases
    }

    /// The number of DBIs that later ones lack.
    func count(missingIn later: SentDatabases) -> Int {
        let names = Set(later.databases.map(\.name))
        return databases.count { !names.contains($0.name) }
    }

    /// How a DBI of a later transaction relates to those of this one.
    enum Relation {
        /// It was sent.
        case sent
        /// It is new with all its entries.
        case new
        /// It was not sent, although the DBI with its versions existed, so that some of its entries are older.
        case reappeared
    }

    /// Relates the DBIs of a later transaction to those of this one.
    func relations(of later: SentDatabases) -> [Relation] {
        // Mostly they are the same.
        if later.databases.count == databases.count, zip(later.databases, databases).allSatisfy({ $0.name == $1.name })
        {
            return Array(repeating: .sent, count: databases.count)
        }
        let (sent, all) = (Set(databases.map(\.name)), Set(all))
        return later.databases.map { database in
            if sent.contains(database.name) { return .sent }
            return all.contains(database.versions.name) ? .reappeared : .new
        }
    }
}

import LMDB
import PowerDNSFormat
import Snapshots
import Support

/// The DBIs of main and shard, each in one read transaction, for checks. Must not be used after them.
package final class DatabaseView {
    /// Whether the main database is available.
    package private(set) var hasMain = false
    /// Whether the shard is available.
    private(set) var hasShard = false
    /// By ``PowerDNSTable/position``.
    // Without the run-time exclusivity check: no function called with it calls back.
    @exclusivity(unchecked) private var readers = DatabaseView.noReaders
    /// A buffer for key prefixes to search for.
    @exclusivity(unchecked) var prefix = KeptBytes(capacity: 1024)
    /// A second reader of the records, so that lookups do not move the first one.
    private(set) var recordWalk = TableReader()

    /// Runs `body` with read transactions of the given databases.
    ///
    /// The shard's transaction encloses the other one, as everywhere where both are needed: two threads that take them
    /// in different orders can wait for each other when handles are closed or a map is resized (`TransactionTurns`).
    package static func read<R>(
        main: Environment?, shard: Environment?, _ body: (DatabaseView) throws -> R
    ) throws -> R {
        let view = DatabaseView()
        guard let shard else { return try read(main: main, view, body) }
        return try shard.read { transaction in
            defer { view.close() }
            try view.open(.shard, transaction)
            view.hasShard = true
            return try read(main: main, view, body)
        }
    }

    private static func read<R>(
        main: Environment?, _ view: DatabaseView, _ body: (DatabaseView) throws -> R
    ) throws -> R {
        guard let main else { return try body(view) }
        return try main.read { transaction in
            defer { view.close() }
            try view.open(.main, transaction)
            view.hasMain = true
            return try body(view)
        }
    }

    private func open<T: Transaction & ~Copyable>(_ role: PowerDNSRole, _ transaction: borrowing T) throws(LMDBError) {
        for table in PowerDNSTable.allCases where table.role == role {
            readers[table.position] = try TableReader(table, transaction)
        }
        if role == .shard { recordWalk = try TableReader(.records, transaction) }
    }

    private func close() {
        readers = Self.noReaders
        recordWalk = TableReader()
    }

    /// The reader of a DBI.
    package subscript(table: PowerDNSTable) -> TableReader { readers[table.position] }

    private static var noReaders: [TableReader] { PowerDNSTable.allCases.map { _ in TableReader() } }
}

import LMDB
import PowerDNSFormat
import Snapshots
import Support

/// What checks read: the DBIs of main and shard, each in one read transaction. Not to be kept beyond them.
package final class DatabaseView {
    /// Whether the main database is there.
    package private(set) var hasMain = false
    /// Whether the shard is there.
    private(set) var hasShard = false
    /// By ``PowerDNSTable/position``.
    // Without the run-time exclusivity check: no function called with it calls back.
    @exclusivity(unchecked) private var readers = DatabaseView.noReaders
    /// Where the beginnings of keys are put together that are looked for.
    @exclusivity(unchecked) var prefix = KeptBytes(capacity: 1024)
    /// A second reader of the records: a walk must not lose its place when something is looked up.
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

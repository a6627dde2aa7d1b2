import LMDB
import PowerDNSFormat
import Snapshots

/// The zones of PowerDNS's main database, by their numbers in records, keys and metadata.
package struct ZoneTable: Sendable {
    private let database: Database

    /// - Returns: nil if the LMDB is not a main database.
    package init?<T: Transaction & ~Copyable>(_ transaction: borrowing T) throws(LMDBError) {
        guard let database = try transaction.database(PowerDNSTable.domains.rawValue) else { return nil }
        self.database = database
    }

    /// The live zone with a number, nil if there is none.
    ///
    /// - Throws: `DecodeError` for a value that cannot be read.
    package func zone<T: Transaction & ~Copyable>(
        _ id: UInt32, _ transaction: borrowing T
    ) throws -> DomainInfo? {
        try live(id, transaction).map { try DomainInfo($0.payload) }
    }

    /// Whether there is a live zone with a number, readable or not.
    package func isThere<T: Transaction & ~Copyable>(_ id: UInt32, _ transaction: borrowing T) throws -> Bool {
        try live(id, transaction) != nil
    }

    /// The live entry of a number. It points into the LMDB, and is valid during the transaction until the next write.
    private func live<T: Transaction & ~Copyable>(_ id: UInt32, _ transaction: borrowing T) throws -> ParsedEntry? {
        try withUnsafeBytes(of: id.bigEndian) { key in
            guard let value = try transaction.get(database, key), let entry = try? EntryHeader.parse(value) else {
                return nil
            }
            return entry.header.isDeleted ? nil : entry
        }
    }

    /// Calls `body` for each live zone, ordered by number.
    ///
    /// - Parameter body: receives the number, and the zone or the reason why it cannot be read.
    package func forEach<T: Transaction & ~Copyable>(
        _ transaction: borrowing T, _ body: (UInt32, Result<DomainInfo, any Error>) throws -> Void
    ) throws {
        var cursor = try transaction.openCursor(database)
        while try cursor.next() {
            guard let entry = try? EntryHeader.parse(cursor.value), !entry.header.isDeleted,
                let id = try? PowerDNSTable.id(cursor.key)
            else { continue }
            let payload = entry.payload
            try body(id, Result { try DomainInfo(payload) })
        }
    }
}

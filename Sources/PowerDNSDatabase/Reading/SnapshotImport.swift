import LMDB
import PowerDNSFormat
import Snapshots
import Support

/// A snapshot of one of PowerDNS's LMDBs, imported into a temporary LMDB, so that it can be read like an LMDB in constant memory.
///
/// It contains only PowerDNS's own DBIs. Values have headers, with the transaction number 0.
package struct SnapshotImport: Sendable {
    /// The LMDB; its files are removed with the last reference.
    package let environment: Environment
    /// The snapshot's metadata.
    package let meta: SnapshotMeta

    // Entries, or bytes, per commit: LMDB keeps them in memory until then.
    private static let batchEntries = 20_000
    private static let batchBytes = 16 << 20
    // More than any snapshot needs; a map uses space only for data.
    private static let mapSize = 1 << 40

    /// Reads all of a snapshot, which checks it as a whole.
    ///
    /// - Throws: `SnapshotError` for a damaged snapshot, ``PowerDNSReadError`` for one that no LMDB can contain, otherwise
    ///   errors of creating the temporary LMDB.
    package init(_ snapshot: Spool) throws {
        environment = try .temporary(mapSize: Self.mapSize)
        meta = try Self.read(snapshot, into: environment, isDelta: false)
        guard meta.fromTransactionID == 0, meta.from == 0 else {
            throw PowerDNSReadError(
                "it contains only changes since "
                    + (meta.from == 0
                        ? "transaction \(meta.fromTransactionID)"
                        : WallTime(nanosecondsSinceEpoch: meta.from).rfc3339(digits: 3)) + ", not all entries")
        }
    }

    /// Merges a delta of the same LMDB: an entry of it replaces one with the same key that is not newer.
    ///
    /// - Throws: as ``init(_:)``. Some entries may have been merged then.
    package func merge(_ delta: Spool) throws { _ = try Self.read(delta, into: environment, isDelta: true) }

    private static func read(_ snapshot: Spool, into environment: Environment, isDelta: Bool) throws -> SnapshotMeta {
        var reader = SnapshotReader(snapshot, maximumEntrySize: SnapshotReader.largestPlausibleEntry)
        var name: String?
        var isComplete = false
        while !isComplete {
            isComplete = try environment.write { transaction in
                .commit(try fill(transaction, &reader, &name, isDelta: isDelta))
            }
        }
        return reader.meta
    }

    /// - Returns: whether all entries were read.
    private static func fill(
        _ transaction: borrowing WriteTransaction, _ reader: inout SnapshotReader, _ name: inout String?, isDelta: Bool
    ) throws -> Bool {
        var entries = 0
        var bytes = 0
        while true {
            guard let current = name else {
                switch try reader.next() {
                case .databaseBegin:
                    if PowerDNSTable(rawValue: reader.databaseName) != nil { name = reader.databaseName }
                case .entry, .databaseEnd: break
                case .end: return true
                }
                continue
            }
            var cursor = try transaction.openWriteCursor(transaction.database(current, creating: []))
            while name != nil {
                if entries >= batchEntries || bytes >= batchBytes { return false }
                guard case .entry = try reader.next() else {
                    name = nil
                    continue
                }
                if try !isDelta || !isOlder(reader, than: &cursor.reading) {
                    try put(reader, &cursor, isDelta: isDelta)
                }
                entries += 1
                bytes += reader.value.count
            }
        }
    }

    /// Whether there is a newer entry with the same key.
    private static func isOlder(_ reader: borrowing SnapshotReader, than cursor: inout Cursor) throws -> Bool {
        guard (1...511).contains(reader.key.count), try cursor.find(reader.key) else { return false }
        return try EntryHeader.parse(cursor.value).header.timestamp > reader.timestamp
    }

    private static func put(
        _ reader: borrowing SnapshotReader, _ cursor: inout WriteCursor, isDelta: Bool
    ) throws {
        let (key, value) = (reader.key, reader.isDeleted ? nil : reader.value)
        guard (1...511).contains(key.count) else {
            throw PowerDNSReadError("an entry of DBI \(reader.databaseName) has a key of \(key.count) bytes")
        }
        let header = EntryHeader(
            timestamp: reader.timestamp, transactionID: 0, flags: value == nil ? EntryHeader.deletedFlag : 0)
        let fill = { (target: UnsafeMutableRawBufferPointer) in
            header.write(to: target)
            guard let value else { return }
            UnsafeMutableRawBufferPointer(rebasing: target[EntryHeader.size...]).copyMemory(from: value)
        }
        let size = EntryHeader.size + (value?.count ?? 0)
        do throws(LMDBError) {
            // Snapshots are in key order, which fills pages best.
            try cursor.put(key, size: size, append: !isDelta, fill)
        } catch {
            guard error.code == .keyExists else { throw error }
            try cursor.put(key, size: size, append: false, fill)
        }
    }
}

/// The reason why a PowerDNS database cannot be read.
package struct PowerDNSReadError: Error, Sendable, CustomStringConvertible {
    /// One line with the problem, its place and a fix.
    package let description: String

    /// - Parameter description: one line.
    package init(_ description: String) { self.description = description }
}

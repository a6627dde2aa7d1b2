import LMDB
import PowerDNSFormat
import Snapshots

/// The transactions that have written the entries of a zone, Deleted ones included: its entry, metadata, keys and records.
///
/// The header of an entry contains the local transaction that wrote it, by an application or a merge. That does not depend on clocks.
package struct ZoneFootprint: Sendable, Equatable {
    /// What was read from one LMDB.
    package struct Part: Sendable, Equatable {
        /// The transactions in the headers; nil if there are too many entries to read them all.
        package var transactions: Set<UInt64>? = []
        /// The transaction that read them.
        package var readIn: UInt64
    }

    /// Maximum number of entries read.
    package static let mostEntries = 100_000

    /// Zones, metadata and keys.
    package var main: Part
    /// Records.
    package var shard: Part
    /// The greatest timestamp of the entries, in nanoseconds since the UNIX epoch.
    package var changed: UInt64 = 0
    /// Whether the zone is deleted.
    package var isDeleted = true

    private var entries = 0

    /// - Parameters:
    ///   - main: zones, metadata and keys.
    ///   - shard: records.
    /// - Returns: nil if there is no zone of this name, and no Deleted entry of one.
    package init?(_ zone: ZoneName, main: Environment, shard: Environment) throws {
        (self.main, self.shard) = (Part(readIn: 0), Part(readIn: 0))
        var ids: Set<UInt32> = []
        var part = Part(readIn: 0)
        try main.read { transaction in
            part.readIn = transaction.id
            for (index, table) in [
                (PowerDNSTable.domainsIndex, PowerDNSTable.domains), (.metadataIndex, .metadata), (.keysIndex, .keys),
            ] {
                let found = try note(index, of: zone, &part, transaction)
                if index == .domainsIndex { ids = found }
                try note(found, in: table, &part, transaction)
            }
        }
        guard !ids.isEmpty else { return nil }
        self.main = part
        part = Part(readIn: 0)
        try shard.read { transaction in
            part.readIn = transaction.id
            guard let records = try transaction.database(PowerDNSTable.records.rawValue) else { return }
            for id in ids {
                var walk = try PrefixWalk(records, RecordKey.prefix(domainID: id), transaction)
                while part.transactions != nil, try walk.next() { note(walk.cursor.value, &part) }
            }
        }
        self.shard = part
    }

    /// Notes the entries of a name in an index.
    ///
    /// - Returns: the IDs, of deleted objects too.
    private mutating func note(
        _ index: PowerDNSTable, of zone: ZoneName, _ part: inout Part, _ transaction: borrowing ReadTransaction
    ) throws -> Set<UInt32> {
        guard let database = try transaction.database(index.rawValue) else { return [] }
        var ids: Set<UInt32> = []
        var walk = try PrefixWalk(database, IndexKey.prefix(of: zone), transaction)
        while try walk.next() {
            guard let id = try? PowerDNSTable.id(walk.rest) else { continue }
            ids.insert(id)
            let isDeleted = note(walk.cursor.value, &part)
            if index == .domainsIndex, !isDeleted { self.isDeleted = false }
        }
        return ids
    }

    private mutating func note(
        _ ids: Set<UInt32>, in table: PowerDNSTable, _ part: inout Part, _ transaction: borrowing ReadTransaction
    ) throws {
        guard let database = try transaction.database(table.rawValue) else { return }
        for id in ids {
            try withUnsafeBytes(of: id.bigEndian) { key in
                if let value = try transaction.get(database, key) { note(value, &part) }
            }
        }
    }

    /// - Returns: whether the entry is Deleted.
    @discardableResult
    private mutating func note(_ value: UnsafeRawBufferPointer, _ part: inout Part) -> Bool {
        // What cannot be read may be anything.
        guard let header = try? EntryHeader.parse(value).header else {
            part.transactions = nil
            return false
        }
        changed = max(changed, header.timestamp)
        entries += 1
        if entries > Self.mostEntries {
            part.transactions = nil
        } else {
            part.transactions?.insert(header.transactionID)
        }
        return header.isDeleted
    }
}

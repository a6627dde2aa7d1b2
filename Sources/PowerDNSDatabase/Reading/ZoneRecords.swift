import LMDB
import PowerDNSFormat
import Snapshots

/// An RRset of a zone; valid until the next movement.
package struct StoredRRset {
    /// The RRset's key.
    package let key: RecordKey
    /// The RRset's value after its header.
    package let payload: UnsafeRawBufferPointer
}

/// A stored entry of a zone's records; valid until the next movement.
struct ZoneRow {
    let key: UnsafeRawBufferPointer
    /// The key after the zone's ID.
    let rest: UnsafeRawBufferPointer
    /// The value after its header; including the header if that cannot be read.
    let payload: UnsafeRawBufferPointer
    /// The RRset, or the reason why it cannot be read.
    let rrset: Result<StoredRRset, any Error>
}

/// Iterates the RRsets of a zone in PowerDNS's order: canonical order of the names, then by
/// type.
package struct ZoneRecords: ~Copyable {
    private var walk: PrefixWalk
    /// The newest change among the visited entries, including deletions, in nanoseconds since the UNIX epoch.
    package private(set) var newestChange: UInt64 = 0

    /// - Parameters:
    ///   - id: the ID of the zone; nil for no records.
    ///   - transaction: a transaction of the shard.
    package init<T: Transaction & ~Copyable>(zone id: UInt32?, _ transaction: borrowing T) throws {
        // There is no zone 0.
        walk = try PrefixWalk(Self.database(transaction), RecordKey.prefix(domainID: id ?? 0), transaction)
    }

    private static func database<T: Transaction & ~Copyable>(_ transaction: borrowing T) throws -> Database {
        guard let database = try transaction.database(PowerDNSTable.records.rawValue) else {
            throw PowerDNSReadError("DBI \(PowerDNSTable.records.rawValue) no longer exists")
        }
        return database
    }

    /// Moves to the next RRset. PowerDNS's internal rows are skipped.
    ///
    /// - Returns: nil after the last one.
    /// - Throws: ``PowerDNSReadError`` for an unreadable entry; the next call continues after it.
    package mutating func next() throws -> StoredRRset? {
        guard let row = try nextRow() else { return nil }
        do { return try row.rrset.get() } catch {
            throw PowerDNSReadError("\(StructureRules.place(.records, row.key)): \(error)")
        }
    }

    /// Moves to the next RRset, or to the next unreadable entry.
    ///
    /// - Returns: nil after the last one.
    mutating func nextRow() throws -> ZoneRow? {
        while try walk.next() {
            let key = walk.cursor.key
            var payload = walk.cursor.value
            let rrset: Result<StoredRRset, any Error>
            do {
                let entry = try EntryHeader.parse(payload)
                newestChange = max(newestChange, entry.header.timestamp)
                if entry.header.isDeleted { continue }
                payload = entry.payload
                let recordKey = try RecordKey(key)
                guard try RowKind(recordKey, payload: payload) == .records else { continue }
                rrset = .success(StoredRRset(key: recordKey, payload: payload))
            } catch { rrset = .failure(error) }
            return ZoneRow(key: key, rest: walk.rest, payload: payload, rrset: rrset)
        }
        return nil
    }

    /// Calls `body` for each remaining RRset.
    ///
    /// - Parameter report: called for unreadable entries.
    package mutating func forEach(
        report: (any Error) throws -> Void, _ body: (StoredRRset) throws -> Void
    ) throws {
        while let rrset = try next(report: report) {
            do { try body(rrset) } catch let error as DecodeError { try report(error) }
        }
    }

    /// Moves to the next readable RRset.
    ///
    /// - Parameter report: called for unreadable entries.
    package mutating func next(report: (any Error) throws -> Void) throws -> StoredRRset? {
        while true {
            do { return try next() } catch let error as PowerDNSReadError { try report(error) }
        }
    }

    /// The SOA serial of a zone; nil if there is none that can be read.
    package static func serial<T: Transaction & ~Copyable>(
        zone id: UInt32, _ transaction: borrowing T
    ) throws -> UInt32? {
        guard let key = RecordKey.bytes(domainID: id, owner: .root, zone: .root, type: .soa),
            let value = try key.withUnsafeBytes({ try transaction.get(database(transaction), $0) }),
            let entry = try? EntryHeader.parse(value), !entry.header.isDeleted
        else { return nil }
        var stored = RecordValue(entry.payload)
        while let record = try? stored.next() {
            if !record.isDisabled { return RData.soaSerial(record.rdata) }
        }
        return nil
    }
}

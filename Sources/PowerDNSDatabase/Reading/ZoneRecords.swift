import LMDB
import PowerDNSFormat
import Snapshots

/// An RRset of a zone; valid until the walk goes on.
package struct StoredRRset {
    /// The RRset's key.
    package let key: RecordKey
    /// The RRset's value behind its header.
    package let payload: UnsafeRawBufferPointer
}

/// An entry of a zone's records, as it is stored; valid until the walk goes on.
struct ZoneRow {
    let key: UnsafeRawBufferPointer
    /// The key behind the zone's ID.
    let rest: UnsafeRawBufferPointer
    /// The value behind its header; with the header where that can't be read.
    let payload: UnsafeRawBufferPointer
    /// The RRset, or why it can't be read.
    let rrset: Result<StoredRRset, any Error>
}

/// Walks over the RRsets of a zone, in the order in which PowerDNS lists them: canonical order of the names, then of the
/// types.
package struct ZoneRecords: ~Copyable {
    private var walk: PrefixWalk
    /// The newest change among what has been walked over, deletions included, in nanoseconds since the UNIX epoch.
    package private(set) var newestChange: UInt64 = 0

    /// - Parameters:
    ///   - id: of the zone; nil for no records.
    ///   - transaction: of the shard.
    package init<T: Transaction & ~Copyable>(zone id: UInt32?, _ transaction: borrowing T) throws {
        // There is no zone 0.
        walk = try PrefixWalk(Self.database(transaction), RecordKey.prefix(domainID: id ?? 0), transaction)
    }

    private static func database<T: Transaction & ~Copyable>(_ transaction: borrowing T) throws -> Database {
        guard let database = try transaction.database(PowerDNSTable.records.rawValue) else {
            throw PowerDNSReadError("there is no DBI \(PowerDNSTable.records.rawValue) any more")
        }
        return database
    }

    /// Goes to the next RRset. What PowerDNS notes for itself between the records is left out.
    ///
    /// - Returns: nil behind the last one.
    /// - Throws: ``PowerDNSReadError`` for an entry that can't be read; the next call goes on behind it.
    package mutating func next() throws -> StoredRRset? {
        guard let row = try nextRow() else { return nil }
        do { return try row.rrset.get() } catch {
            throw PowerDNSReadError("\(StructureRules.place(.records, row.key)): \(error)")
        }
    }

    /// Goes to the next RRset, or to the next entry that can't be read.
    ///
    /// - Returns: nil behind the last one.
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

    /// Calls `body` for each RRset that is left.
    ///
    /// - Parameter report: is told what can't be read.
    package mutating func forEach(
        report: (any Error) throws -> Void, _ body: (StoredRRset) throws -> Void
    ) throws {
        while let rrset = try next(report: report) {
            do { try body(rrset) } catch let error as DecodeError { try report(error) }
        }
    }

    /// Goes to the next RRset that can be read.
    ///
    /// - Parameter report: is told what can't be read.
    package mutating func next(report: (any Error) throws -> Void) throws -> StoredRRset? {
        while true {
            do { return try next() } catch let error as PowerDNSReadError { try report(error) }
        }
    }

    /// The SOA serial of a zone; nil where there is none that can be read.
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

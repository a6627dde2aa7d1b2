import LMDB
import PowerDNSFormat
import Snapshots

/// Finds the objects of a zone through the indexes of names, as PowerDNS does.
package struct ZoneLookup: Sendable {
    private let databases: [PowerDNSTable: Database]

    /// An entry of an index.
    package struct IndexEntry: Sendable, Equatable {
        /// The ID of the object.
        package var id: UInt32
        /// When the entry was written, in nanoseconds since the UNIX epoch.
        package var timestamp: UInt64
        /// Whether it is a Deleted entry.
        package var isDeleted: Bool
    }

    /// - Parameter transaction: a transaction of the main LMDB.
    package init<T: Transaction & ~Copyable>(_ transaction: borrowing T) throws(LMDBError) {
        var databases: [PowerDNSTable: Database] = [:]
        for table in PowerDNSTable.allCases where table.role == .main {
            databases[table] = try transaction.database(table.rawValue)
        }
        self.databases = databases
    }

    /// Whether there are any zones, including deleted ones.
    package func hasZones<T: Transaction & ~Copyable>(_ transaction: borrowing T) throws(LMDBError) -> Bool {
        guard let domains = databases[.domains] else { return false }
        return try transaction.statistics(domains).entries > 0
    }

    /// The entries of a name in an index, including those of deleted objects, ordered by ID.
    package func entries<T: Transaction & ~Copyable>(
        _ index: PowerDNSTable, of zone: ZoneName, _ transaction: borrowing T
    ) throws -> [IndexEntry] {
        guard let database = databases[index] else { return [] }
        var walk = try PrefixWalk(database, IndexKey.prefix(of: zone), transaction)
        var found: [IndexEntry] = []
        while try walk.next() {
            guard let id = try? PowerDNSTable.id(walk.rest), let entry = try? EntryHeader.parse(walk.cursor.value)
            else {
                continue
            }
            found.append(IndexEntry(id: id, timestamp: entry.header.timestamp, isDeleted: entry.header.isDeleted))
        }
        return found
    }

    /// The live zones of a name; the first is the one that PowerDNS serves, with the oldest index entry.
    package func zones<T: Transaction & ~Copyable>(
        _ zone: ZoneName, _ transaction: borrowing T
    ) throws -> [(id: UInt32, info: DomainInfo)] {
        var found: [(IndexEntry, DomainInfo)] = []
        for entry in try entries(.domainsIndex, of: zone, transaction) where !entry.isDeleted {
            if let info = try object(.domains, entry.id, transaction, DomainInfo.init)?.value {
                found.append((entry, info))
            }
        }
        found.sort { ($0.0.timestamp, $0.0.id) < ($1.0.timestamp, $1.0.id) }
        return found.map { ($0.id, $1) }
    }

    /// The zone that PowerDNS serves for a name; nil if there is none.
    package func served<T: Transaction & ~Copyable>(
        _ ids: [UInt32], _ transaction: borrowing T
    ) throws -> (id: UInt32, info: DomainInfo)? {
        guard let id = ids.first, let info = try object(.domains, id, transaction, DomainInfo.init)?.value else {
            return nil
        }
        if ids.count == 1 { return (id, info) }
        do { return try zones(info.zone, transaction).first ?? (id, info) } catch is PowerDNSReadError {
            return (id, info)
        }
    }

    /// The live objects of a zone in a table with an index, ordered by ID.
    ///
    /// - Throws: ``PowerDNSReadError`` for one that cannot be read.
    package func objects<T: Transaction & ~Copyable, Object>(
        _ table: PowerDNSTable, of zone: ZoneName, _ transaction: borrowing T,
        _ decode: (UnsafeRawBufferPointer) throws -> Object
    ) throws -> [(id: UInt32, object: Object)] {
        guard let index = table.index else { return [] }
        return try entries(index, of: zone, transaction).compactMap { entry in
            guard !entry.isDeleted else { return nil }
            return try object(table, entry.id, transaction, decode).map { (entry.id, $0.value) }
        }
    }

    /// The live object with an ID and its time, nil if there is none.
    package func object<T: Transaction & ~Copyable, Object>(
        _ table: PowerDNSTable, _ id: UInt32, _ transaction: borrowing T,
        _ decode: (UnsafeRawBufferPointer) throws -> Object
    ) throws -> (value: Object, timestamp: UInt64)? {
        guard let database = databases[table] else { return nil }
        return try withUnsafeBytes(of: id.bigEndian) { key in
            guard let value = try transaction.get(database, key), let entry = try? EntryHeader.parse(value),
                !entry.header.isDeleted
            else { return nil }
            do { return (try decode(entry.payload), entry.header.timestamp) } catch let error as DecodeError {
                throw PowerDNSReadError("\(StructureRules.place(table, key)): \(error)")
            }
        }
    }
}

import LMDB
import PowerDNSFormat
import Snapshots

/// A summary of one zone, for the status page.
package struct ZoneGlance: Sendable, Equatable {
    /// Maximum number of entries read.
    package static let mostEntries = 10_000

    /// Its kind in PowerDNS: `NATIVE`, `MASTER`, …
    package var kind: String
    /// The SOA serial, nil without an SOA record.
    package var serial: UInt32?
    /// The number of its RRsets.
    package var rrsets = 0
    /// Whether there are more RRsets.
    package var hasMore = false
    /// The newest change of the zone, its metadata and keys, in nanoseconds since the UNIX epoch.
    package var changed: UInt64
    /// The newest change of its records; 0 if there are none.
    package var recordsChanged: UInt64 = 0

    /// - Parameters:
    ///   - main: zones, metadata and keys.
    ///   - shard: records; nil if they are not open.
    /// - Returns: nil if the zone does not exist.
    package init?(_ zone: ZoneName, main: Environment, shard: Environment?) throws {
        let found = try main.read { transaction -> (id: UInt32, kind: String, changed: UInt64)? in
            let lookup = try ZoneLookup(transaction)
            guard let (id, info) = try lookup.zones(zone, transaction).first else { return nil }
            var changed = try lookup.object(.domains, id, transaction, DomainInfo.init)?.timestamp ?? 0
            for index in [PowerDNSTable.metadataIndex, .keysIndex] {
                for entry in try lookup.entries(index, of: zone, transaction) {
                    changed = max(changed, entry.timestamp)
                }
            }
            return (id, "\(info.kind)", changed)
        }
        guard let found else { return nil }
        (kind, changed) = (found.kind, found.changed)
        guard let shard else { return }
        let records = try shard.read { transaction -> (serial: UInt32?, rrsets: Int, hasMore: Bool, changed: UInt64) in
            var walk = try ZoneRecords(zone: found.id, transaction)
            var (rrsets, entries) = (0, 0)
            while let row = try walk.nextRow() {
                entries += 1
                if case .success = row.rrset { rrsets += 1 }
                if entries == Self.mostEntries { break }
            }
            let serial = try ZoneRecords.serial(zone: found.id, transaction)
            return (serial, rrsets, entries == Self.mostEntries, walk.newestChange)
        }
        (serial, rrsets, hasMore, recordsChanged) =
            (records.serial, records.rrsets, records.hasMore, records.changed)
    }

    /// The number of zones.
    ///
    /// - Returns: nil if there is no table of zones, or it has too many entries to count quickly.
    package static func count(_ main: Environment) throws -> Int? {
        try main.read { transaction in
            guard let domains = try transaction.database(PowerDNSTable.domains.rawValue),
                try transaction.statistics(domains).entries <= 1 << 17
            else { return nil }
            var count = 0
            var cursor = try transaction.openCursor(domains)
            while try cursor.next() {
                if let entry = try? EntryHeader.parse(cursor.value), !entry.header.isDeleted { count += 1 }
            }
            return count
        }
    }
}

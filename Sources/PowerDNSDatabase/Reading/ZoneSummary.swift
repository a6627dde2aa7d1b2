import LMDB
import PowerDNSFormat
import Snapshots

/// The summary of a zone for one line.
package struct ZoneSummary: Sendable {
    /// The zone's ID.
    package var id: UInt32
    /// The zone's own entry.
    package var info: DomainInfo
    /// The SOA serial, nil without an SOA record.
    package var serial: UInt32?
    /// The number of served records.
    package var records = 0
    /// DNSSEC keys.
    package var keys: [KeyData] = []
    /// Whether the records contain signatures.
    package var isPresigned = false
    /// The newest change of the zone, its records, metadata and keys, including deletions; nanoseconds since the UNIX epoch.
    package var changed: UInt64

    /// Whether answers are signed.
    package var isSecured: Bool { isPresigned || keys.contains { $0.isActive } }

    /// - Parameters:
    ///   - id: the ID of the zone.
    ///   - report: called for unreadable data; readable data are still counted.
    /// - Returns: nil if the zone does not exist.
    package init?<M: Transaction & ~Copyable, S: Transaction & ~Copyable>(
        _ id: UInt32, _ lookup: ZoneLookup, _ main: borrowing M, _ shard: borrowing S,
        report: (any Error) throws -> Void
    ) throws {
        guard let (info, timestamp) = try lookup.object(.domains, id, main, DomainInfo.init) else { return nil }
        self.id = id
        self.info = info
        changed = timestamp
        for index in [PowerDNSTable.metadataIndex, .keysIndex] {
            for entry in try lookup.entries(index, of: info.zone, main) { changed = max(changed, entry.timestamp) }
        }
        do {
            keys = try lookup.objects(.keys, of: info.zone, main, KeyData.init).map(\.object)
            let metadata = try lookup.objects(.metadata, of: info.zone, main, DomainMetadata.init)
            isPresigned = metadata.contains { $0.object.kind == "PRESIGNED" && $0.object.value == "1" }
        } catch let error as PowerDNSReadError { try report(error) }
        serial = try ZoneRecords.serial(zone: id, shard)
        var walk = try ZoneRecords(zone: id, shard)
        try walk.forEach(report: report) { rrset in
            var value = RecordValue(rrset.payload)
            while let record = try value.next() { records += record.isDisabled ? 0 : 1 }
        }
        changed = max(changed, walk.newestChange)
    }
}

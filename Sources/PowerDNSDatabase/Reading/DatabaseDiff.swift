import LMDB
import PowerDNSFormat

/// Compares two PowerDNS databases in DNS terms.
///
/// Zones are matched by name, because their IDs may differ between hosts. Timestamps, IDs, comments and
/// PowerDNS's internal rows are ignored.
package enum DatabaseDiff {
    /// One of the two databases.
    package enum Side: Sendable { case first, second }

    /// A compared zone.
    package struct Zone: Sendable {
        /// Its name.
        package var name: ZoneName
        /// The sides on which it exists.
        package var isInFirst: Bool, isInSecond: Bool
        /// The SOA serial on the first side, nil if there is none.
        package var firstSerial: UInt32?
        /// The SOA serial on the second side, nil if there is none.
        package var secondSerial: UInt32?
    }

    /// A result of the comparison.
    package enum Event {
        /// The zone of the following events; none follow if it is the same on both sides.
        case zone(Zone)
        /// The following events belong to no zone.
        case server
        /// A property of the zone itself, for example the kind.
        case property(Side, name: String, value: String)
        /// A value of a kind of metadata.
        case metadata(Side, kind: String, value: String)
        /// A DNSSEC key.
        case key(Side, KeyData)
        /// A record; valid during the call.
        case record(Side, owner: DomainName, RecordType, StoredRecord)
        /// A TSIG key, view or network.
        case object(Side, kind: String, text: String)
    }

    /// Compares two databases.
    ///
    /// - Parameters:
    ///   - report: called with the side, the place and the reason for unreadable data; the comparison continues with the rest. Unreadable
    ///     records, keys and settings that are the same on both sides are not a difference, and not reported.
    ///   - body: called for everything that only one side has, zone by zone in canonical order.
    package static func run(
        _ first: DatabasePair, _ second: DatabasePair, report: (Side, String) throws -> Void,
        _ body: (Event) throws -> Void
    ) throws {
        try first.read { firstMain, firstShard in
            try second.read { secondMain, secondShard in
                try UnreadableEntries.find(firstMain, secondMain, report: report)
                let firstZones = try ZoneOrder(firstMain) { _, _ in }
                let secondZones = try ZoneOrder(secondMain) { _, _ in }
                let (firstLookup, secondLookup) = (try ZoneLookup(firstMain), try ZoneLookup(secondMain))
                try firstZones.join(secondZones) { firstIDs, secondIDs in
                    let old = try firstLookup.served(firstIDs, firstMain)
                    let new = try secondLookup.served(secondIDs, secondMain)
                    guard let name = old?.info.zone ?? new?.info.zone else { return }
                    try body(
                        .zone(
                            Zone(
                                name: name, isInFirst: old != nil, isInSecond: new != nil,
                                firstSerial: old.flatMap { try ZoneRecords.serial(zone: $0.id, firstShard) },
                                secondSerial: new.flatMap { try ZoneRecords.serial(zone: $0.id, secondShard) })))
                    try compare(
                        ZoneSettings(old, firstLookup, firstMain), ZoneSettings(new, secondLookup, secondMain), body)
                    var firstRecords = try ZoneRecords(zone: old?.id, firstShard)
                    var secondRecords = try ZoneRecords(zone: new?.id, secondShard)
                    try compare(&firstRecords, &secondRecords, in: name, report: report, body)
                }
                try body(.server)
                try difference(ServerObjects(firstMain).all, ServerObjects(secondMain).all) {
                    try body(.object($0, kind: $1.kind, text: $1.text))
                }
            }
        }
    }

    private static func compare(_ old: ZoneSettings, _ new: ZoneSettings, _ body: (Event) throws -> Void) throws {
        try difference(old.properties, new.properties) { try body(.property($0, name: $1.name, value: $1.value)) }
        try difference(old.metadata, new.metadata) { try body(.metadata($0, kind: $1.name, value: $1.value)) }
        try difference(old.keys, new.keys) { try body(.key($0, $1)) }
    }

    /// Calls `body` for elements that occur more often on one side, the first side before the second.
    private static func difference<Element: Hashable>(
        _ first: [Element], _ second: [Element], _ body: (Side, Element) throws -> Void
    ) throws {
        if first == second { return }
        for (side, mine, others) in [(Side.first, first, second), (.second, second, first)] {
            var rest: [Element: Int] = [:]
            for element in others { rest[element, default: 0] += 1 }
            for element in mine {
                if let count = rest[element], count > 0 {
                    rest[element] = count - 1
                } else {
                    try body(side, element)
                }
            }
        }
    }

    // MARK: Records

    private static func compare(
        _ first: inout ZoneRecords, _ second: inout ZoneRecords, in zone: ZoneName,
        report: (Side, String) throws -> Void, _ body: (Event) throws -> Void
    ) throws {
        var old = try first.nextRow()
        var new = try second.nextRow()
        while old != nil || new != nil {
            let order = old.map { old in new.map { old.order($0) } ?? -1 } ?? 1
            let (inFirst, inSecond) = (order <= 0 ? old : nil, order >= 0 ? new : nil)
            try compare(inFirst, inSecond, in: zone, report: report, body)
            if inFirst != nil { old = try first.nextRow() }
            if inSecond != nil { new = try second.nextRow() }
        }
    }

    private static func compare(
        _ first: ZoneRow?, _ second: ZoneRow?, in zone: ZoneName, report: (Side, String) throws -> Void,
        _ body: (Event) throws -> Void
    ) throws {
        // Compressed names in RDATA refer to the owner, which is the same on both sides.
        if let first, let second, first.payload.isSame(as: second.payload) { return }
        func read(_ row: ZoneRow?, _ side: Side) throws -> RRset? {
            guard let row else { return nil }
            do { return try RRset(row, in: zone.name) } catch let error as PowerDNSReadError {
                try report(side, "zone \(zone): \(error)")
                return nil
            }
        }
        let (old, new) = (try read(first, .first), try read(second, .second))
        guard let any = old ?? new else { return }
        try difference(old?.records ?? [], new?.records ?? []) {
            try body(.record($0, owner: any.owner, any.type, $1.record))
        }
    }
}

/// The contents of an entry.
private struct RRset {
    let owner: DomainName
    let type: RecordType
    let records: [ComparedRecord]

    init(_ row: ZoneRow, in zone: DomainName) throws {
        var place = StructureRules.place(.records, row.key)
        do {
            let rrset = try row.rrset.get()
            (owner, type) = (try rrset.key.owner(in: zone), rrset.key.type)
            place = "\(PowerDNSTable.records.rawValue), \(owner) \(type)"
            records = try ComparedRecord.all(type, rrset.payload, owner: owner)
        } catch { throw PowerDNSReadError("\(place): \(error)") }
    }
}

/// A record; equal if TTL, content and the disabled flag are.
private struct ComparedRecord: Hashable {
    let record: StoredRecord
    private let rdata: [UInt8]

    static func all(
        _ type: RecordType, _ payload: UnsafeRawBufferPointer, owner: DomainName
    ) throws(DecodeError) -> [ComparedRecord] {
        var value = RecordValue(payload)
        var found: [ComparedRecord] = []
        while let record = try value.next() {
            // RDATA that cannot be decoded are compared as bytes.
            let rdata = (try? RData.expanded(type, record.rdata, owner: owner)) ?? Array(record.rdata)
            found.append(ComparedRecord(record: record, rdata: rdata))
        }
        return found
    }

    static func == (one: ComparedRecord, other: ComparedRecord) -> Bool {
        one.record.ttl == other.record.ttl && one.record.isDisabled == other.record.isDisabled
            && one.rdata == other.rdata
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(record.ttl)
        hasher.combine(rdata)
    }
}

extension ZoneRow {
    /// Negative if it precedes another one of the same zone, 0 if the keys are equal.
    fileprivate func order(_ other: ZoneRow) -> Int {
        if rest.lexicographicallyPrecedes(other.rest) { return -1 }
        return other.rest.lexicographicallyPrecedes(rest) ? 1 : 0
    }
}

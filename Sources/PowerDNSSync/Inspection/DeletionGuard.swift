import LMDB
import PowerDNSFormat
import Replication
import Snapshots

/// Counts the deletions of a merge, and rejects too many. Off if the limits are zero.
struct DeletionGuard {
    /// Deletions in more zones are too many, whatever the percentages.
    static let mostZones = 100_000

    private let settings: InspectorSettings
    /// The changes of a zone's RRsets.
    private struct Tally {
        var removed = 0
        var hasMore = false
    }
    private var records: [UInt32: Tally] = [:]
    /// Zones deleted, by their own entry or that of their name, and those that get a new name.
    private var deleted: [UInt32: ZoneName?] = [:]
    private var indexed: Set<UInt32> = []
    private var hasTooMany = false

    init(_ settings: InspectorSettings) { self.settings = settings }

    private var isOff: Bool { settings.maxDeletedRecords <= 0 && settings.maxDeletedZones <= 0 }

    /// Whether ``objection(_:)`` has nothing to look at.
    var isEmpty: Bool { !hasTooMany && deleted.isEmpty && !records.contains { $0.value.removed > 0 } }

    /// Counts a change.
    ///
    /// - Parameter old: the payload before.
    mutating func note(
        _ kind: ChangeKind?, _ table: PowerDNSTable, _ key: UnsafeRawBufferPointer, from old: UnsafeRawBufferPointer?
    ) {
        guard !isOff, let kind else { return }
        switch table {
        case .domains:
            guard kind == .zoneDeleted, let id = try? PowerDNSTable.id(key) else { return }
            delete(id, old.flatMap { try? DomainInfo($0) }?.zone)
        case .domainsIndex:
            guard let entry = try? IndexKey(key) else { return }
            if old != nil {
                delete(entry.id, entry.zone)
            } else if indexed.count < Self.mostZones {
                indexed.insert(entry.id)
            }
        case .records:
            guard kind == .rrsetRemoved || kind == .rrsetAdded, let id = try? RecordKey(key).domainID else { return }
            if records[id] == nil, records.count >= Self.mostZones {
                if kind == .rrsetRemoved { hasTooMany = true }
            } else if kind == .rrsetRemoved {
                records[id, default: Tally()].removed += 1
            } else {
                records[id, default: Tally()].hasMore = true
            }
        default: break
        }
    }

    private mutating func delete(_ id: UInt32, _ name: ZoneName?) {
        if deleted[id] == nil, deleted.count >= Self.mostZones { hasTooMany = true } else { deleted[id] = .some(name) }
    }

    /// The objection to the merge; nil if there is none.
    ///
    /// - Parameter transaction: the database before the merge.
    func objection(_ transaction: borrowing ReadTransaction) throws -> Objection? {
        guard !isOff else { return nil }
        if hasTooMany {
            return Objection(
                rule: "max-deleted-records",
                text: "it would delete from more than \(Self.mostZones) zones; to accept it, "
                    + "set powerdns.validation.max_deleted_records and max_deleted_zones to 0 temporarily"
            )
        }
        let gone = deleted.filter { !indexed.contains($0.key) }.sorted { $0.key < $1.key }
        if let objection = try zoneObjection(
            gone.map { id, name in name.map { .name($0) } ?? .number(id) }, of: Self.liveEntries(.domains, transaction))
        {
            return objection
        }
        guard records.contains(where: { $0.value.removed > 0 }),
            let table = try transaction.database(PowerDNSTable.records.rawValue)
        else { return nil }
        var emptied: [Objection.Zone] = []
        var cursor = try transaction.openCursor(table)
        for (id, tally) in records.sorted(by: { $0.key < $1.key }) where tally.removed > 0 {
            let present = try Self.rrsets(of: id, &cursor)
            // A zone deleted as a whole is counted in the other database.
            if tally.removed >= present, !tally.hasMore {
                emptied.append(.number(id))
            } else if settings.maxDeletedRecords > 0,
                Double(tally.removed) * 100 > settings.maxDeletedRecords * Double(present)
            {
                return Objection(
                    rule: "max-deleted-records", zones: [.number(id)],
                    text: "it would delete \(tally.removed) of its \(present) RRsets, more than "
                        + "powerdns.validation.max_deleted_records allows (\(settings.maxDeletedRecords) %); "
                        + "raise it temporarily to accept this")
            }
        }
        return try zoneObjection(emptied, of: Self.zonesWithRecords(&cursor))
    }

    private func zoneObjection(
        _ zones: [Objection.Zone], of present: @autoclosure () throws -> Int
    ) rethrows -> Objection? {
        guard !zones.isEmpty, settings.maxDeletedZones > 0 else { return nil }
        let present = try present()
        guard Double(zones.count) * 100 > settings.maxDeletedZones * Double(present) else { return nil }
        return Objection(
            rule: "max-deleted-zones", zones: Array(zones.prefix(Objection.mostZones)),
            moreZones: max(0, zones.count - Objection.mostZones),
            text:
                "it would delete \(zones.count) of \(present) zones, more than powerdns.validation.max_deleted_zones allows "
                + "(\(settings.maxDeletedZones) %); raise it temporarily to accept this")
    }

    private static func isLive(_ value: UnsafeRawBufferPointer) -> Bool {
        (try? EntryHeader.parse(value))?.header.isDeleted == false
    }

    private static func liveEntries(
        _ table: PowerDNSTable, _ transaction: borrowing ReadTransaction
    ) throws -> Int {
        guard let database = try transaction.database(table.rawValue) else { return 0 }
        var cursor = try transaction.openCursor(database)
        var count = 0
        while try cursor.next() {
            if isLive(cursor.value) { count += 1 }
        }
        return count
    }

    /// The live RRsets of a zone, without internal rows.
    private static func rrsets(of id: UInt32, _ cursor: inout Cursor) throws -> Int {
        var count = 0
        var isThere = try RecordKey.prefix(domainID: id).withUnsafeBytes { key throws in try cursor.seek(key) }
        while isThere, let key = try? RecordKey(cursor.key), key.domainID == id {
            if key.type != .emptyNonTerminal, key.type != .nsec3, isLive(cursor.value) { count += 1 }
            isThere = try cursor.next()
        }
        return count
    }

    /// The number of zones with records, with one seek for each if the first entries are live.
    private static func zonesWithRecords(_ cursor: inout Cursor) throws -> Int {
        var count = 0
        var isThere = try cursor.first()
        while isThere {
            guard let key = try? RecordKey(cursor.key), isLive(cursor.value) else {
                isThere = try cursor.next()
                continue
            }
            count += 1
            let id = key.domainID
            guard id < .max else { break }
            isThere = try RecordKey.prefix(domainID: id + 1).withUnsafeBytes { key throws in try cursor.seek(key) }
        }
        return count
    }
}

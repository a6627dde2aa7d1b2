import LMDB
import PowerDNSSchema
import Replication
import Snapshots

/// Counts what a merge would delete, and refuses when that is too much. Off where the limits are zero.
struct DeletionGuard {
    /// Deletions in more zones than this are too many, whatever the percentages.
    static let mostZones = 100_000

    private let settings: InspectorSettings
    /// RRsets that would be deleted, by the number of the zone.
    private var records: [UInt32: Int] = [:]
    private var hasTooMany = false
    private var zones = 0

    init(_ settings: InspectorSettings) { self.settings = settings }

    private var isOff: Bool { settings.maxDeletedRecords <= 0 && settings.maxDeletedZones <= 0 }

    /// A change was told.
    mutating func note(_ kind: ChangeKind?, _ table: PowerDNSTable, _ key: UnsafeRawBufferPointer) {
        guard !isOff, let kind else { return }
        if kind == .zoneDeleted { zones += 1 }
        guard kind == .rrsetRemoved, table == .records, let id = try? RecordKey(key).domainID else { return }
        if records[id] == nil, records.count >= Self.mostZones {
            hasTooMany = true
        } else {
            records[id, default: 0] += 1
        }
    }

    /// What speaks against the merge; nil when nothing does.
    ///
    /// - Parameter transaction: shows the database as it is before the merge.
    func objection(_ transaction: borrowing ReadTransaction) throws -> (rule: String, text: String)? {
        guard !isOff else { return nil }
        if hasTooMany {
            return ("max-deleted-records", "it would delete records of more than \(Self.mostZones) zones")
        }
        if let objection = try zoneObjection(
            zones, of: Self.liveEntries(.domains, transaction), "max_deleted_zones")
        {
            return objection
        }
        guard !records.isEmpty, let table = try transaction.database(PowerDNSTable.records.rawValue) else { return nil }
        var emptied = 0
        var cursor = try transaction.openCursor(table)
        for (id, removed) in records.sorted(by: { $0.key < $1.key }) {
            let present = try Self.rrsets(of: id, &cursor)
            // A zone that goes as a whole: its end is told in the other database.
            if removed >= present {
                emptied += 1
            } else if settings.maxDeletedRecords > 0,
                Double(removed) * 100 > settings.maxDeletedRecords * Double(present)
            {
                return (
                    "max-deleted-records",
                    "it would delete \(removed) of \(present) RRsets of zone #\(id), more than "
                        + "powerdns.validation.max_deleted_records allows (\(settings.maxDeletedRecords) %); "
                        + "raise it for as long as that is wanted"
                )
            }
        }
        guard emptied > 0, settings.maxDeletedZones > 0 else { return nil }
        return try zoneObjection(emptied, of: Self.zonesWithRecords(&cursor), "max_deleted_zones")
    }

    private func zoneObjection(
        _ deleted: Int, of present: @autoclosure () throws -> Int, _ key: String
    ) rethrows -> (rule: String, text: String)? {
        guard deleted > 0, settings.maxDeletedZones > 0 else { return nil }
        let present = try present()
        guard Double(deleted) * 100 > settings.maxDeletedZones * Double(present) else { return nil }
        return (
            "max-deleted-zones",
            "it would delete \(deleted) of \(present) zones, more than powerdns.validation.\(key) allows "
                + "(\(settings.maxDeletedZones) %); raise it for as long as that is wanted"
        )
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

    /// The live RRsets of a zone, without the rows between them.
    private static func rrsets(of id: UInt32, _ cursor: inout Cursor) throws -> Int {
        var count = 0
        var isThere = try RecordKey.prefix(domainID: id).withUnsafeBytes { key throws in try cursor.seek(key) }
        while isThere, let key = try? RecordKey(cursor.key), key.domainID == id {
            if key.type != .emptyNonTerminal, key.type != .nsec3, isLive(cursor.value) { count += 1 }
            isThere = try cursor.next()
        }
        return count
    }

    /// How many zones have records, one seek for each where the first entries are live.
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

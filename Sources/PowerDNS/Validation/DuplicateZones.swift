import LMDB
import PowerDNSSchema
import Replication
import Snapshots

/// Finds zones of the same name in a main database of schema 5, and gives all but the one that PowerDNS uses names under
/// which they can be deleted: what `experimental pdns-v5-fix-duplicate-domains` does.
///
/// Only entries of the index of names are changed.
package struct DuplicateZones: Sendable {
    /// Whether an extension block follows added headers (`header_extra_padding_block`).
    package var paddingBlock: Bool
    /// Gives the time of what is changed, in nanoseconds since the UNIX epoch.
    package var now: WallClock

    /// See the properties of the same names.
    package init(paddingBlock: Bool = false, now: @escaping WallClock = systemWallClock) {
        self.paddingBlock = paddingBlock
        self.now = now
    }

    /// Zones of one name.
    package struct Duplicate: Sendable, Equatable {
        /// The name.
        package var zone: ZoneName
        /// The ID of the one that PowerDNS uses: that of the oldest index entry, of several the lowest ID.
        package var used: UInt32
        /// The IDs of the others.
        package var others: [UInt32]
    }

    /// What there is.
    package struct Report: Sendable, Equatable {
        /// Names that several zones have, or had before they were renamed, in the order of the index.
        package var duplicates: [Duplicate] = []
        /// Zones that were renamed before.
        package var renamed: [ZoneName] = []
    }

    /// Finds duplicates, and changes nothing.
    ///
    /// - Throws: `LocalContentError` for anything but a main database of schema 5.
    package func find(_ environment: Environment) throws -> Report {
        try environment.read { try find($0) }
    }

    /// Finds duplicates, and renames all but those that PowerDNS uses, in one transaction.
    ///
    /// - Throws: `LocalContentError` for anything but a main database of schema 5, and for a name that would become too
    ///   long; nothing has been changed then.
    package func rename(_ environment: Environment) throws -> Report {
        try environment.write { transaction in
            let report = try find(transaction)
            guard !report.duplicates.isEmpty else { return .abort(report) }
            let index = try index(transaction)
            for duplicate in report.duplicates {
                for id in duplicate.others { try rename(duplicate.zone, id, index, transaction) }
            }
            return .commit(report)
        }
    }

    // MARK: Names

    /// The name that a duplicate gets: `ZONE.dup-ID.invalid.`; nil when that is too long.
    package static func newName(of zone: ZoneName, id: UInt32) -> ZoneName? {
        guard let suffix = suffix(id), let name = try? zone.name.appending(suffix) else { return nil }
        return ZoneName(name, variant: zone.variant)
    }

    /// Whether a zone has got its name from ``newName(of:id:)``.
    package static func isRenamed(_ zone: ZoneName, id: UInt32) -> Bool {
        suffix(id).map { zone.name.isSubdomain(of: $0) } ?? false
    }

    private static func suffix(_ id: UInt32) -> DomainName? { try? DomainName("dup-\(id).invalid") }

    // MARK: Finding

    private func index<T: Transaction & ~Copyable>(_ transaction: borrowing T) throws -> Database {
        let name = PowerDNSTable.settings.rawValue
        guard try transaction.database(name) != nil else {
            throw LocalContentError("there is no DBI \(name): it is no main database of PowerDNS 4.8 or later")
        }
        guard let version = try PdnsValue.schemaVersion(transaction) else {
            throw LocalContentError("DBI \(name) has no readable schemaversion")
        }
        guard version == 5 else {
            throw LocalContentError(
                "the schema is version \(version), and this is only for version 5 (PowerDNS 4.8 and 4.9)")
        }
        guard let index = try transaction.database(PowerDNSTable.domainsIndex.rawValue) else {
            throw LocalContentError("there is no DBI \(PowerDNSTable.domainsIndex.rawValue)")
        }
        return index
    }

    private func find<T: Transaction & ~Copyable>(_ transaction: borrowing T) throws -> Report {
        var report = Report()
        var zones: [DatabaseView.IndexedZone] = []
        var name: ZoneName?
        func finish() {
            guard zones.count > 1, let name, let used = DatabaseView.used(zones)?.id else { return }
            report.duplicates.append(
                Duplicate(zone: name, used: used, others: zones.map(\.id).filter { $0 != used }))
        }
        var cursor = try transaction.openCursor(index(transaction))
        while try cursor.next() {
            guard let entry = try? EntryHeader.parse(cursor.value), !entry.header.isDeleted,
                let key = try? IndexKey(cursor.key)
            else { continue }
            if Self.isRenamed(key.zone, id: key.id) { report.renamed.append(key.zone) }
            if key.zone != name {
                finish()
                (name, zones) = (key.zone, [])
            }
            zones.append(.init(id: key.id, timestamp: entry.header.timestamp))
        }
        finish()
        return report
    }

    // MARK: Renaming

    private func rename(
        _ zone: ZoneName, _ id: UInt32, _ index: Database, _ transaction: borrowing WriteTransaction
    ) throws {
        guard let newName = Self.newName(of: zone, id: id) else {
            throw LocalContentError("the name of the zone \(zone) is too long to be renamed; delete it with pdnsutil")
        }
        let (old, new) = (IndexKey(zone: zone, id: id).bytes, IndexKey(zone: newName, id: id).bytes)
        let time = try max(now(), time(after: old, index, transaction), time(after: new, index, transaction))
        try put(old, EntryHeader.deletedFlag, time, index, transaction)
        try put(new, 0, time, index, transaction)
    }

    /// The earliest time at which a change of an entry is newer than the entry.
    private func time(
        after key: [UInt8], _ index: Database, _ transaction: borrowing WriteTransaction
    ) throws -> UInt64 {
        try key.withUnsafeBytes { key in
            guard let value = try transaction.get(index, key), let entry = try? EntryHeader.parse(value) else {
                return 0
            }
            let (next, overflow) = entry.header.timestamp.addingReportingOverflow(1)
            return overflow ? .max : next
        }
    }

    private func put(
        _ key: [UInt8], _ flags: UInt8, _ time: UInt64, _ index: Database, _ transaction: borrowing WriteTransaction
    ) throws {
        let header = EntryHeader(timestamp: time, transactionID: transaction.id, flags: flags)
        var value = [UInt8](repeating: 0, count: EntryHeader.size(paddingBlock: paddingBlock))
        value.withUnsafeMutableBytes { header.write(to: $0, paddingBlock: paddingBlock) }
        try key.withUnsafeBytes { key in try value.withUnsafeBytes { try transaction.put(index, key, $0) } }
    }
}

import LMDB
import PowerDNSFormat
import Snapshots
import Support

/// Finds duplicate zones in a main database of schema 5, and renames all but the one that PowerDNS uses,
/// so that they can be deleted: the implementation of `experimental pdns-v5-fix-duplicate-domains`.
///
/// Only entries of the name index are changed.
package struct DuplicateZones: Sendable {
    /// Whether to add an extension block to new headers (`header_extra_padding_block`).
    package var paddingBlock: Bool
    /// The time of changes, in nanoseconds since the UNIX epoch.
    package var now: WallClock

    /// See the properties of the same names.
    package init(paddingBlock: Bool = false, now: @escaping WallClock = systemWallClock) {
        self.paddingBlock = paddingBlock
        self.now = now
    }

    /// Several zones of one name.
    package struct Duplicate: Sendable, Equatable {
        /// The name.
        package var zone: ZoneName
        /// The ID of the zone that PowerDNS uses: that of the oldest index entry, of several the lowest ID.
        package var used: UInt32
        /// The IDs of the others.
        package var others: [UInt32]
    }

    /// An entry of the name index without a zone.
    package struct LeftOver: Sendable, Equatable {
        /// The name.
        package var zone: ZoneName
        /// The ID without a zone.
        package var id: UInt32
    }

    /// The findings.
    package struct Report: Sendable, Equatable {
        /// Names with several zones, now or before they were renamed, in the order of the index.
        package var duplicates: [Duplicate] = []
        /// Zones that were renamed earlier and still exist.
        package var renamed: [ZoneName] = []
        /// Index entries without a zone: of renamed zones that have been deleted, which PowerDNS 4 does not remove, and
        /// those beside other entries of their name, which PowerDNS may use for the zone. Empty if no entry of a name
        /// has a zone, or the table of zones is missing: then it is unknown which of them are left over.
        package var leftOver: [LeftOver] = []
    }

    /// Finds duplicates without changing anything.
    ///
    /// - Throws: `PowerDNSReadError` for anything but a main database of schema 5.
    package func find(_ environment: Environment) throws -> Report {
        try environment.read { try find($0) }
    }

    /// Finds duplicates, renames all but those that PowerDNS uses, and deletes left-over index entries, in one
    /// transaction.
    ///
    /// - Throws: `PowerDNSReadError` for anything but a main database of schema 5, and for a name that would become too
    ///   long; nothing has been changed then.
    package func rename(_ environment: Environment) throws -> Report {
        try environment.write { transaction in
            let report = try find(transaction)
            guard !report.duplicates.isEmpty || !report.leftOver.isEmpty else { return .abort(report) }
            let index = try index(transaction)
            for duplicate in report.duplicates {
                for id in duplicate.others { try rename(duplicate.zone, id, index, transaction) }
            }
            for entry in report.leftOver {
                let key = IndexKey(zone: entry.zone, id: entry.id).bytes
                try put(
                    key, EntryHeader.deletedFlag, max(now(), time(after: key, index, transaction)), index, transaction)
            }
            return .commit(report)
        }
    }

    // MARK: Names

    /// The new name of a duplicate: `ZONE.dup-ID.invalid.`; nil if it is too long.
    package static func newName(of zone: ZoneName, id: UInt32) -> ZoneName? {
        guard let suffix = suffix(id), let name = try? zone.name.appending(suffix) else { return nil }
        return ZoneName(name, variant: zone.variant)
    }

    /// Whether a zone's name is from ``newName(of:id:)``.
    package static func isRenamed(_ zone: ZoneName, id: UInt32) -> Bool {
        suffix(id).map { zone.name.isSubdomain(of: $0) } ?? false
    }

    private static func suffix(_ id: UInt32) -> DomainName? { try? DomainName("dup-\(id).invalid") }

    // MARK: Finding

    private func index<T: Transaction & ~Copyable>(_ transaction: borrowing T) throws -> Database {
        let name = PowerDNSTable.settings.rawValue
        guard try transaction.database(name) != nil else {
            throw PowerDNSReadError("there is no DBI \(name): it is not a main database of PowerDNS 4.8 or later")
        }
        guard let version = try PdnsValue.schemaVersion(transaction) else {
            throw PowerDNSReadError("DBI \(name) has no readable schemaversion")
        }
        guard version == 5 else {
            throw PowerDNSReadError(
                "the schema is version \(version), but version 5 is required (PowerDNS 4.8 and 4.9)")
        }
        guard let index = try transaction.database(PowerDNSTable.domainsIndex.rawValue) else {
            throw PowerDNSReadError("there is no DBI \(PowerDNSTable.domainsIndex.rawValue)")
        }
        return index
    }

    private func find<T: Transaction & ~Copyable>(_ transaction: borrowing T) throws -> Report {
        var report = Report()
        var entries: [DatabaseView.IndexedZone] = []
        var name: ZoneName?
        let zones = try ZoneTable(transaction)
        func finish() throws {
            guard let name else { return }
            var there: [DatabaseView.IndexedZone] = []
            var leftOver: [LeftOver] = []
            for entry in entries {
                let isRenamed = Self.isRenamed(name, id: entry.id)
                // A single entry is kept without reading the zone: most names have one.
                guard entries.count > 1 || isRenamed else { return }
                if try zones?.isThere(entry.id, transaction) ?? true {
                    there.append(entry)
                    if isRenamed { report.renamed.append(name) }
                } else {
                    leftOver.append(LeftOver(zone: name, id: entry.id))
                }
            }
            // The last entry of a name is kept, unless it was created by renaming.
            if there.isEmpty, !leftOver.allSatisfy({ Self.isRenamed(name, id: $0.id) }) {
                there = entries
            } else {
                report.leftOver += leftOver
            }
            guard there.count > 1, let used = DatabaseView.used(there)?.id else { return }
            report.duplicates.append(Duplicate(zone: name, used: used, others: there.map(\.id).filter { $0 != used }))
        }
        var cursor = try transaction.openCursor(index(transaction))
        while try cursor.next() {
            guard let (key, timestamp) = try Self.live(cursor.key, cursor.value) else { continue }
            if key.zone != name {
                try finish()
                (name, entries) = (key.zone, [])
            }
            entries.append(.init(id: key.id, timestamp: timestamp))
        }
        try finish()
        return report
    }

    /// An index entry and its time; nil for a Deleted one.
    ///
    /// - Throws: `PowerDNSReadError` for one that cannot be read: it may have the name of other zones.
    private static func live(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(PowerDNSReadError) -> (IndexKey, UInt64)? {
        func damaged(_ what: String) -> PowerDNSReadError {
            PowerDNSReadError(
                "the entry \(PrintableText.bytes(key)) of DBI \(PowerDNSTable.domainsIndex.rawValue) \(what); repair or delete it "
                    + "first")
        }
        let header: EntryHeader
        do throws(EntryHeaderError) {
            header = try EntryHeader.parse(value).header
        } catch {
            throw damaged("has no valid LS header (\(error))")
        }
        if header.isDeleted { return nil }
        do throws(DecodeError) {
            return (try IndexKey(key), header.timestamp)
        } catch {
            throw damaged("has a key that is not one of name and ID (\(error))")
        }
    }

    // MARK: Renaming

    private func rename(
        _ zone: ZoneName, _ id: UInt32, _ index: Database, _ transaction: borrowing WriteTransaction
    ) throws {
        guard let newName = Self.newName(of: zone, id: id) else {
            throw PowerDNSReadError("the name of the zone \(zone) is too long to be renamed; delete it with pdnsutil")
        }
        let (old, new) = (IndexKey(zone: zone, id: id).bytes, IndexKey(zone: newName, id: id).bytes)
        let time = try max(now(), time(after: old, index, transaction), time(after: new, index, transaction))
        try put(old, EntryHeader.deletedFlag, time, index, transaction)
        try put(new, 0, time, index, transaction)
    }

    /// The earliest time that makes a change newer than the entry.
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

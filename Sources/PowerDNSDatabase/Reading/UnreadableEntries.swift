import LMDB
import PowerDNSFormat
import Snapshots

/// Finds unreadable entries of two main LMDBs, the two sides of a comparison.
///
/// Equal entries are not a difference, except for zones: nothing of an unreadable zone is compared.
enum UnreadableEntries {
    /// Settings of the database and frequently changing data of zones are not compared.
    private static let tables = PowerDNSTable.allCases.filter {
        $0.role == .main && $0 != .settings && $0 != .domainsExtra
    }

    /// Iterates both, in key order.
    static func find<A: Transaction & ~Copyable, B: Transaction & ~Copyable>(
        _ first: borrowing A, _ second: borrowing B, report: (DatabaseDiff.Side, String) throws -> Void
    ) throws {
        for table in tables {
            let (old, new) = (try TableReader(table, first), try TableReader(table, second))
            try old.first()
            try new.first()
            while old.isAtEntry || new.isAtEntry {
                let isOld = old.isAtEntry && !(new.isAtEntry && new.key.lexicographicallyPrecedes(old.key))
                let isNew = new.isAtEntry && !(old.isAtEntry && old.key.lexicographicallyPrecedes(new.key))
                let problems = (isOld ? problem(table, old) : nil, isNew ? problem(table, new) : nil)
                let isSame =
                    problems.0.map { one in problems.1.map { one.bytes.isSame(as: $0.bytes) } ?? false } ?? false
                if !isSame || table == .domains {
                    if let problem = problems.0 { try report(.first, problem.text) }
                    if let problem = problems.1 { try report(.second, problem.text) }
                }
                if isOld { try old.next() }
                if isNew { try new.next() }
            }
        }
    }

    /// The reason why an entry cannot be read, and its comparable part; nil if it can.
    private static func problem(
        _ table: PowerDNSTable, _ reader: TableReader
    ) -> (text: String, bytes: UnsafeRawBufferPointer)? {
        let place = StructureRules.place(table, reader.key)
        let entry: ParsedEntry
        do throws(EntryHeaderError) {
            entry = try EntryHeader.parse(reader.value)
        } catch {
            return ("\(place): \(error)", reader.value)
        }
        if entry.header.isDeleted { return nil }
        do throws(DecodeError) {
            _ = try PowerDNSEntry(table, key: reader.key, payload: entry.payload)
            return nil
        } catch {
            return ("\(place): \(error)", entry.payload)
        }
    }
}

import PowerDNSFormat
import Snapshots
import Support

/// Checks that PowerDNS can read the entries.
struct StructureRules {
    let report: (ValidationFinding) throws -> Void

    /// Checks all entries of a main database, and the comments of a shard. Its records are checked by zone.
    func check(_ view: DatabaseView) throws {
        for table in PowerDNSTable.allCases where table != .records {
            let reader = view[table]
            try reader.first()
            while reader.isAtEntry {
                try check(table, key: reader.key, value: reader.value)
                try reader.next()
            }
        }
    }

    /// Checks an entry.
    func check(_ table: PowerDNSTable, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) throws {
        guard let payload = try header(table, key, value) else { return }
        do throws(DecodeError) {
            _ = try PowerDNSEntry(table, key: key, payload: payload)
        } catch {
            try bad(table, key, error)
        }
    }

    /// Checks the header of an entry, and the key of a Deleted one.
    ///
    /// - Returns: the payload of a live one.
    func header(
        _ table: PowerDNSTable, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws -> UnsafeRawBufferPointer? {
        let entry: ParsedEntry
        do throws(EntryHeaderError) {
            entry = try EntryHeader.parse(value)
        } catch {
            try report(ValidationFinding(.badHeader, "\(Self.place(table, key)): \(error)"))
            return nil
        }
        guard entry.header.isDeleted else { return entry.payload }
        do throws(DecodeError) {
            try PowerDNSEntry.checkKey(table, key)
        } catch {
            try bad(table, key, error)
        }
        return nil
    }

    /// Reports an entry that cannot be decoded.
    func bad(
        _ table: PowerDNSTable, _ key: UnsafeRawBufferPointer, _ error: DecodeError,
        severity: ValidationFinding.Severity? = nil, zone: String? = nil, owner: String? = nil, type: String? = nil,
        isKey: Bool = false
    ) throws {
        let isKey = isKey || (try? PowerDNSEntry.checkKey(table, key)) == nil
        let consequence =
            if error.problem == .refusedByNewer {
                "only PowerDNS 4 serves it"
            } else if type == nil {
                "PowerDNS cannot read it"
            } else {
                // A version may serve part of an entry that another one rejects.
                "not every version of PowerDNS serves it unchanged"
            }
        try report(
            ValidationFinding(
                isKey ? .badKey : .badValue, severity: severity, zone: zone, owner: owner, type: type,
                "\(Self.place(table, key)): the \(isKey ? "key" : "value") \(error); \(consequence), rewrite it"
            ))
    }

    /// The DBI and the key in hexadecimal digits, truncated if too long.
    static func place(_ table: PowerDNSTable, _ key: UnsafeRawBufferPointer) -> String {
        let most = 40
        return "\(table.rawValue), key \(hexadecimal(key.prefix(most)))\(key.count > most ? "…" : "")"
    }
}

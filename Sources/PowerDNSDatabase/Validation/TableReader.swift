import Glibc
import LMDB
import PowerDNSFormat
import Snapshots

/// Reads one DBI of PowerDNS in key order; a missing DBI is empty.
///
/// It must not outlive the transaction, and ``key`` and ``value`` are valid until the next movement.
package final class TableReader {
    // Without the run-time exclusivity check, which would run several times per row: the movements of a cursor do not
    // call back.
    @exclusivity(unchecked) private var cursor: Cursor?
    /// Whether it is at an entry.
    @exclusivity(unchecked) package private(set) var isAtEntry = false

    /// An empty reader.
    init() { cursor = nil }

    /// - Parameter table: the reader is empty if the DBI does not exist, or has other flags than PowerDNS's.
    package init<T: Transaction & ~Copyable>(_ table: PowerDNSTable, _ transaction: borrowing T) throws(LMDBError) {
        if let database = try transaction.database(table.rawValue), database.sortsBytewise,
            !database.flags.contains(.duplicateSort)
        {
            cursor = try transaction.openCursor(database)
        } else {
            cursor = nil
        }
    }

    /// The current key; empty after the last one.
    package var key: UnsafeRawBufferPointer { isAtEntry ? cursor?.key ?? Self.nothing : Self.nothing }
    /// The current value; empty after the last one.
    package var value: UnsafeRawBufferPointer { isAtEntry ? cursor?.value ?? Self.nothing : Self.nothing }

    private static var nothing: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }

    /// Moves to the next entry, initially the first one.
    package func next() throws(LMDBError) { isAtEntry = try cursor?.next() ?? false }

    /// Moves to the first entry.
    func first() throws(LMDBError) { isAtEntry = try cursor?.first() ?? false }

    /// Moves to the first entry whose key is not below `key`.
    package func seek(_ key: UnsafeRawBufferPointer) throws(LMDBError) { isAtEntry = try cursor?.seek(key) ?? false }

    /// Moves to the first entry whose key is not below `key`.
    package func seek(_ key: [UInt8]) throws { try key.withUnsafeBytes { try seek($0) } }

    /// Whether the current key begins with these bytes.
    package func hasPrefix(_ prefix: [UInt8]) -> Bool { prefix.withUnsafeBytes { hasPrefix($0) } }

    /// Whether the current key begins with these bytes.
    package func hasPrefix(_ prefix: UnsafeRawBufferPointer) -> Bool {
        let key = key
        return isAtEntry && key.count >= prefix.count
            && UnsafeRawBufferPointer(rebasing: key[..<prefix.count]).isSame(as: prefix)
    }

    /// The current entry, if it is live and has a usable header.
    package var live: ParsedEntry? { isAtEntry ? Self.live(value) : nil }

    /// Moves to this key.
    ///
    /// - Returns: its entry, if it is live and has a usable header.
    package func find(_ key: [UInt8]) throws -> ParsedEntry? {
        isAtEntry = try key.withUnsafeBytes { key in try cursor?.find(key) ?? false }
        return live
    }

    private static func live(_ value: UnsafeRawBufferPointer) -> ParsedEntry? {
        guard let entry = try? EntryHeader.parse(value), !entry.header.isDeleted else { return nil }
        return entry
    }
}

extension UnsafeRawBufferPointer {
    /// Whether the contents are equal.
    package func isSame(as other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        guard let a = baseAddress, let b = other.baseAddress else { return true }
        return memcmp(a, b, count) == 0
    }

    /// Whether it has this prefix.
    func starts(withBytes prefix: [UInt8]) -> Bool {
        count >= prefix.count
            && prefix.withUnsafeBytes { UnsafeRawBufferPointer(rebasing: self[..<prefix.count]).isSame(as: $0) }
    }
}

import LMDB
import PowerDNSFormat
import Snapshots

/// Iterates the entries with a key prefix, in key order.
struct PrefixWalk: ~Copyable {
    private(set) var cursor: Cursor
    private let prefix: [UInt8]
    private var isStarted = false

    init<T: Transaction & ~Copyable>(
        _ database: Database, _ prefix: [UInt8], _ transaction: borrowing T
    ) throws(LMDBError) {
        cursor = try transaction.openCursor(database)
        self.prefix = prefix
    }

    /// Moves to the next entry.
    ///
    /// - Returns: false after the last one.
    mutating func next() throws -> Bool {
        let isThere = try isStarted ? cursor.next() : prefix.withUnsafeBytes { try cursor.seek($0) }
        isStarted = true
        return isThere && cursor.key.starts(with: prefix)
    }

    /// The key without the prefix.
    var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: cursor.key[prefix.count...]) }
}

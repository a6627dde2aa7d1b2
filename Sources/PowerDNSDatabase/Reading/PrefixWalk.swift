import LMDB
import PowerDNSFormat
import Snapshots

/// Walks the entries whose keys begin with some bytes, in key order.
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

    /// Goes to the next entry.
    ///
    /// - Returns: false behind the last one.
    mutating func next() throws -> Bool {
        let isThere = try isStarted ? cursor.next() : prefix.withUnsafeBytes { try cursor.seek($0) }
        isStarted = true
        return isThere && cursor.key.starts(with: prefix)
    }

    /// What stands behind the prefix in the key.
    var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: cursor.key[prefix.count...]) }
}

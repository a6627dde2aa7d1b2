import LMDB

/// Looks up keys in a DBI. Keys in the DBI's order are found by stepping the cursor, others by searching: the order
/// affects speed only.
struct OrderedLookup: ~Copyable {
    /// The cursor's position: nowhere, on an unread entry, or after the last entry.
    private enum Position { case start, on, end }

    /// If more entries have to be skipped, a search is faster than stepping.
    private static let stepsBeforeSeek = 8

    private var cursor: Cursor
    private let database: Database
    private let isBytewise: Bool
    private var position = Position.start
    /// Whether the cursor is on the last key found: the next key follows it, if keys come in order.
    private var isUsed = false
    /// The key at the cursor.
    private var current = UnsafeRawBufferPointer(start: nil, count: 0)

    init<T: Transaction & ~Copyable>(_ database: Database, _ transaction: borrowing T) throws(LMDBError) {
        cursor = try transaction.openCursor(database)
        self.database = database
        isBytewise = database.sortsBytewise
    }

    /// The version of the last key found. Valid until the transaction ends.
    ///
    /// - Throws: as ``Schema/version(at:)``.
    @inline(__always)
    mutating func version() throws(LocalContentError) -> MergeRule.Version { try Schema.version(at: &cursor) }

    /// Whether the last key looked up is above all keys of the DBI.
    var isBehindLast: Bool { position == .end }

    /// Looks up a key.
    ///
    /// - Returns: whether it exists.
    @inline(__always)
    mutating func find<T: Transaction & ~Copyable>(
        _ key: UnsafeRawBufferPointer, _ transaction: borrowing T
    ) throws(LMDBError) -> Bool {
        // In most snapshots, nearly every key is the next one here.
        if isUsed {
            try step()
            if position == .on, order(key, transaction) == 0 { return true }
        }
        isUsed = try search(key, transaction)
        return isUsed
    }

    private mutating func search<T: Transaction & ~Copyable>(
        _ key: UnsafeRawBufferPointer, _ transaction: borrowing T
    ) throws(LMDBError) -> Bool {
        switch position {
        case .start:
            try seek(key)
        case .on:
            break
        case .end:
            // The cursor is on the last entry. An empty DBI has no key to compare with.
            if current.isEmpty || order(key, transaction) > 0 { return false }
            try seek(key)
        }
        guard position == .on else { return false }
        var order = order(key, transaction)
        if order == 0 { return true }
        // A key before the cursor is missing, unless keys are out of order.
        if order < 0 {
            try seek(key)
            return position == .on && self.order(key, transaction) == 0
        }
        var steps = 0
        while order > 0 {
            steps += 1
            if steps > Self.stepsBeforeSeek { try seek(key) } else { try step() }
            guard position == .on else { return false }
            order = self.order(key, transaction)
        }
        return order == 0
    }

    @inline(__always)
    private mutating func step() throws(LMDBError) {
        if try cursor.next() { current = cursor.key } else { try goToEnd() }
    }

    private mutating func seek(_ key: UnsafeRawBufferPointer) throws(LMDBError) {
        if try cursor.seek(key) {
            position = .on
            current = cursor.key
        } else {
            try goToEnd()
        }
    }

    private mutating func goToEnd() throws(LMDBError) {
        position = .end
        current = try cursor.last() ? cursor.key : UnsafeRawBufferPointer(start: nil, count: 0)
    }

    @inline(__always)
    private func order<T: Transaction & ~Copyable>(_ key: UnsafeRawBufferPointer, _ transaction: borrowing T) -> Int {
        isBytewise ? compareBytes(key, current) : transaction.compare(database, key, current)
    }
}

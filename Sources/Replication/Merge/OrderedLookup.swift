import LMDB

/// Finds one key after another in a database. Keys that come in the database's order are found by walking along,
/// others by searching: the order only decides about speed.
struct OrderedLookup: ~Copyable {
    /// Where the cursor stands: nowhere yet, on an entry not passed yet, or on the last one, passed.
    private enum Position { case start, on, end }

    /// Above this many entries to be skipped a search is faster than walking.
    private static let stepsBeforeSeek = 8

    private var cursor: Cursor
    private let database: Database
    private let isBytewise: Bool
    private var position = Position.start
    /// Whether the cursor stands on the key that was found last: the next one is behind it, if they come in order.
    private var isUsed = false
    /// The key that the cursor stands on.
    private var current = UnsafeRawBufferPointer(start: nil, count: 0)

    init<T: Transaction & ~Copyable>(_ database: Database, _ transaction: borrowing T) throws(LMDBError) {
        cursor = try transaction.openCursor(database)
        self.database = database
        isBytewise = database.sortsBytewise
    }

    /// The version of the key that was found last. Valid until the transaction ends.
    ///
    /// - Throws: as ``Schema/version(at:)``.
    @inline(__always)
    mutating func version() throws(LocalContentError) -> MergeRule.Version { try Schema.version(at: &cursor) }

    /// Whether the key looked for last is above all keys of the database.
    var isBehindLast: Bool { position == .end }

    /// Looks for a key.
    ///
    /// - Returns: whether it is there.
    @inline(__always)
    mutating func find<T: Transaction & ~Copyable>(
        _ key: UnsafeRawBufferPointer, _ transaction: borrowing T
    ) throws(LMDBError) -> Bool {
        // Nearly all keys of nearly all snapshots are the next ones here.
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
            // The cursor stands on the last entry. In an empty database it has no key, which LMDB must not be asked
            // to compare.
            if current.isEmpty || order(key, transaction) > 0 { return false }
            try seek(key)
        }
        guard position == .on else { return false }
        var order = order(key, transaction)
        if order == 0 { return true }
        // Below the cursor means missing here, unless the keys come out of order.
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

import LMDB

/// Walks a DBI of the application with the keys that its shadow has for the entries.
///
/// Where keys have several values, these are transformed keys, and they are checked: they must rise, and no two may be
/// the same.
struct MainWalk: ~Copyable {
    private var cursor: Cursor
    private let isTransformed: Bool
    // The transformed key and the one before, by turns.
    private let buffers: UnsafeMutableRawBufferPointer
    private var isSecond = false
    /// The key that the shadow has for the entry. Valid until the next step.
    private(set) var key = UnsafeRawBufferPointer(start: nil, count: 0)

    init<T: Transaction & ~Copyable>(_ database: Database, _ transaction: borrowing T) throws(LMDBError) {
        cursor = try transaction.openCursor(database)
        isTransformed = database.flags.contains(.duplicateSort)
        buffers = .allocate(byteCount: isTransformed ? 2 * DupSortTransform.longest : 0, alignment: 1)
    }

    deinit { buffers.deallocate() }

    /// The application's value.
    var value: UnsafeRawBufferPointer {
        @inline(__always) get { cursor.value }
    }

    /// Goes to the next entry.
    ///
    /// - Returns: false behind the last one.
    /// - Throws: ``LocalContentError`` for an entry that can't be transformed.
    @inline(__always)
    mutating func next() throws -> Bool {
        guard try cursor.next() else { return false }
        if isTransformed { try transform() } else { key = cursor.key }
        return true
    }

    private mutating func transform() throws(LocalContentError) {
        guard cursor.key.count <= DupSortTransform.longestKey else {
            throw problem(
                "has \(cursor.key.count) bytes, but with dupsort_hack they can have \(DupSortTransform.longestKey)")
        }
        let start = isSecond ? DupSortTransform.longest : 0
        isSecond.toggle()
        let buffer = UnsafeMutableRawBufferPointer(rebasing: buffers[start..<start + DupSortTransform.longest])
        let count = DupSortTransform.encode(cursor.key, cursor.value, into: buffer)
        let previous = key
        key = UnsafeRawBufferPointer(rebasing: buffer[..<count])
        let order = previous.isEmpty ? -1 : compareBytes(previous, key)
        guard order < 0 else {
            throw problem(
                order == 0
                    ? "has two values that are the same as far as there is room for them in a transformed key"
                    : "sorts differently with its value behind it, value \(printable(cursor.value))")
        }
    }

    private func problem(_ text: String) -> LocalContentError {
        LocalContentError(
            "the key \(printable(cursor.key)) of DBI \(cursor.database.name) \(text): dupsort_hack can't sync it")
    }
}

import LMDB

/// Iterates over a DBI of the application, with the keys of its shadow.
///
/// If keys have several values, the shadow's keys are transformed keys. They are checked: they must ascend without
/// repetition.
struct MainWalk: ~Copyable {
    private var cursor: Cursor
    private let isTransformed: Bool
    // Alternating buffers for the transformed key and the previous one.
    private let buffers: UnsafeMutableRawBufferPointer
    private var isSecond = false
    /// The transformed key of the entry once it is known, otherwise the previous one.
    private var transformed = UnsafeRawBufferPointer(start: nil, count: 0)
    private var isKnown = false

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

    /// Advances to the next entry.
    ///
    /// - Returns: false after the last one.
    @inline(__always)
    mutating func next() throws(LMDBError) -> Bool {
        isKnown = false
        return try cursor.next()
    }

    /// The key of the entry in the shadow. Valid until the next step.
    ///
    /// - Throws: ``LocalContentError`` for an entry that cannot be transformed.
    @inline(__always)
    mutating func key() throws(LocalContentError) -> UnsafeRawBufferPointer {
        if !isTransformed { return cursor.key }
        if !isKnown { try transform() }
        return transformed
    }

    /// Compares the entry's key with a key of the shadow. The shadow's entries come in their order.
    ///
    /// Most entries are in both, so the transformed key is only computed if they differ.
    ///
    /// - Parameter compare: the shadow's key comparison.
    /// - Throws: ``LocalContentError`` for an entry that cannot be transformed.
    @inline(__always)
    mutating func order(
        _ other: UnsafeRawBufferPointer, _ compare: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Int
    ) throws(LocalContentError) -> Int {
        if isTransformed && !isKnown && DupSortTransform.encodes(cursor.key, cursor.value, to: other) {
            // Above all previous keys, which were at most as high as earlier keys of the shadow.
            transformed = other
            isKnown = true
            return 0
        }
        return compare(try key(), other)
    }

    @inline(never)
    private mutating func transform() throws(LocalContentError) {
        guard cursor.key.count <= DupSortTransform.longestKey else {
            throw problem(
                "has \(cursor.key.count) bytes, but only keys of at most \(DupSortTransform.longestKey) can be transformed"
            )
        }
        let start = isSecond ? DupSortTransform.longest : 0
        isSecond.toggle()
        let buffer = UnsafeMutableRawBufferPointer(rebasing: buffers[start..<start + DupSortTransform.longest])
        let count = DupSortTransform.encode(cursor.key, cursor.value, into: buffer)
        let previous = transformed
        transformed = UnsafeRawBufferPointer(rebasing: buffer[..<count])
        isKnown = true
        let order = previous.isEmpty ? -1 : compareBytes(previous, transformed)
        guard order < 0 else {
            throw problem(
                order == 0
                    ? "has two values with the same transformed key"
                    : "sorts differently when its value follows it, value \(printable(cursor.value))")
        }
    }

    private func problem(_ text: String) -> LocalContentError {
        LocalContentError(
            "the key \(printable(cursor.key)) of DBI \(cursor.database.name) \(text): it cannot be synced")
    }
}

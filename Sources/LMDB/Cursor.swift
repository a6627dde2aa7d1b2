import CLMDB

/// Walks the entries of one database in key order.
///
/// ``key`` and ``value`` point into the map: they are valid until the transaction ends or writes.
package struct Cursor: ~Copyable {
    @usableFromInline let pointer: OpaquePointer
    @usableFromInline var currentKey = MDB_val()
    @usableFromInline var currentValue = MDB_val()
    @usableFromInline let environment: Environment
    package let database: Database

    init(_ pointer: OpaquePointer, _ environment: Environment, _ database: Database) {
        self.pointer = pointer
        self.environment = environment
        self.database = database
    }

    deinit { mdb_cursor_close(pointer) }

    /// The key that the cursor stands on.
    @inlinable @inline(__always) package var key: UnsafeRawBufferPointer { UnsafeRawBufferPointer(currentKey) }
    /// The value that the cursor stands on.
    @inlinable @inline(__always) package var value: UnsafeRawBufferPointer { UnsafeRawBufferPointer(currentValue) }

    /// Goes to the next entry, the first one at the beginning.
    ///
    /// - Returns: false behind the last entry.
    @inlinable @inline(__always)
    package mutating func next() throws(LMDBError) -> Bool { try move(MDB_NEXT) }

    /// Goes to the first entry.
    @inlinable
    package mutating func first() throws(LMDBError) -> Bool { try move(MDB_FIRST) }

    /// Goes to the last entry.
    @inlinable
    package mutating func last() throws(LMDBError) -> Bool { try move(MDB_LAST) }

    /// Goes to the first entry whose key is not below `key`.
    @inlinable
    package mutating func seek(_ key: UnsafeRawBufferPointer) throws(LMDBError) -> Bool {
        currentKey = MDB_val(key)
        return try move(MDB_SET_RANGE)
    }

    /// Goes to the entry with exactly this key.
    @inlinable
    package mutating func find(_ key: UnsafeRawBufferPointer) throws(LMDBError) -> Bool {
        currentKey = MDB_val(key)
        return try move(MDB_SET_KEY)
    }

    @inlinable @inline(__always)
    mutating func move(_ operation: MDB_cursor_op) throws(LMDBError) -> Bool {
        let result = mdb_cursor_get(pointer, &currentKey, &currentValue, operation)
        if result == 0 { return true }
        if result == MDB_NOTFOUND { return false }
        throw readError(result)
    }

    @usableFromInline
    func readError(_ result: Int32) -> LMDBError {
        environment.error(result, "read from the database \(database.name)")
    }
}

/// Writes entries of one database within a write transaction.
package struct WriteCursor: ~Copyable {
    @usableFromInline var cursor: Cursor

    /// The key and value that the cursor stands on, and its movements.
    @inlinable package var reading: Cursor {
        _read { yield cursor }
        _modify { yield &cursor }
    }

    /// Makes room for a value of `size` bytes and lets `fill` write it.
    ///
    /// `fill` must write every byte. `key` must not point into the map.
    ///
    /// - Parameter append: the caller knows that `key` is above every key of the database; LMDB checks it.
    @inlinable
    package mutating func put(
        _ key: UnsafeRawBufferPointer, size: Int, append: Bool, _ fill: (UnsafeMutableRawBufferPointer) -> Void
    ) throws(LMDBError) {
        var key = MDB_val(key)
        var value = MDB_val(mv_size: size, mv_data: nil)
        let result = mdb_cursor_put(
            cursor.pointer, &key, &value, UInt32(append ? MDB_APPEND : 0) | UInt32(MDB_RESERVE))
        if result != 0 { throw writeError(result) }
        fill(UnsafeMutableRawBufferPointer(start: value.mv_data, count: size))
    }

    @usableFromInline
    func writeError(_ result: Int32) -> LMDBError {
        cursor.environment.error(result, "write to the database \(cursor.database.name)")
    }
}

extension WriteTransaction {
    /// Opens a cursor for writing. It must not outlive the transaction.
    package func openWriteCursor(_ database: Database) throws(LMDBError) -> WriteCursor {
        WriteCursor(cursor: try openCursor(database))
    }
}

import CLMDB

/// Iterates the entries of one database in key order.
///
/// ``key`` and ``value`` point into the map: they are valid until the transaction ends or writes, and only while the
/// last movement returned true. After a ``seek(_:)`` or ``find(_:)`` that returned false the position is
/// undefined: continue with another one, or with ``first()`` or ``last()``.
///
/// If a key has several values, each of them is an entry.
public struct Cursor: ~Copyable {
    @usableFromInline let pointer: OpaquePointer
    @usableFromInline var currentKey = MDB_val()
    @usableFromInline var currentValue = MDB_val()
    @usableFromInline let environment: Environment
    @usableFromInline let bounds: PageBounds
    @usableFromInline let hasIntegerKeys: Bool
    @usableFromInline var steps: UInt32 = 0
    /// The database it iterates.
    package let database: Database

    init(_ pointer: OpaquePointer, _ environment: Environment, _ database: Database, _ bounds: PageBounds) {
        self.pointer = pointer
        self.environment = environment
        self.database = database
        self.bounds = bounds
        hasIntegerKeys = database.flags.contains(.integerKey)
    }

    deinit { mdb_cursor_close(pointer) }

    /// The key at the cursor.
    @inlinable @inline(__always) public var key: UnsafeRawBufferPointer { UnsafeRawBufferPointer(currentKey) }
    /// The value at the cursor.
    @inlinable @inline(__always) public var value: UnsafeRawBufferPointer { UnsafeRawBufferPointer(currentValue) }

    /// Moves to the next entry, initially to the first one.
    ///
    /// - Returns: false after the last entry.
    @inlinable @inline(__always)
    public mutating func next() throws(LMDBError) -> Bool { try move(MDB_NEXT) }

    /// Moves to the previous entry, initially to the last one.
    ///
    /// - Returns: false before the first entry.
    package mutating func previous() throws(LMDBError) -> Bool { try move(MDB_PREV) }

    /// Moves to the first entry.
    ///
    /// - Returns: false if the database is empty.
    @inlinable
    public mutating func first() throws(LMDBError) -> Bool { try move(MDB_FIRST) }

    /// Moves to the last entry.
    ///
    /// - Returns: false if the database is empty.
    @inlinable
    public mutating func last() throws(LMDBError) -> Bool { try move(MDB_LAST) }

    /// Moves to the first entry whose key is not below `key`.
    ///
    /// - Returns: false if all keys are below it.
    /// - Throws: ``LMDBError/Code/badSize`` for an empty key, and for an invalid size of an integer key.
    @inlinable
    public mutating func seek(_ key: UnsafeRawBufferPointer) throws(LMDBError) -> Bool {
        if hasIntegerKeys { try checkKey(key) }
        currentKey = MDB_val(key)
        return try move(MDB_SET_RANGE)
    }

    /// Moves to the entry with exactly this key.
    ///
    /// - Returns: false if there is none.
    /// - Throws: ``LMDBError/Code/badSize`` for an empty key, and for an invalid size of an integer key.
    @inlinable
    public mutating func find(_ key: UnsafeRawBufferPointer) throws(LMDBError) -> Bool {
        if hasIntegerKeys { try checkKey(key) }
        currentKey = MDB_val(key)
        return try move(MDB_SET_KEY)
    }

    /// Moves to exactly this value of a key, in a database with several values per key.
    ///
    /// - Returns: false if there is none.
    /// - Throws: ``LMDBError/Code/incompatible`` if keys have one value only, otherwise as ``find(_:)``.
    package mutating func find(
        _ key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
    ) throws(LMDBError) -> Bool {
        try move(to: key, value, MDB_GET_BOTH)
    }

    /// Moves to the first value of a key that is not below `value`, in a database with several values per key.
    ///
    /// - Returns: false if there is none.
    /// - Throws: as ``find(_:value:)``.
    package mutating func seek(
        _ key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
    ) throws(LMDBError) -> Bool {
        try move(to: key, value, MDB_GET_BOTH_RANGE)
    }

    private mutating func move(
        to key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ operation: MDB_cursor_op
    ) throws(LMDBError) -> Bool {
        guard database.flags.contains(.duplicateSort) else { throw readError(MDB_INCOMPATIBLE) }
        guard try find(key) else { return false }
        // liblmdb does not search for an empty value; it would be the first one.
        if value.isEmpty { return operation == MDB_GET_BOTH_RANGE || currentValue.mv_size == 0 }
        // liblmdb would compare integers of different sizes by the size of one of them.
        if database.flags.contains(.integerDuplicates) && currentValue.mv_size != value.count { return false }
        currentKey = MDB_val(key)
        currentValue = MDB_val(value)
        guard try move(operation) else { return false }
        // After these movements liblmdb returns the caller's key, which may not outlive the call.
        return try move(MDB_GET_CURRENT)
    }

    @inlinable @inline(__always)
    mutating func move(_ operation: MDB_cursor_op) throws(LMDBError) -> Bool {
        let result = mdb_cursor_get(pointer, &currentKey, &currentValue, operation)
        countStep()
        if result == 0 {
            if bounds.contain(currentValue) && bounds.contain(currentKey) { return true }
            if bounds.containOverflow(currentValue) && bounds.contain(currentKey) { return true }
            throw readError(MDB_CORRUPTED)
        }
        if result == MDB_NOTFOUND { return false }
        throw readError(result)
    }

    // Counted only now and then, so that it costs nothing.
    @inlinable @inline(__always)
    mutating func countStep() {
        steps &+= 1
        if steps & 0x3ff == 0 { environment.counter.step() }
    }

    @usableFromInline
    func checkKey(_ key: UnsafeRawBufferPointer) throws(LMDBError) {
        try environment.checkKey(key, of: database, mdb_cursor_txn(pointer))
    }

    @usableFromInline
    func readError(_ result: Int32) -> LMDBError {
        environment.error(
            bounds.meaning(of: result), "read from DBI \(database.name)", key: currentKey.mv_size)
    }
}

/// Writes entries of one database within a write transaction.
package struct WriteCursor: ~Copyable {
    @usableFromInline var cursor: Cursor

    /// The key and value at the cursor, and its movements.
    @inlinable package var reading: Cursor {
        _read { yield cursor }
        _modify { yield &cursor }
    }

    /// Reserves space for a value of `size` bytes and lets `fill` write it.
    ///
    /// `fill` must write every byte. `key` must not point into the map.
    ///
    /// - Parameters:
    ///   - key: 1 to ``Environment/maximumKeySize`` bytes.
    ///   - size: size of the value in bytes, less than 4 GiB.
    ///   - append: the caller knows that `key` is above every key of the database; LMDB checks it.
    /// - Throws: ``LMDBError/Code/keyExists`` if `append` is wrong for the key, ``LMDBError/Code/badSize`` for
    ///   sizes that LMDB does not support, ``LMDBError/Code/mapFull``.
    @inlinable
    package mutating func put(
        _ key: UnsafeRawBufferPointer, size: Int, append: Bool, _ fill: (UnsafeMutableRawBufferPointer) -> Void
    ) throws(LMDBError) {
        if cursor.hasIntegerKeys { try cursor.checkKey(key) }
        var mdbKey = MDB_val(key)
        var value = MDB_val(mv_size: size, mv_data: nil)
        let result = mdb_cursor_put(
            cursor.pointer, &mdbKey, &value, UInt32(append ? MDB_APPEND : 0) | UInt32(MDB_RESERVE))
        cursor.countStep()
        if result != 0 { throw writeError(result, key: key.count, value: size) }
        fill(UnsafeMutableRawBufferPointer(start: value.mv_data, count: size))
    }

    @usableFromInline
    func writeError(_ result: Int32, key: Int, value: Int) -> LMDBError {
        cursor.environment.error(result, "write to DBI \(cursor.database.name)", key: key, value: value)
    }
}

extension WriteTransaction {
    /// Opens a cursor for writing. It must not outlive the transaction.
    ///
    /// - Throws: ``LMDBError/Code/incompatible`` if a key may have several values: LMDB must know a value to find
    ///   its place, so space cannot be reserved before. Use ``put(_:_:_:)`` there.
    package func openWriteCursor(_ database: Database) throws(LMDBError) -> WriteCursor {
        guard !database.flags.contains(.duplicateSort) else {
            throw environment.error(MDB_INCOMPATIBLE, "open a write cursor on DBI \(database.name)")
        }
        return WriteCursor(cursor: try openCursor(database))
    }
}

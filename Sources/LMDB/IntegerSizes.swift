import CLMDB

/// The sizes of the integers that LMDB compares, in bytes: a C `unsigned int` and a `size_t`.
package let integerSizes = [4, 8]

// liblmdb compares integers, and copies values of fixed size, by the size of one of two, and reads beyond the other
// if that is shorter. The caller must ensure that all sizes are equal; here the data come from outside,
// so they are checked.
extension Environment {
    /// Checks the size of an integer key.
    func checkKey(
        _ key: UnsafeRawBufferPointer, of database: Database, _ transaction: OpaquePointer
    ) throws(LMDBError) {
        guard database.flags.contains(.integerKey) else { return }
        let present = try firstEntry(database, transaction)?.key.mv_size
        let allowed = present.map { [$0] } ?? integerSizes
        guard allowed.contains(key.count), integerSizes.contains(key.count) else {
            throw sizeError("a key", key.count, "the integer keys", allowed, database)
        }
    }

    /// Checks the size of a value if all values have one size, or are integers.
    func checkValue(
        _ value: UnsafeRawBufferPointer, of database: Database, _ transaction: OpaquePointer
    ) throws(LMDBError) {
        let isInteger = database.flags.contains(.integerDuplicates)
        guard isInteger || database.flags.contains(.duplicateFixed) else { return }
        if let present = try firstEntry(database, transaction)?.value.mv_size {
            guard value.count == present else {
                throw sizeError("a value", value.count, "the values", [present], database)
            }
        } else if isInteger && !integerSizes.contains(value.count) {
            throw sizeError("a value", value.count, "the integer values", integerSizes, database)
        } else if value.isEmpty {
            throw error(MDB_BAD_VALSIZE, "write to DBI \(database.name)", value: 0)
        }
    }

    private func firstEntry(
        _ database: Database, _ transaction: OpaquePointer
    ) throws(LMDBError) -> (key: MDB_val, value: MDB_val)? {
        var cursor: OpaquePointer?
        var (key, value) = (MDB_val(), MDB_val())
        var result = mdb_cursor_open(transaction, database.handle, &cursor)
        if result == 0 {
            result = mdb_cursor_get(cursor, &key, &value, MDB_FIRST)
            mdb_cursor_close(cursor)
        }
        if result == MDB_NOTFOUND { return nil }
        if result != 0 { throw error(result, "read from DBI \(database.name)") }
        return (key, value)
    }

    private func sizeError(
        _ what: String, _ size: Int, _ others: String, _ allowed: [Int], _ database: Database
    ) -> LMDBError {
        LMDBError(
            .badSize,
            "cannot use \(what) of \(size) bytes in DBI \(database.name) of LMDB \(options.dataFile): "
                + "\(others) there have " + allowed.map(String.init).joined(separator: " or ") + " bytes")
    }
}

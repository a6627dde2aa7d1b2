import CLMDB
import LMDB
import Testing

/// A second opening of an LMDB in this process, through liblmdb alone, to be the other process that an application is.
///
/// LMDB does not want that: its locks on the lock file belong to the process. It does no harm here, because nobody
/// uses the first opening at the moment when the second one begins or ends, and nobody else looks at the file.
struct OtherOpening {
    private let pointer: OpaquePointer?

    init(_ path: String) {
        var created: OpaquePointer?
        #expect(mdb_env_create(&created) == 0)
        #expect(mdb_env_set_maxdbs(created, 16) == 0)
        #expect(mdb_env_open(created, path, UInt32(MDB_NOTLS), 0o644) == 0)
        pointer = created
    }

    /// Holds the write lock during `body`, and closes.
    func withWriteLock(_ body: () -> Void) {
        var transaction: OpaquePointer?
        #expect(mdb_txn_begin(pointer, nil, 0, &transaction) == 0)
        body()
        mdb_txn_abort(transaction)
        mdb_env_close(pointer)
    }

    /// Drops a database and creates it again with one entry, in one transaction, and closes.
    func recreate(_ name: String, flags: DatabaseFlags = [], key: String, value: String) {
        var transaction: OpaquePointer?
        var handle = MDB_dbi()
        #expect(mdb_txn_begin(pointer, nil, 0, &transaction) == 0)
        #expect(mdb_dbi_open(transaction, name, 0, &handle) == 0)
        #expect(mdb_drop(transaction, handle, 1) == 0)
        #expect(mdb_dbi_open(transaction, name, flags.rawValue | UInt32(MDB_CREATE), &handle) == 0)
        var (key, value) = (Array(key.utf8), Array(value.utf8))
        key.withUnsafeMutableBytes { key in
            value.withUnsafeMutableBytes { value in
                var mdbKey = MDB_val(mv_size: key.count, mv_data: key.baseAddress)
                var mdbValue = MDB_val(mv_size: value.count, mv_data: value.baseAddress)
                #expect(mdb_put(transaction, handle, &mdbKey, &mdbValue, 0) == 0)
            }
        }
        #expect(mdb_txn_commit(transaction) == 0)
        mdb_env_close(pointer)
    }

    /// Removes a database, as an application may, and closes.
    func dropDatabase(_ name: String) {
        var transaction: OpaquePointer?
        var handle = MDB_dbi()
        #expect(mdb_txn_begin(pointer, nil, 0, &transaction) == 0)
        #expect(mdb_dbi_open(transaction, name, 0, &handle) == 0)
        #expect(mdb_drop(transaction, handle, 1) == 0)
        #expect(mdb_txn_commit(transaction) == 0)
        mdb_env_close(pointer)
    }
}

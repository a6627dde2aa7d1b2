import CLMDB
import Foundation
import Testing

/// An environment used as another program would, through liblmdb alone.
///
/// For child processes: a process may open an environment only once. Any failure ends the process with exit code 70.
struct RawEnvironment {
    let pointer: OpaquePointer

    init(_ path: String, mapSize: Int = 0, readers: UInt32 = 0) {
        var created: OpaquePointer?
        must(mdb_env_create(&created))
        guard let created else { _exit(70) }
        pointer = created
        must(mdb_env_set_maxdbs(pointer, 16))
        if mapSize > 0 { must(mdb_env_set_mapsize(pointer, mapSize)) }
        if readers > 0 { must(mdb_env_set_maxreaders(pointer, readers)) }
        must(mdb_env_open(pointer, path, UInt32(MDB_NOSUBDIR | MDB_NOTLS), 0o644))
    }

    /// Begins a transaction that nobody ends.
    func begin(_ flags: Int32 = 0) -> OpaquePointer {
        var transaction: OpaquePointer?
        must(mdb_txn_begin(pointer, nil, UInt32(flags), &transaction))
        guard let transaction else { _exit(70) }
        return transaction
    }

    /// Writes to a named database, or the unnamed one, and commits.
    func put(_ entries: [(key: String, value: String)], database: String? = "a", flags: Int32 = 0) {
        let transaction = begin()
        put(entries, database: database, flags: flags, transaction)
        must(mdb_txn_commit(transaction))
    }

    private func put(
        _ entries: [(key: String, value: String)], database: String?, flags: Int32, _ transaction: OpaquePointer
    ) {
        var handle = MDB_dbi()
        must(mdb_dbi_open(transaction, database, UInt32(database == nil ? 0 : MDB_CREATE) | UInt32(flags), &handle))
        for entry in entries {
            var (key, value) = (Array(entry.key.utf8), Array(entry.value.utf8))
            let (keySize, valueSize) = (key.count, value.count)
            key.withUnsafeMutableBytes { key in
                value.withUnsafeMutableBytes { value in
                    var mdbKey = MDB_val(mv_size: keySize, mv_data: key.baseAddress)
                    var mdbValue = MDB_val(mv_size: valueSize, mv_data: value.baseAddress)
                    must(mdb_put(transaction, handle, &mdbKey, &mdbValue, 0))
                }
            }
        }
    }

    /// Writes and keeps the transaction open until `wait` returns.
    func put(_ entries: [(key: String, value: String)], committingAfter wait: () -> Void) {
        let transaction = begin()
        put(entries, database: "a", flags: 0, transaction)
        wait()
        must(mdb_txn_commit(transaction))
    }

    /// Drops a named database.
    func drop(_ database: String) {
        let transaction = begin()
        var handle = MDB_dbi()
        must(mdb_dbi_open(transaction, database, 0, &handle))
        must(mdb_drop(transaction, handle, 1))
        must(mdb_txn_commit(transaction))
    }

    var readers: Int {
        var info = MDB_envinfo()
        mdb_env_info(pointer, &info)
        return Int(info.me_numreaders)
    }

    var usedBytes: Int {
        var info = MDB_envinfo()
        mdb_env_info(pointer, &info)
        return (Int(info.me_last_pgno) + 1) * sysconf(Int32(_SC_PAGESIZE))
    }

    func close() { mdb_env_close(pointer) }
}

/// Ends the process when a call of liblmdb fails.
func must(_ result: Int32) {
    if result != 0 {
        perror(mdb_strerror(result))
        _exit(70)
    }
}

/// Ends the process with exit code 72 when something is not as it should be, in a child process.
func must(_ condition: Bool, _ what: @autoclosure () -> String = "") {
    if !condition {
        perror(what())
        _exit(72)
    }
}

/// Lets a test and its child process take steps one after the other, through files.
struct Baton {
    let path: String

    /// In the test: waits until the child has come to a step.
    func reached(_ step: String) async throws {
        for _ in 0..<6000 {
            if access(path + "." + step, F_OK) == 0 { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("the child process did not come to \(step)")
    }

    /// On either side: says that a step has been reached.
    func reach(_ step: String) { close(open(path + "." + step, O_CREAT | O_WRONLY, 0o644)) }

    /// In the child: waits until the test has come to a step.
    func wait(for step: String) {
        for _ in 0..<6000 {
            if access(path + "." + step, F_OK) == 0 { return }
            usleep(10_000)
        }
        _exit(71)
    }
}

/// Makes a child process of root one of an ordinary user, whom file modes bind.
///
/// Other users' processes are bound anyway.
func giveUpPrivileges(groups: [gid_t] = []) {
    guard geteuid() == 0 else { return }
    must(setgroups(groups.count, groups) == 0)
    must(setgid(65534) == 0)
    must(setuid(65534) == 0)
}

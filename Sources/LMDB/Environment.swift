import CLMDB
import Glibc
import Synchronization

/// An open LMDB environment: one data file with its named databases.
///
/// The transactions of one environment take turns within this process. Other processes, such as PowerDNS,
/// read and write at the same time under LMDB's own rules: any number of readers and one writer.
/// The calls block: run them on a thread that may wait, never on Swift's cooperative pool.
package final class Environment: Sendable {
    /// A pointer to an `MDB_env`.
    // Sendable because liblmdb lets any thread use an environment (lmdb.h, "mdb_env_create").
    private struct Handle: @unchecked Sendable { let pointer: OpaquePointer }

    /// How it was opened.
    package let options: EnvironmentOptions
    private let handle: Handle
    private let device: UInt
    private let inode: UInt
    /// The handles of named databases, kept for the life of the environment. The lock is held during each
    /// transaction, because liblmdb wants only one at a time to open handles.
    private let databases = Mutex<[String: MDB_dbi]>([:])
    /// Held while the map moves, and while something is read from it outside of transactions.
    private let mapping = Mutex(())

    /// Opens the environment, creating it where the options say so, and clears reader slots of dead processes.
    package init(_ options: EnvironmentOptions) throws(LMDBError) {
        self.options = options
        let existed = try options.checkFiles()
        if !existed {
            try FileFacts.makeDirectories(FileFacts.directory(of: options.dataFile), mode: options.directoryMode)
        }
        let hadLock = access(options.lockFile, F_OK) == 0

        var created: OpaquePointer?
        let result = mdb_env_create(&created)
        guard result == 0, let pointer = created else {
            throw LMDBError(result, "make an environment", path: options.dataFile)
        }
        do throws(LMDBError) {
            try Self.check(
                mdb_env_set_maxdbs(pointer, UInt32(clamping: options.maximumDatabases)), "set the number of databases",
                options)
            let size = options.mapSize > 0 ? options.mapSize : (existed ? 0 : EnvironmentOptions.newFileMapSize)
            if size > 0 { try Self.check(mdb_env_set_mapsize(pointer, size), "set the map size", options) }
            try Self.check(
                mdb_env_open(pointer, options.path, Self.flags(options, hadLock: hadLock), options.fileMode),
                "open the file", options)
        } catch {
            mdb_env_close(pointer)
            throw error
        }
        handle = Handle(pointer: pointer)
        let identity = FileFacts.identity(of: options.dataFile)
        device = identity?.device ?? 0
        inode = identity?.inode ?? 0
        if !existed {
            // liblmdb's mode is subject to the umask; the option is meant as it stands.
            _ = chmod(options.dataFile, options.fileMode)
        }
        // A lock file made by root for a database of another user would lock that user out.
        if !hadLock { FileFacts.copyOwnership(from: options.dataFile, to: options.lockFile) }
        clearStaleReaders()
    }

    deinit { mdb_env_close(handle.pointer) }

    // MDB_NOTLS: a read transaction belongs to its object, not to the thread that started it.
    // MDB_NOMETASYNC: one flush a commit instead of two while the application waits for the lock. Integrity is
    // kept; a power failure may undo our newest merge, which the next start-up reads again from its snapshot.
    private static func flags(_ options: EnvironmentOptions, hadLock: Bool) -> UInt32 {
        var flags = UInt32(MDB_NOTLS)
        if options.noSubdirectory { flags |= UInt32(MDB_NOSUBDIR) }
        if options.readOnly {
            flags |= UInt32(MDB_RDONLY)
            // Without a lock file nobody has it open, and reading must not leave a file behind.
            if !hadLock { flags |= UInt32(MDB_NOLOCK) }
        } else {
            flags |= UInt32(MDB_NOMETASYNC)
        }
        return flags
    }

    private static func check(_ result: Int32, _ operation: String, _ options: EnvironmentOptions) throws(LMDBError) {
        if result != 0 { throw LMDBError(result, operation, path: options.dataFile) }
    }

    /// The error for a return code of liblmdb, with this environment's path and sizes.
    func error(_ result: Int32, _ operation: @autoclosure () -> String) -> LMDBError {
        LMDBError(result, operation(), path: options.dataFile, info: info)
    }

    // MARK: Facts

    /// Sizes and counters; cheap, and without a transaction.
    package var info: EnvironmentInfo {
        var info = MDB_envinfo()
        var stat = MDB_stat()
        mapping.withLock { _ in
            mdb_env_info(handle.pointer, &info)
            mdb_env_stat(handle.pointer, &stat)
        }
        return EnvironmentInfo(
            mapSize: Int(info.me_mapsize), pageSize: Int(stat.ms_psize), lastPage: Int(info.me_last_pgno),
            lastTransactionID: UInt64(info.me_last_txnid), readers: Int(info.me_numreaders),
            maximumReaders: Int(info.me_maxreaders))
    }

    /// The greatest size of a key in bytes.
    package var maximumKeySize: Int { Int(mdb_env_get_maxkeysize(handle.pointer)) }

    /// Whether the path still names the file that was opened.
    package var isInPlace: Bool {
        guard let now = FileFacts.identity(of: options.dataFile) else { return false }
        return now.device == device && now.inode == inode
    }

    /// Frees the reader slots of processes that ended without doing so.
    ///
    /// - Returns: how many were freed.
    @discardableResult
    package func clearStaleReaders() -> Int {
        var dead: Int32 = 0
        mdb_reader_check(handle.pointer, &dead)
        return Int(dead)
    }

    // MARK: Transactions

    /// Runs `body` in a read transaction: one consistent view, without holding anybody up.
    ///
    /// Nothing that `body` got from the transaction may be used after it.
    package func read<R>(_ body: (borrowing ReadTransaction) throws -> R) throws -> R {
        var outcome: Result<R, any Error>?
        databases.withLock { databases in
            outcome = Result {
                let transaction = ReadTransaction(
                    core: TransactionCore(try begin(readOnly: true), self, opened: databases))
                let result = try body(transaction)
                databases = transaction.core.finishReading()
                return result
            }
        }
        guard let outcome else {
            throw LMDBError(.other(EINVAL), "a read transaction of \(options.dataFile) did not run")
        }
        return try outcome.get()
    }

    /// Runs `body` in a write transaction, waiting for other writers first.
    ///
    /// When `body` returns ``WriteOutcome/commit(_:)``, everything it wrote becomes visible at once; when it
    /// returns ``WriteOutcome/abort(_:)`` or throws, nothing does.
    package func write<R>(_ body: (borrowing WriteTransaction) throws -> WriteOutcome<R>) throws -> R {
        var outcome: Result<R, any Error>?
        databases.withLock { databases in
            outcome = Result {
                let transaction = WriteTransaction(
                    core: TransactionCore(try begin(readOnly: false), self, opened: databases))
                switch try body(transaction) {
                case .abort(let result): return result
                case .commit(let result):
                    databases = try transaction.core.commit()
                    return result
                }
            }
        }
        guard let outcome else {
            throw LMDBError(.other(EINVAL), "a write transaction of \(options.dataFile) did not run")
        }
        return try outcome.get()
    }

    private func begin(readOnly: Bool) throws(LMDBError) -> OpaquePointer {
        let flags = readOnly ? UInt32(MDB_RDONLY) : 0
        var attempts = 0
        while true {
            var transaction: OpaquePointer?
            let result = mdb_txn_begin(handle.pointer, nil, flags, &transaction)
            if result == 0, let transaction { return transaction }
            attempts += 1
            switch result {
            case MDB_MAP_RESIZED where attempts < 5:
                // Another process made the map larger: adopt its size. No transaction of ours is open here.
                mapping.withLock { _ in _ = mdb_env_set_mapsize(handle.pointer, 0) }
            case MDB_READERS_FULL where attempts < 2:
                clearStaleReaders()
            default:
                throw error(result, readOnly ? "start a read transaction" : "start a write transaction")
            }
        }
    }
}

/// What becomes of a write transaction.
package enum WriteOutcome<R> {
    /// Everything written becomes visible.
    case commit(R)
    /// Nothing written becomes visible.
    case abort(R)
}

/// Sizes and counters of an environment.
package struct EnvironmentInfo: Sendable, Equatable {
    /// The size of the memory map in bytes: the limit for the data file.
    package var mapSize: Int
    /// In bytes.
    package var pageSize: Int
    /// The number of the last page in use.
    package var lastPage: Int
    /// The ID of the newest committed write transaction.
    package var lastTransactionID: UInt64
    /// Reader slots in use or used before.
    package var readers: Int
    package var maximumReaders: Int

    /// How much of the map has ever been used, in bytes; free pages inside count as used.
    package var usedBytes: Int { (lastPage + 1) * pageSize }
}

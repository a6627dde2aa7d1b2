import CLMDB
import Glibc
import Synchronization

/// An open LMDB environment: one data file with its named databases.
///
/// Any number of transactions may run concurrently, one of them a writer, in this process and in others, such as
/// PowerDNS; ``TransactionTurns`` implements the exclusion within this process. A thread must not begin a transaction
/// within another one of the same environment. The calls block: run them on a blocking thread, never on Swift's
/// cooperative pool.
///
/// A process can have a file open only once at a time; it is closed with the last reference.
public final class Environment: Sendable {
    /// A pointer to an `MDB_env`.
    // Sendable because any thread may use an environment (lmdb.h, "mdb_env_create").
    private struct Handle: @unchecked Sendable { let pointer: OpaquePointer }

    /// The options it was opened with.
    package let options: EnvironmentOptions
    private let handle: Handle
    /// The `MDB_env`.
    var pointer: OpaquePointer { handle.pointer }
    private let dataIdentity: FileIdentity?
    private let lockIdentity: FileIdentity?
    /// The handles of named databases, kept for the life of the environment.
    let handles = Mutex(OpenHandles())
    /// The exclusion between transactions.
    let turns = TransactionTurns()
    /// The read transactions that stay open.
    let pins = Mutex<[PinnedTransaction]>([])
    /// The lock is held while the map moves, so that no thread reads a counter at its old address.
    let map = Mutex(MapState.sound)
    /// The file's map size when the map was made: it is larger than the map if the options ask for less.
    let fileMapSize = Atomic<UInt>(.max)
    @usableFromInline let counter = ActivityCounter()

    enum MapState {
        case sound
        /// There was no space left in this map.
        case full
        /// It could not be remapped; nothing can be read any more.
        case lost(Int32)
    }

    /// Opens the environment, creating it if requested, and clears reader slots of dead processes.
    ///
    /// A missing lock file gets the owner and mode of the data file. The map has the size in the options
    /// or otherwise in the file, and is never smaller than the used part of the file.
    ///
    /// - Throws: ``LMDBError`` if the files are missing, unusable or do not match the options. Nothing has been
    ///   created then unless the options have `create`.
    package init(_ options: EnvironmentOptions) throws(LMDBError) {
        self.options = options
        let opening = try Opening(options)
        lockIdentity = opening.usesLock ? FileIdentity(of: options.lockFile) : nil
        if let lockIdentity, !OpenLocks.add(lockIdentity) {
            throw LMDBError(
                .alreadyOpen,
                "cannot open LMDB \(options.dataFile): this process has it open already, perhaps by another path; "
                    + "name each database once")
        }
        var created: OpaquePointer?
        do throws(LMDBError) {
            try Self.check(mdb_env_create(&created), "make an environment", options)
            try Self.check(mdb_env_set_assert(created, LMDBError.endProcess), "set up the environment", options)
            try Self.check(
                mdb_env_set_maxdbs(created, UInt32(options.handleLimit)), "set the number of databases", options)
            if opening.mapSize > 0 {
                try Self.check(mdb_env_set_mapsize(created, opening.mapSize), "set the map size", options)
            }
            try Self.check(
                mdb_env_open(created, options.path, opening.flags, options.fileMode ?? FileFacts.defaultFileMode),
                "open the file", options)
            try Self.checkLength(created, options)
        } catch {
            mdb_env_close(created)
            if let lockIdentity { OpenLocks.remove(lockIdentity) }
            throw error
        }
        guard let created else { throw LMDBError(ENOMEM, "make an environment", options) }
        handle = Handle(pointer: created)
        dataIdentity = FileIdentity(of: options.dataFile)
        noteFileMapSize()
    }

    deinit {
        guard let lockIdentity else { return mdb_env_close(handle.pointer) }
        OpenLocks.remove(lockIdentity) { mdb_env_close(handle.pointer) }
    }

    private static func check(_ result: Int32, _ operation: String, _ options: EnvironmentOptions) throws(LMDBError) {
        if result != 0 { throw LMDBError(result, operation, options) }
    }

    /// Rejects a file without some of its used pages.
    private static func checkLength(_ environment: OpaquePointer?, _ options: EnvironmentOptions) throws(LMDBError) {
        // The transaction prevents the reuse of the pages that it sees.
        var transaction: OpaquePointer?
        mdb_reader_check(environment, nil)
        let result = mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &transaction)
        // Another process has just extended the file.
        if result == MDB_MAP_RESIZED { return }
        if result != 0 {
            throw LMDBError(result, "start a read transaction", options, info: environment.map(info(of:)))
        }
        defer { mdb_txn_abort(transaction) }
        let id = UInt(bitPattern: mdb_txn_id(transaction))
        var descriptor: Int32 = -1
        mdb_env_get_fd(environment, &descriptor)
        let isTruncated: Bool
        do {
            let pages = try MetaPage.read(descriptor)
            let meta = pages.older.transactionID == id ? pages.older : pages.newer
            isTruncated = try MissingPages.areNeeded(descriptor, meta)
        } catch let refusal as MetaPage.Refusal {
            throw LMDBError(refusal, options)
        } catch let failure as FileFailure {
            throw LMDBError(failure, options)
        } catch {
            throw LMDBError(EIO, "read the file", options)
        }
        if isTruncated { throw LMDBError(.damaged("it is truncated: pages in use are after its end"), options) }
    }

    /// The error for a return code of liblmdb, with this environment's path and sizes.
    func error(
        _ result: Int32, _ operation: @autoclosure () -> String, key: Int? = nil, value: Int? = nil
    ) -> LMDBError {
        LMDBError(result, operation(), options, info: info, sizes: (key, value))
    }

    // MARK: Facts

    /// Sizes and counters; cheap, without a transaction, and on any thread.
    package var info: EnvironmentInfo {
        map.withLock { state in
            if case .lost = state {
                return EnvironmentInfo(
                    mapSize: 0, pageSize: 0, lastPage: 0, lastTransactionID: 0, readers: 0, maximumReaders: 0)
            }
            return Self.info(of: handle.pointer)
        }
    }

    private static func info(of environment: OpaquePointer) -> EnvironmentInfo {
        var info = MDB_envinfo()
        var stat = MDB_stat()
        mdb_env_info(environment, &info)
        mdb_env_stat(environment, &stat)
        return EnvironmentInfo(
            mapSize: Int(info.me_mapsize), pageSize: Int(stat.ms_psize), lastPage: Int(info.me_last_pgno),
            lastTransactionID: UInt64(truncatingIfNeeded: info.me_last_txnid), readers: Int(info.me_numreaders),
            maximumReaders: Int(info.me_maxreaders))
    }

    /// Whether transactions make progress; never waits, and on any thread.
    package var activity: TransactionActivity { counter.activity }

    /// Reports progress of a transaction to ``activity``, if it takes long without a cursor.
    package func noteProgress() { counter.step() }

    /// The maximum size of a key in bytes.
    package var maximumKeySize: Int { Int(mdb_env_get_maxkeysize(handle.pointer)) }

    /// Whether the path still names the opened file.
    ///
    /// If it does not, every reference to this environment must be released before the new file is opened.
    package var isInPlace: Bool { dataIdentity != nil && FileIdentity(of: options.dataFile) == dataIdentity }

    /// Device and inode of the opened file; nil if unknown.
    package var fileIdentity: FileIdentity? { dataIdentity }

    /// Frees the reader slots of dead processes; on any thread.
    ///
    /// Slots of live and of invisible processes are kept: processes in
    /// different PID namespaces must not share an LMDB unless their PIDs differ.
    ///
    /// - Returns: the number of freed slots.
    @discardableResult
    package func clearStaleReaders() -> Int {
        var dead: Int32 = 0
        mdb_reader_check(handle.pointer, &dead)
        return Int(dead)
    }
}

/// The outcome of a write transaction.
package enum WriteOutcome<R> {
    /// Everything written becomes visible.
    case commit(R)
    /// Nothing written becomes visible.
    case abort(R)
}

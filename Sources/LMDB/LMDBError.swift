import CLMDB
import Glibc

/// A failed LMDB operation: operation, file, reason and fix.
public struct LMDBError: Error, Sendable, CustomStringConvertible {
    /// The kind of an error, for callers. New codes of LMDB become ``other(_:)``.
    package enum Code: Sendable, Hashable {
        /// The data file is missing or empty, and must not be created.
        case missingFile
        /// The path is a directory where a file should be.
        case isDirectory
        /// The path is a file where a directory should be.
        case isNotDirectory
        /// The file system or the read-only mode forbids it.
        case noPermission
        /// This process already has the environment open.
        case alreadyOpen
        /// The file has a different format.
        case notLMDB
        /// The file, or its lock file, has a format version unknown to this liblmdb.
        case versionMismatch
        /// The file, or its lock file, is damaged or incomplete.
        case corrupted
        /// The map is full.
        case mapFull
        /// The map could not follow the growth of the file.
        case mapResized
        /// A process in another PID namespace reads with the same process ID.
        case samePID
        /// All reader slots are in use by running processes.
        case readersFull
        /// More named databases than the options allow.
        case databasesFull
        /// The key exists, or is not above the last one, although that was requested.
        case keyExists
        /// A key or value has an unsupported size.
        case badSize
        /// The name is not valid for a database.
        case badName
        /// The name belongs to an object that cannot be used like this.
        case incompatible
        /// A code of liblmdb (negative) or an `errno`.
        case other(Int32)
    }

    /// The kind of the error.
    package var code: Code
    /// One line: operation, file, reason, advice.
    public var description: String

    /// Creates an error with a complete description.
    package init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

extension LMDBError {
    /// Creates the error for a return code of liblmdb or an `errno`, with the relevant sizes.
    ///
    /// - Parameters:
    ///   - result: the return code.
    ///   - operation: a verb phrase such as "start a read transaction".
    ///   - options: the environment's options.
    ///   - info: the environment's sizes, if it is open.
    ///   - sizes: the sizes in bytes of the key and the value used.
    init(
        _ result: Int32, _ operation: String, _ options: EnvironmentOptions, info: EnvironmentInfo? = nil,
        sizes: (key: Int?, value: Int?) = (nil, nil)
    ) {
        let reason: String
        // liblmdb reports a short write on a full disk as EIO.
        let result = result == EIO && FileFacts.isDiskFull(options.dataFile) ? ENOSPC : result
        switch result {
        case MDB_INVALID, MDB_VERSION_MISMATCH:
            // The data file was checked before liblmdb opened it.
            code = result == MDB_INVALID ? .corrupted : .versionMismatch
            reason =
                "its lock file \(options.lockFile) is in use with a format that liblmdb \(LMDBVersion.text) does not "
                + "support; all processes must use a compatible LMDB"
        case MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_PANIC, MDB_CURSOR_FULL:
            code = .corrupted
            reason = "\(Self.damaged) (\(Self.text(result))); \(Self.repair)"
        case MDB_MAP_FULL:
            code = .mapFull
            let sizes = info.map { " (\($0.usedBytes) of \($0.mapSize) bytes used before this)" } ?? ""
            reason =
                "the map is full\(sizes); raise options.map_size, and the application's map size "
                + "(lmdb-map-size of PowerDNS) to at least the same"
        case MDB_MAP_RESIZED:
            code = .mapResized
            reason = "another process keeps changing the size of the map; try again"
        case MDB_READERS_FULL:
            code = .readersFull
            let slots = info.map { "all \($0.maximumReaders) reader slots" } ?? "all reader slots"
            reason =
                "\(slots) are in use by running processes, those of dead ones have been freed; end unneeded readers, "
                + "such as a long dump"
        case MDB_DBS_FULL:
            code = .databasesFull
            reason = "it has more named databases than options.max_dbs (\(options.maximumDatabases)) allows; raise it"
        case MDB_KEYEXIST:
            code = .keyExists
            reason = "the key is not above the last one"
        case MDB_BAD_VALSIZE:
            code = .badSize
            let key = sizes.key.map { "a key of \($0) bytes" }
            let value = sizes.value.map { $0 < 0 ? "a value of negative size" : "a value of \($0) bytes" }
            let what = [key, value].compactMap(\.self).joined(separator: " or ")
            reason = "LMDB does not support \(what.isEmpty ? "a key or value of this size" : what)"
        case MDB_INCOMPATIBLE:
            code = .incompatible
            reason = "the object with this name is used differently, or was created with different flags"
        case EACCES, EPERM, EROFS:
            code = .noPermission
            reason = "\(Self.text(result)) (\(FileFacts.obstacles(options)))"
        case ENOENT:
            code = .missingFile
            reason = "no such file or directory"
        case ENOMEM:
            code = .other(result)
            let map = options.mapSize > 0 ? "options.map_size (\(options.mapSize) bytes)" : "the file's map size"
            reason =
                "there is not enough memory or address space; \(map) must fit in the address space (ulimit -v), "
                + "whatever the size of the file"
        case EAGAIN:
            // From the lock that a process takes on its ID before its first read.
            code = .samePID
            reason =
                "a process of another container has it open with the same process ID (\(getpid())); share one PID "
                + "namespace, or start with --minimum-pid"
        case ENOSPC, EDQUOT:
            code = .other(result)
            reason = "\(Self.text(result)); the file can grow up to the map size, which must be available"
        default:
            code = .other(result)
            reason = Self.text(result)
        }
        description = "cannot \(operation) of LMDB \(options.dataFile): \(reason)"
    }

    /// Creates the error for a failed system call.
    init(_ failure: FileFailure, _ options: EnvironmentOptions) {
        self.init(failure.code, failure.operation, options)
    }

    /// Creates the error for a data file that cannot be opened.
    init(_ refusal: MetaPage.Refusal, _ options: EnvironmentOptions) {
        switch refusal {
        case .failed(let code):
            self.init(code, "open the file", options)
        case .notLMDB:
            self.init(
                .notLMDB, options,
                "it is not an LMDB data file of a 64-bit system; check the path and options.no_subdir")
        case .version(let version):
            self.init(
                .versionMismatch, options,
                "it has data format version \(version), and liblmdb \(LMDBVersion.text) supports only version 1; use a "
                    + "version of the application that writes the format of LMDB 0.9")
        case .damaged(let what):
            self.init(.corrupted, options, "\(Self.damaged) (\(what)); \(Self.repair)")
        }
    }

    private init(_ code: Code, _ options: EnvironmentOptions, _ reason: String) {
        self.init(code, "cannot open the file of LMDB \(options.dataFile): \(reason)")
    }

    private static let damaged = "the file is damaged"
    private static let repair =
        "stop everything that uses it, then restore it, or remove it together with its lock file and let it be rebuilt"

    private static func text(_ result: Int32) -> String {
        mdb_strerror(result).map { String(cString: $0) } ?? "error \(result)"
    }

    /// Called by liblmdb for damage without an error code, before it would abort.
    ///
    /// The process must end here: a line on standard error and exit code 1 replace the core dump.
    static let endProcess: @convention(c) (OpaquePointer?, UnsafePointer<CChar>?) -> Void = { environment, text in
        var path: UnsafePointer<CChar>?
        mdb_env_get_path(environment, &path)
        let file = path.map { String(cString: $0) } ?? ""
        let assertion = text.map { String(cString: $0) } ?? ""
        var line = "lightningstream: cannot continue with LMDB \(file): \(damaged) (\(assertion)); \(repair)\n"
        line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
        _exit(1)
    }
}

/// The version of the liblmdb in use.
package enum LMDBVersion {
    /// For example "0.9.24".
    package static let text: String = {
        var (major, minor, patch): (Int32, Int32, Int32) = (0, 0, 0)
        _ = mdb_version(&major, &minor, &patch)
        return "\(major).\(minor).\(patch)"
    }()
}

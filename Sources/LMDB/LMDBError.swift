import CLMDB
import Glibc

/// A failed LMDB operation: operation, file and reason, and a fix where the caller knows one.
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
        /// There is not enough memory or address space.
        case noMemory
        /// A code of liblmdb (negative) or an `errno`.
        case other(Int32)
    }

    /// The kind of the error.
    package var code: Code
    /// Operation, file and reason.
    package var problem: String
    /// What to do about it, from ``EnvironmentOptions/cure``; may be empty.
    package var cure: String

    /// One line: operation, file, reason, and ``cure`` if there is one.
    public var description: String { cure.isEmpty ? problem : "\(problem); \(cure)" }

    /// Creates an error with its parts.
    package init(_ code: Code, _ problem: String, cure: String = "") {
        self.code = code
        self.problem = problem
        self.cure = cure
    }

    /// Creates an error with the cure that the options have for its code.
    init(_ code: Code, _ problem: String, _ options: EnvironmentOptions) {
        self.init(code, problem, cure: options.cure(code))
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
        // liblmdb reports a short write on a full disk as EIO.
        let result = result == EIO && FileFacts.isDiskFull(options.dataFile) ? ENOSPC : result
        let (code, reason) =
            Self.reason(ofLMDB: result, options, info, sizes) ?? Self.reason(ofSystem: result, options)
        self.init(code, "cannot \(operation) of LMDB \(options.dataFile): \(reason)", options)
    }

    /// The code and the reason of a result that only liblmdb has; nil for an `errno`.
    private static func reason(
        ofLMDB result: Int32, _ options: EnvironmentOptions, _ info: EnvironmentInfo?, _ sizes: (key: Int?, value: Int?)
    ) -> (Code, String)? {
        switch result {
        case MDB_INVALID, MDB_VERSION_MISMATCH:
            // The data file was checked before liblmdb opened it.
            let text =
                "its lock file \(options.lockFile) is in use with a format that liblmdb \(LMDBVersion.text) does not "
                + "support; all processes must use a compatible LMDB"
            return (result == MDB_INVALID ? .corrupted : .versionMismatch, text)
        case MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_PANIC, MDB_CURSOR_FULL:
            return (.corrupted, "\(damaged) (\(text(result))); \(repair)")
        case MDB_MAP_FULL:
            let sizes = info.map { " (\($0.usedBytes) of \($0.mapSize) bytes used before this)" } ?? ""
            return (.mapFull, "the map is full\(sizes)")
        case MDB_MAP_RESIZED:
            return (.mapResized, "another process keeps changing the size of the map; try again")
        case MDB_READERS_FULL:
            let slots = info.map { "all \($0.maximumReaders) reader slots" } ?? "all reader slots"
            let text =
                "\(slots) are in use by running processes, those of dead ones have been freed; end unneeded readers, "
                + "such as a long dump"
            return (.readersFull, text)
        case MDB_DBS_FULL:
            return (.databasesFull, "it has more named databases than the \(options.maximumDatabases) that are allowed")
        case MDB_KEYEXIST: return (.keyExists, "the key is not above the last one")
        case MDB_BAD_VALSIZE:
            let key = sizes.key.map { "a key of \($0) bytes" }
            let value = sizes.value.map { $0 < 0 ? "a value of negative size" : "a value of \($0) bytes" }
            let what = [key, value].compactMap(\.self).joined(separator: " or ")
            return (.badSize, "LMDB does not support \(what.isEmpty ? "a key or value of this size" : what)")
        case MDB_INCOMPATIBLE:
            return (
                .incompatible, "the object with this name is used differently, or was created with different flags"
            )
        default: return nil
        }
    }

    /// The code and the reason of an `errno`.
    private static func reason(ofSystem result: Int32, _ options: EnvironmentOptions) -> (Code, String) {
        switch result {
        case EACCES, EPERM, EROFS: return (.noPermission, "\(text(result)) (\(FileFacts.obstacles(options)))")
        case ENOENT: return (.missingFile, "no such file or directory")
        case ENOMEM:
            let map = options.mapSize > 0 ? "a map of \(options.mapSize) bytes" : "a map of the file's size"
            let text =
                "there is not enough memory or address space; \(map) must fit in the address space (ulimit -v), "
                + "whatever the size of the file"
            return (.noMemory, text)
        case EAGAIN:
            // From the lock that a process takes on its ID before its first read.
            return (.samePID, "a process of another container has it open with the same process ID (\(getpid()))")
        case ENOSPC, EDQUOT:
            return (.other(result), "\(text(result)); the file can grow up to the map size, which must be available")
        default: return (.other(result), text(result))
        }
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
                "it is not an LMDB data file of a 64-bit system")
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
        self.init(code, "cannot open the file of LMDB \(options.dataFile): \(reason)", options)
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

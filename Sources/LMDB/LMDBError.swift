import CLMDB
import Glibc

/// A failed LMDB operation: what was tried, on which file, why it failed and what to do about it.
public struct LMDBError: Error, Sendable, CustomStringConvertible {
    /// What a caller may want to tell apart. New codes of LMDB become ``other(_:)``.
    package enum Code: Sendable, Hashable {
        /// There is no data file, or an empty one, and it is not to be created.
        case missingFile
        /// The path is a directory where a file should be.
        case isDirectory
        /// The path is a file where a directory should be.
        case isNotDirectory
        /// The file system or the opening for reading only forbids it.
        case noPermission
        /// This process has the environment open already.
        case alreadyOpen
        /// The file is of another format.
        case notLMDB
        /// The file, or its lock file, is of a format version that this liblmdb does not know.
        case versionMismatch
        /// The file, or its lock file, is damaged or incomplete.
        case corrupted
        /// No room is left in the map.
        case mapFull
        /// The map could not follow the growth of the file.
        case mapResized
        /// A process in another PID namespace reads under the same process ID.
        case samePID
        /// All reader slots are taken by running processes.
        case readersFull
        /// More named databases than the options allow.
        case databasesFull
        /// The key exists, or is not behind the last one, and that was asked for.
        case keyExists
        /// A key or value has a size that can't be stored.
        case badSize
        /// A database can't have this name.
        case badName
        /// The name belongs to something that can't be used like this.
        case incompatible
        /// A code of liblmdb (negative) or an `errno`.
        case other(Int32)
    }

    /// What went wrong.
    package var code: Code
    /// One line: operation, file, reason, advice.
    public var description: String

    /// An error whose one line is complete.
    package init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

extension LMDBError {
    /// The error for a return code of liblmdb or an `errno`, with the sizes that matter for it.
    ///
    /// - Parameters:
    ///   - result: what was returned.
    ///   - operation: a verb phrase such as "start a read transaction".
    ///   - options: of the environment.
    ///   - info: the environment's sizes, where it is open.
    ///   - sizes: the sizes in bytes of the key and the value that were used.
    init(
        _ result: Int32, _ operation: String, _ options: EnvironmentOptions, info: EnvironmentInfo? = nil,
        sizes: (key: Int?, value: Int?) = (nil, nil)
    ) {
        let reason: String
        // liblmdb turns a write that was cut short by a full disk into this.
        let result = result == EIO && FileFacts.isDiskFull(options.dataFile) ? ENOSPC : result
        switch result {
        case MDB_INVALID, MDB_VERSION_MISMATCH:
            // The data file has been looked at before liblmdb did.
            code = result == MDB_INVALID ? .corrupted : .versionMismatch
            reason =
                "its lock file \(options.lockFile) is in use with a format that liblmdb \(LMDBVersion.text) does not "
                + "know; every process that uses it must have the same kind of LMDB"
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
            reason = "another process keeps changing the size of the map; it is worth another try"
        case MDB_READERS_FULL:
            code = .readersFull
            let slots = info.map { "all \($0.maximumReaders) reader slots" } ?? "all reader slots"
            reason =
                "\(slots) are in use by running processes, those of dead ones have been freed; end readers that are not "
                + "needed, such as a long dump"
        case MDB_DBS_FULL:
            code = .databasesFull
            reason = "it has more named databases than options.max_dbs (\(options.maximumDatabases)) allows; raise it"
        case MDB_KEYEXIST:
            code = .keyExists
            reason = "the key is not behind the last one"
        case MDB_BAD_VALSIZE:
            code = .badSize
            let key = sizes.key.map { "a key of \($0) bytes" }
            let value = sizes.value.map { $0 < 0 ? "a value of negative size" : "a value of \($0) bytes" }
            let what = [key, value].compactMap(\.self).joined(separator: " or ")
            reason = "LMDB can't take \(what.isEmpty ? "a key or value of this size" : what)"
        case MDB_INCOMPATIBLE:
            code = .incompatible
            reason = "what has this name is used as something else, or was made with other flags"
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
            // From the lock that a process takes on its ID before it first reads.
            code = .samePID
            reason =
                "a process of another container has it open with the same process ID (\(getpid())); share one PID "
                + "namespace, or start with --minimum-pid"
        case ENOSPC, EDQUOT:
            code = .other(result)
            reason = "\(Self.text(result)); the file can grow up to the map size, make that much room for it"
        default:
            code = .other(result)
            reason = Self.text(result)
        }
        description = "cannot \(operation) of LMDB \(options.dataFile): \(reason)"
    }

    /// The error for a system call that failed.
    init(_ failure: FileFailure, _ options: EnvironmentOptions) {
        self.init(failure.code, failure.operation, options)
    }

    /// The error for a data file that can't be opened as what it is.
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
                "it has data format version \(version), and liblmdb \(LMDBVersion.text) knows only version 1; use a "
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

    /// What liblmdb calls when it finds damage that it has no error code for, before it would abort.
    ///
    /// There is no way back from here: the line on standard error and exit code 1 take the place of a core dump.
    static let endProcess: @convention(c) (OpaquePointer?, UnsafePointer<CChar>?) -> Void = { environment, text in
        var path: UnsafePointer<CChar>?
        mdb_env_get_path(environment, &path)
        let file = path.map { String(cString: $0) } ?? ""
        let assertion = text.map { String(cString: $0) } ?? ""
        var line = "lightningstream: cannot go on with LMDB \(file): \(damaged) (\(assertion)); \(repair)\n"
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

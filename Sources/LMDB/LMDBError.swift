import CLMDB
import Glibc

/// A failed LMDB operation: what was tried, on which file, why it failed and what to do about it.
package struct LMDBError: Error, Sendable, CustomStringConvertible {
    /// What a caller may want to tell apart. New codes of LMDB become ``other``.
    package enum Code: Sendable, Hashable {
        case missingFile, isDirectory, isNotDirectory, noPermission
        case notLMDB, versionMismatch, corrupted
        case mapFull, mapResized, readersFull, databasesFull
        case keyExists, badKeySize, incompatible
        case other(Int32)
    }

    package var code: Code
    /// One line: operation, file, reason, advice.
    package var description: String

    package init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

extension LMDBError {
    /// The error for a return code of liblmdb, with the sizes that matter for it.
    ///
    /// - Parameters:
    ///   - result: what liblmdb returned.
    ///   - operation: a verb phrase such as "start a read transaction".
    ///   - path: the data file.
    ///   - info: the environment's sizes, where it is open.
    init(_ result: Int32, _ operation: String, path: String, info: EnvironmentInfo? = nil) {
        let reason: String
        switch result {
        case MDB_INVALID:
            code = .notLMDB
            reason = "the file is not an LMDB database (or one of a system with another word size); check the path"
        case MDB_VERSION_MISMATCH:
            code = .versionMismatch
            reason =
                "the file or its lock file has a data format version that liblmdb \(LMDBVersion.text) does not know; "
                + "it was written by a newer LMDB, or another program holds the lock file"
        case MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_PANIC:
            code = .corrupted
            reason = "the file is damaged (\(Self.text(result))); restore it, or remove it and let it be rebuilt"
        case MDB_MAP_FULL:
            code = .mapFull
            let sizes = info.map { " (\($0.usedBytes) of \($0.mapSize) bytes used)" } ?? ""
            reason =
                "the map is full\(sizes); raise options.map_size, and the application's map size "
                + "(lmdb-map-size of PowerDNS) to at least the same"
        case MDB_MAP_RESIZED:
            code = .mapResized
            reason = "another process keeps changing the size of the map"
        case MDB_READERS_FULL:
            code = .readersFull
            let slots = info.map { "all \($0.maximumReaders) reader slots" } ?? "all reader slots"
            reason = "\(slots) are in use by running processes; end some of the readers"
        case MDB_DBS_FULL:
            code = .databasesFull
            reason = "there are more named databases than options.max_dbs allows; raise it"
        case MDB_KEYEXIST:
            code = .keyExists
            reason = "the key is not behind the last one"
        case MDB_BAD_VALSIZE:
            code = .badKeySize
            reason = "the key or value has a size that LMDB does not take"
        case MDB_INCOMPATIBLE:
            code = .incompatible
            reason = "it exists as something else than a named database with these flags"
        case EACCES, EPERM, EROFS:
            code = .noPermission
            reason =
                "\(Self.text(result)) (\(FileFacts.ownership(of: path)), this process runs as uid \(geteuid()) "
                + "gid \(getegid())); the data file, its lock file and their directory must be writable"
        case ENOENT:
            code = .missingFile
            reason = "no such file or directory"
        default:
            code = .other(result)
            reason = Self.text(result)
        }
        description = "cannot \(operation) of LMDB \(path): \(reason)"
    }

    private static func text(_ result: Int32) -> String {
        mdb_strerror(result).map { String(cString: $0) } ?? "error \(result)"
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

import Glibc
import LMDB

/// What to do about failures of an LMDB, with the names of the options under `lmdbs`.
extension Advice {
    /// The cure for an error of this code; may be empty.
    package static func cure(of code: LMDBError.Code) -> String {
        switch code {
        case .missingFile: "check the path, start the application first, or set options.create: true"
        case .isDirectory: "remove options.no_subdir, or name the file in it"
        case .isNotDirectory: "set options.no_subdir: true"
        case .notLMDB: "check the path and options.no_subdir"
        case .mapFull:
            "raise options.map_size, and the application's map size (lmdb-map-size of PowerDNS) to at least the same"
        case .databasesFull: "raise options.max_dbs"
        case .noMemory: "options.map_size sets the size of the map"
        case .samePID: "share one PID namespace, or start with --minimum-pid"
        // Without options: the problem says what to do.
        case .noPermission, .alreadyOpen, .versionMismatch, .corrupted, .mapResized, .readersFull, .keyExists, .badSize,
            .badName, .incompatible, .other:
            ""
        }
    }
}

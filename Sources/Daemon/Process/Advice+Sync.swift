import HTTP
import Replication

/// What to do about problems of syncing, with the names of options and commands.
extension Advice {
    /// An error as one line, with what to do about it.
    package static func line(_ error: any Error) -> String {
        let cure =
            switch error {
            case let error as any HintedError: error.hint.map(cure) ?? ""
            case let error as HTTPSetupError: cure(of: error)
            default: ""
            }
        return cure.isEmpty ? "\(error)" : "\(error); \(cure)"
    }

    /// The cure that a hint means.
    package static func cure(_ hint: SyncHint) -> String {
        switch hint {
        case .largerMap:
            "raise options.map_size, and the application's map size (PowerDNS's lmdb-map-size) to at least the same, "
                + "or remove the snapshot if it is bad"
        case .moreDatabases: "raise options.max_dbs"
        case .notNative: "remove this LMDB from lmdbs, or set schema_tracks_changes: false"
        case .transformedKeys: "set dupsort_hack: true, on all instances"
        case .sameFlags: "the flags of the DBI and dupsort_hack must be the same on all instances"
        case .sameMode: "schema_tracks_changes must be the same on all instances"
        case .startOver:
            "docs/shadow-mode.md describes how to start over with lightningstream drop-shadow, and what is lost"
        case .creationFlags(let dbi):
            "set dbi_options.\(dbi).override_create_flags, or let the application create it"
        case .retryLimit: "storage_retry_count limits the failures"
        case .otherInstance:
            "try again when there is one (if there are no other instances any more, start once with sweeper.enabled: "
                + "false, which removes the record of the last sync)"
        case .rebuild(let database): "lightningstream resync --only-db \(database)"
        }
    }
}

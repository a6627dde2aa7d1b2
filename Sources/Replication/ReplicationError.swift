import Support

/// A snapshot must not be merged. Retries would not help.
package struct RefusedSnapshot: HintedError {
    /// One line: the reason.
    package var description: String
    /// The same as fields of the log line.
    package var facts: [String: String]
    /// See ``HintedError/hint``.
    package var hint: SyncHint?
    /// Creates an error with its line.
    package init(_ description: String, facts: [String: String] = [:], hint: SyncHint? = nil) {
        self.description = description
        self.facts = facts
        self.hint = hint
    }
}

/// A temporary reason why a snapshot cannot be merged. It is retried.
package struct MergeObstacle: HintedError {
    /// One line: the reason.
    package var description: String
    /// See ``HintedError/hint``.
    package var hint: SyncHint?
    /// Creates an error with its line.
    package init(_ description: String, hint: SyncHint? = nil) {
        self.description = description
        self.hint = hint
    }
}

/// The missing entries of a snapshot do not fit the map, even if it were empty.
package struct MapIsTooSmall: HintedError {
    /// The size of the entries planned so far, in bytes.
    var planned: Int
    /// The size of the map in bytes.
    var mapSize: Int

    /// One line: the problem.
    package var description: String { "the entries to write exceed \(planned) bytes, but the map has \(mapSize)" }
    /// See ``HintedError/hint``.
    package var hint: SyncHint? { .largerMap }
}

/// Contents of the local LMDB cannot be synced.
package struct LocalContentError: HintedError {
    /// One line: DBI, key and problem. The caller adds the database.
    package var description: String
    /// See ``HintedError/hint``.
    package var hint: SyncHint?
    /// Creates an error with its line.
    package init(_ description: String, hint: SyncHint? = nil) {
        self.description = description
        self.hint = hint
    }
}

/// A DBI of the application has no shadow yet: its contents have to be captured before a merge.
struct ShadowIsMissing: Error, CustomStringConvertible {
    var database: String
    var description: String { "DBI \(database) has no shadow" }
}

/// A single run cannot load everything in the storage.
package struct LoadingGaveUp: HintedError {
    /// Why the last try failed.
    package var last: String

    /// One line: the problem and its cause.
    package var description: String {
        "cannot load everything in the storage: too many failures; last error: \(last)"
    }
    /// See ``HintedError/hint``.
    package var hint: SyncHint? { .retryLimit }
}

/// Too many sends of a database have failed: the process ends.
package struct SendingGaveUp: HintedError {
    /// The number of failures in a row.
    package var tries: Int
    /// Why the last one failed.
    package var last: String

    /// One line: the number of failures and the last error.
    package var description: String {
        "cannot send a snapshot: \(tries) failures in a row; last error: \(last)"
    }
    /// See ``HintedError/hint``.
    package var hint: SyncHint? { .retryLimit }
}

/// Formats bytes for a message: printable ASCII as it is, other bytes as `\xNN`, truncated to 64 bytes.
package func printable(_ bytes: UnsafeRawBufferPointer) -> String { PrintableText.bytes(bytes) }

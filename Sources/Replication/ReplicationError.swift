import Support

/// A snapshot must not be merged. Retries would not help.
package struct RefusedSnapshot: Error, Sendable, CustomStringConvertible {
    /// One line: the reason.
    package var description: String
    /// The same as fields of the log line.
    package var facts: [String: String]
    /// Creates an error with its line.
    package init(_ description: String, facts: [String: String] = [:]) {
        self.description = description
        self.facts = facts
    }
}

/// A temporary reason why a snapshot cannot be merged. It is retried.
package struct MergeObstacle: Error, Sendable, CustomStringConvertible {
    /// One line: the reason.
    package var description: String
    /// Creates an error with its line.
    package init(_ description: String) { self.description = description }
}

/// The missing entries of a snapshot do not fit the map, even if it were empty.
package struct MapIsTooSmall: Error, Sendable, CustomStringConvertible {
    /// The size of the entries planned so far, in bytes.
    var planned: Int
    /// The size of the map in bytes.
    var mapSize: Int

    /// One line: the problem and the remedy.
    package var description: String {
        "the entries to write exceed \(planned) bytes, but the map has \(mapSize); "
            + "raise options.map_size, and the application's map size (PowerDNS's lmdb-map-size) to at least the same, "
            + "or remove the snapshot if it is bad"
    }
}

/// Contents of the local LMDB cannot be synced.
package struct LocalContentError: Error, Sendable, CustomStringConvertible {
    /// One line: DBI, key and remedy. The caller adds the database.
    package var description: String
    /// Creates an error with its line.
    package init(_ description: String) { self.description = description }
}

/// A DBI of the application has no shadow yet: its contents have to be captured before a merge.
struct ShadowIsMissing: Error, CustomStringConvertible {
    var database: String
    var description: String { "DBI \(database) has no shadow" }
}

/// A single run cannot load everything in the storage.
package struct LoadingGaveUp: Error, CustomStringConvertible {
    /// Why the last try failed.
    package var last: String

    /// One line: the problem and its cause.
    package var description: String {
        "cannot load everything in the storage: too many failures (storage_retry_count); "
            + "last error: \(last)"
    }
}

/// Too many sends of a database have failed: the process ends.
package struct SendingGaveUp: Error, CustomStringConvertible {
    /// The number of failures in a row.
    package var tries: Int
    /// Why the last one failed.
    package var last: String

    /// One line: the number of failures and the last error.
    package var description: String {
        "cannot send a snapshot: \(tries) failures in a row (storage_retry_count); last error: \(last)"
    }
}

/// Formats bytes for a message: printable ASCII as it is, other bytes as `\xNN`, truncated to 64 bytes.
package func printable(_ bytes: UnsafeRawBufferPointer) -> String { PrintableText.bytes(bytes) }

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
        "the entries of the snapshot that are to be written take more than \(planned) bytes, but the map has \(mapSize); "
            + "raise options.map_size, and the application's map size (lmdb-map-size of PowerDNS) to at least the same, "
            + "or remove the snapshot when it is no good"
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
        "not everything in the storage is loaded, and tries to do so have failed too often (storage_retry_count), "
            + "the last one so: \(last)"
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
        "\(tries) tries to send a snapshot in a row have failed (storage_retry_count), the last one so: \(last)"
    }
}

/// Formats bytes for a message: printable ASCII as it is, other bytes as `\xNN`, truncated to 64 bytes.
package func printable(_ bytes: UnsafeRawBufferPointer) -> String { PrintableText.bytes(bytes) }

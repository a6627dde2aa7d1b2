import Support

/// A snapshot that must not be merged, however often it is tried.
package struct RefusedSnapshot: Error, Sendable, CustomStringConvertible {
    /// One line that says why.
    package var description: String
    /// The same for programs: fields of the line in the log.
    package var facts: [String: String]
    /// An error with its one line.
    package init(_ description: String, facts: [String: String] = [:]) {
        self.description = description
        self.facts = facts
    }
}

/// Something in the way of a merge that may pass: the same snapshot is tried again.
package struct MergeObstacle: Error, Sendable, CustomStringConvertible {
    /// One line that says what it is.
    package var description: String
    /// An error with its one line.
    package init(_ description: String) { self.description = description }
}

/// A snapshot of which more is missing here than the map can hold, whatever is removed from it.
package struct MapIsTooSmall: Error, Sendable, CustomStringConvertible {
    /// What has been planned when it became too much, in bytes.
    var planned: Int
    /// The size of the map in bytes.
    var mapSize: Int

    /// One line that says what to do.
    package var description: String {
        "the entries of the snapshot that are to be written take more than \(planned) bytes, but the map has \(mapSize); "
            + "raise options.map_size, and the application's map size (lmdb-map-size of PowerDNS) to at least the same, "
            + "or remove the snapshot when it is no good"
    }
}

/// Contents of the local LMDB that can't be synced.
package struct LocalContentError: Error, Sendable, CustomStringConvertible {
    /// One line that names DBI and key, and says what to do; whoever reports it adds the database.
    package var description: String
    /// An error with its one line.
    package init(_ description: String) { self.description = description }
}

/// An application's DBI has no shadow yet: changes have to be captured before anything is merged into it.
struct ShadowIsMissing: Error, CustomStringConvertible {
    var database: String
    var description: String { "DBI \(database) has no shadow" }
}

/// A single run can't load what is in the storage.
package struct LoadingGaveUp: Error, CustomStringConvertible {
    /// Why the last try failed.
    package var last: String

    /// One line: that not everything is loaded, and why.
    package var description: String {
        "not everything in the storage is loaded, and tries to do so have failed too often (storage_retry_count), "
            + "the last one so: \(last)"
    }
}

/// So many sends of a database have failed that the process ends.
package struct SendingGaveUp: Error, CustomStringConvertible {
    /// How many have failed in a row.
    package var tries: Int
    /// Why the last one failed.
    package var last: String

    /// One line: how many, and why the last one failed.
    package var description: String {
        "\(tries) tries to send a snapshot in a row have failed (storage_retry_count), the last one so: \(last)"
    }
}

/// Bytes for a message: printable ASCII as it is, everything else as `\xNN`, cut at 64 bytes.
package func printable(_ bytes: UnsafeRawBufferPointer) -> String { PrintableText.bytes(bytes) }

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

/// Contents of the local LMDB that can't be synced.
package struct LocalContentError: Error, Sendable, CustomStringConvertible {
    /// One line that names database, DBI and key, and says what to do.
    package var description: String
    /// An error with its one line.
    package init(_ description: String) { self.description = description }
}

/// An application's DBI has no shadow yet: changes have to be captured before anything is merged into it.
struct ShadowIsMissing: Error, CustomStringConvertible {
    var database: String
    var description: String { "DBI \(database) has no shadow" }
}

/// Bytes for a message: printable ASCII as it is, everything else as `\xNN`, cut at 64 bytes.
package func printable(_ bytes: UnsafeRawBufferPointer) -> String {
    var text = ""
    for byte in bytes.prefix(64) {
        if (0x20...0x7e).contains(byte) && byte != UInt8(ascii: "\\") {
            text.unicodeScalars.append(Unicode.Scalar(byte))
        } else {
            let hex = String(byte, radix: 16)
            text += "\\x" + (hex.count == 1 ? "0" : "") + hex
        }
    }
    return bytes.count > 64 ? text + "…" : text
}

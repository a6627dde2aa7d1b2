/// The reason for rejecting a snapshot.
package struct SnapshotError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The kind of an error, for callers.
    package enum Kind: Sendable, Hashable {
        /// The bytes are not a valid snapshot. A retry with the same bytes is useless.
        case malformed
        /// A snapshot that this version does not support, or that violates a rule.
        case unsupported
        /// An entry that cannot fit into the local LMDB.
        case tooLarge
        /// The bytes could not be read from their local file: nothing is known about the snapshot itself.
        case unreadable
    }

    /// The kind of the error.
    package var kind: Kind
    /// The problem, without its position.
    package var reason: String
    /// The offset in the uncompressed message.
    package var offset: UInt64
    /// The DBI at the offset, nil outside of one, empty if its name is unknown.
    package var database: String?

    /// Creates an error with its position.
    package init(_ kind: Kind, _ reason: String, offset: UInt64, database: String? = nil) {
        self.kind = kind
        self.reason = reason
        self.offset = offset
        self.database = database
    }

    /// One line with the position and the problem.
    package var description: String {
        let dbi = database.map { $0.isEmpty ? ", in a DBI without a name" : ", DBI \"\($0)\"" } ?? ""
        return kind == .unreadable
            ? "cannot read the snapshot at byte \(offset)\(dbi): \(reason)"
            : "rejected the snapshot at byte \(offset)\(dbi): \(reason)"
    }
}

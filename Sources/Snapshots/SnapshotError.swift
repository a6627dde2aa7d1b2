/// Why a snapshot is refused.
package struct SnapshotError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What a caller may want to tell apart.
    package enum Kind: Sendable, Hashable {
        /// The bytes are not a snapshot, or a damaged one. No retry with the same bytes can help.
        case malformed
        /// A snapshot that this version does not understand, or that breaks a rule.
        case unsupported
        /// An entry that could not fit into the local LMDB.
        case tooLarge
        /// The bytes could not be read from where they are kept: nothing is known about the snapshot itself.
        case unreadable
    }

    /// What kind of a refusal it is.
    package var kind: Kind
    /// What is wrong, without the place.
    package var reason: String
    /// How many bytes of the uncompressed message lie before the place.
    package var offset: UInt64
    /// The DBI that the place belongs to, nil outside of one, empty when its name is not known.
    package var database: String?

    /// A refusal with its place.
    package init(_ kind: Kind, _ reason: String, offset: UInt64, database: String? = nil) {
        self.kind = kind
        self.reason = reason
        self.offset = offset
        self.database = database
    }

    /// One line: what, where and why.
    package var description: String {
        let dbi = database.map { $0.isEmpty ? ", in a DBI without a name" : ", DBI \"\($0)\"" } ?? ""
        return kind == .unreadable
            ? "cannot read the snapshot at byte \(offset)\(dbi): \(reason)"
            : "refused the snapshot at byte \(offset)\(dbi): \(reason)"
    }
}

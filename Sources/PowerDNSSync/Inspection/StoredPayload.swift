import Replication
import Snapshots

/// Extracts PowerDNS's payload from a version of an entry.
enum StoredPayload {
    /// The payload of a live entry; nil for a Deleted one.
    ///
    /// - Parameter isShadowed: whether the version's value is the application's own, which starts with
    ///   PowerDNS's header.
    /// - Throws: if a required header is missing.
    static func of(
        _ version: MergeRule.Version, isShadowed: Bool
    ) throws(EntryHeaderError) -> UnsafeRawBufferPointer? {
        if version.isDeleted { return nil }
        guard isShadowed else { return version.value }
        let entry = try EntryHeader.parse(version.value)
        return entry.header.isDeleted ? nil : entry.payload
    }
}

import Replication
import Snapshots

/// Where PowerDNS's payload is in a version of an entry.
enum StoredPayload {
    /// The payload of a live entry; nil of a Deleted one.
    ///
    /// - Parameter isShadowed: whether the version's value is the application's own one, in front of which PowerDNS has
    ///   put its header.
    /// - Throws: when there should be a header and is none.
    static func of(
        _ version: MergeRule.Version, isShadowed: Bool
    ) throws(EntryHeaderError) -> UnsafeRawBufferPointer? {
        if version.isDeleted { return nil }
        guard isShadowed else { return version.value }
        let entry = try EntryHeader.parse(version.value)
        return entry.header.isDeleted ? nil : entry.payload
    }
}

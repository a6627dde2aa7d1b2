/// Last writer wins: decides between an incoming and a local entry of the same key.
///
/// The rule orders all versions of an entry (higher timestamp first, then the bytewise lower value, then Deleted) and
/// keeps the first, so merging is commutative, associative and idempotent: the same snapshots in any order and
/// repetition produce the same state.
package enum MergeRule {
    /// One version of an entry.
    @frozen
    package struct Version {
        /// Nanoseconds since the UNIX epoch.
        package var timestamp: UInt64
        /// Whether this version is a deletion.
        package var isDeleted: Bool
        /// The application's value, without header. Ignored if ``isDeleted``.
        package var value: UnsafeRawBufferPointer

        /// Creates a version; a Deleted one has an empty value.
        @inlinable @inline(__always)
        package init(timestamp: UInt64, isDeleted: Bool, value: UnsafeRawBufferPointer) {
            self.timestamp = timestamp
            self.isDeleted = isDeleted
            self.value = isDeleted ? UnsafeRawBufferPointer(start: nil, count: 0) : value
        }
    }

    /// Whether the incoming version replaces the local one.
    @inlinable @inline(__always)
    package static func replaces(_ incoming: Version, local: Version) -> Bool {
        if incoming.timestamp != local.timestamp { return incoming.timestamp > local.timestamp }
        let order = compareBytes(incoming.value, local.value)
        if order != 0 { return order < 0 }
        return incoming.isDeleted && !local.isDeleted
    }

    /// Whether an incoming version is added if there is no local one.
    ///
    /// - Parameter deletedCutoff: older Deleted entries are not added, because they have been swept here or soon would
    ///   be. In nanoseconds since the UNIX epoch, 0 to add all.
    @inlinable
    package static func adds(_ incoming: Version, deletedCutoff: UInt64) -> Bool {
        !(incoming.isDeleted && incoming.timestamp < deletedCutoff)
    }
}

import Snapshots

/// The header of the Go program before release 0.3: the timestamp alone, 8 bytes big-endian. A value without further
/// bytes is a deleted entry.
enum OldHeader {
    /// The size of the header in bytes.
    static let size = 8
    /// How far a timestamp may be ahead of the own clock, in nanoseconds. An application's value without a header is
    /// usually centuries away, and must not be taken for a timestamp.
    static let tolerance: UInt64 = 86_400_000_000_000

    /// The version of a value with such a header; nil for a value with a current header, which begins with the same
    /// timestamp, and for a value with neither.
    ///
    /// - Parameter newest: the latest possible timestamp.
    static func version(_ value: UnsafeRawBufferPointer, notAfter newest: UInt64) -> MergeRule.Version? {
        guard value.count >= size, (try? EntryHeader.parse(value)) == nil else { return nil }
        let timestamp = UInt64(bigEndian: value.loadUnaligned(as: UInt64.self))
        guard timestamp <= newest else { return nil }
        return .init(
            timestamp: timestamp, isDeleted: value.count == size,
            value: UnsafeRawBufferPointer(rebasing: value[size...]))
    }
}

import Snapshots

/// The header that releases of the Go program before 0.3 put in front of a value: the timestamp alone, 8 bytes
/// big-endian. An entry with nothing behind it is a deleted one.
enum OldHeader {
    /// The size of the header in bytes.
    static let size = 8
    /// How far ahead of the own clock a timestamp may be, in nanoseconds: what is not a header but an application's
    /// value is centuries away, most of the time, and must not become the time of anything.
    static let tolerance: UInt64 = 86_400_000_000_000

    /// The version of a value with such a header; nil for a value with the header of today, which begins with the
    /// same timestamp, and for what can't be either.
    ///
    /// - Parameter newest: the latest timestamp that is possible.
    static func version(_ value: UnsafeRawBufferPointer, notAfter newest: UInt64) -> MergeRule.Version? {
        guard value.count >= size, (try? EntryHeader.parse(value)) == nil else { return nil }
        let timestamp = UInt64(bigEndian: value.loadUnaligned(as: UInt64.self))
        guard timestamp <= newest else { return nil }
        return .init(
            timestamp: timestamp, isDeleted: value.count == size,
            value: UnsafeRawBufferPointer(rebasing: value[size...]))
    }
}

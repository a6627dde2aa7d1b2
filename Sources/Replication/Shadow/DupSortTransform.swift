import Glibc
import LMDB
import Snapshots

/// `dupsort_hack_v1`: makes one key of a key and one of its values, so that each of several values of a key is an entry
/// with a version of its own.
///
/// The key is followed by four zero bytes, as much of the value as fits, and one byte with the size of the key; at most
/// 511 bytes in all. Keys of 1 to 255 bytes can be transformed.
enum DupSortTransform {
    static let name = SnapshotLimits.dupSortTransform
    /// The most bytes of a transformed key: what LMDB takes.
    static let longest = 511
    /// The most bytes of a key that can be transformed: its size has one byte.
    static let longestKey = 255
    private static let separator = 4
    static let cure = "the flags of the DBI and dupsort_hack must be the same on all instances"

    /// The most bytes of a value that there is room for.
    @inline(__always)
    private static func room(_ keySize: Int) -> Int { longest - separator - 1 - keySize }

    /// Transforms a key that has 1 to ``longestKey`` bytes.
    ///
    /// - Parameter buffer: has room for ``longest`` bytes.
    /// - Returns: how many have been written.
    @inline(__always)
    static func encode(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
    ) -> Int {
        let part = UnsafeRawBufferPointer(rebasing: value.prefix(room(key.count)))
        UnsafeMutableRawBufferPointer(rebasing: buffer[..<key.count]).copyMemory(from: key)
        buffer.storeBytes(of: 0, toByteOffset: key.count, as: UInt32.self)
        let start = key.count + separator
        UnsafeMutableRawBufferPointer(rebasing: buffer[start..<start + part.count]).copyMemory(from: part)
        buffer[start + part.count] = UInt8(truncatingIfNeeded: key.count)
        return start + part.count + 1
    }

    /// Whether ``encode(_:_:into:)`` makes this of a key and a value, without making it.
    @inline(__always)
    static func encodes(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, to transformed: UnsafeRawBufferPointer
    ) -> Bool {
        guard key.count <= longestKey, let bytes = transformed.baseAddress, let keyBytes = key.baseAddress else {
            return false
        }
        let part = min(value.count, room(key.count))
        let start = key.count + separator
        guard transformed.count == start + part + 1,
            bytes.load(fromByteOffset: start + part, as: UInt8.self) == UInt8(truncatingIfNeeded: key.count),
            bytes.loadUnaligned(fromByteOffset: key.count, as: UInt32.self) == 0,
            memcmp(bytes, keyBytes, key.count) == 0
        else { return false }
        guard part > 0, let valueBytes = value.baseAddress else { return true }
        return memcmp(bytes + start, valueBytes, part) == 0
    }

    /// A transformed key, taken apart.
    struct Parts {
        /// The key of the application's DBI.
        var key: UnsafeRawBufferPointer
        /// The value, or its beginning.
        var value: UnsafeRawBufferPointer
        /// Whether the value may go on.
        var isCut: Bool
    }

    /// Takes a transformed key apart, nil when it is none.
    static func decode(_ bytes: UnsafeRawBufferPointer) -> Parts? {
        guard bytes.count <= longest, let last = bytes.last, last > 0 else { return nil }
        let start = Int(last) + separator
        guard bytes.count > start, bytes[Int(last)..<start].allSatisfy({ $0 == 0 }) else { return nil }
        return Parts(
            key: UnsafeRawBufferPointer(rebasing: bytes[..<Int(last)]),
            value: UnsafeRawBufferPointer(rebasing: bytes[start..<bytes.count - 1]), isCut: bytes.count == longest)
    }

    /// Checks an entry of a snapshot, and takes its key apart.
    @discardableResult
    static func check(
        _ key: UnsafeRawBufferPointer, _ version: MergeRule.Version, _ database: String
    ) throws(RefusedSnapshot) -> Parts {
        guard let parts = decode(key) else {
            throw RefusedSnapshot(
                "the key \(printable(key)) of DBI \(database) is not one of the transform \(name); \(cure)")
        }
        guard !version.isDeleted else { return parts }
        guard version.value.count <= longest else {
            throw RefusedSnapshot(
                "a value of key \(printable(parts.key)) in DBI \(database) has \(version.value.count) bytes, but where a "
                    + "key has several, LMDB takes \(longest) at most")
        }
        let part = UnsafeRawBufferPointer(rebasing: version.value.prefix(room(parts.key.count)))
        guard compareBytes(part, parts.value) == 0 else {
            throw RefusedSnapshot(
                "a value of key \(printable(parts.key)) in DBI \(database) is not the one that its transformed key tells of"
            )
        }
        return parts
    }
}

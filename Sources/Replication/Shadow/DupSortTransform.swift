import Glibc
import LMDB
import Snapshots

/// `dupsort_hack_v1`: combines a key and one of its values into one key, so that each of several values of a key
/// becomes an entry with its own version.
///
/// The key is followed by four zero bytes, as much of the value as fits, and one byte with the size of the key; at most
/// 511 bytes in total. Keys of 1 to 255 bytes can be transformed.
enum DupSortTransform {
    static let name = SnapshotLimits.dupSortTransform
    /// The maximum size of a transformed key: LMDB's limit.
    static let longest = 511
    /// The maximum size of a key that can be transformed, as its size is stored in one byte.
    static let longestKey = 255
    private static let separator = 4

    /// How many bytes of a value fit.
    @inline(__always)
    private static func room(_ keySize: Int) -> Int { longest - separator - 1 - keySize }

    /// Transforms a key of 1 to ``longestKey`` bytes.
    ///
    /// - Parameter buffer: has room for ``longest`` bytes.
    /// - Returns: the number of bytes written.
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

    /// Whether ``encode(_:_:into:)`` would return this for a key and a value.
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

    /// The parts of a transformed key.
    struct Parts {
        /// The key of the application's DBI.
        var key: UnsafeRawBufferPointer
        /// The value, or its beginning.
        var value: UnsafeRawBufferPointer
        /// Whether the value may be truncated.
        var isCut: Bool
    }

    /// Splits a transformed key; nil if it is not one.
    static func decode(_ bytes: UnsafeRawBufferPointer) -> Parts? {
        guard bytes.count <= longest, let last = bytes.last, last > 0 else { return nil }
        let start = Int(last) + separator
        guard bytes.count > start, bytes[Int(last)..<start].allSatisfy({ $0 == 0 }) else { return nil }
        return Parts(
            key: UnsafeRawBufferPointer(rebasing: bytes[..<Int(last)]),
            value: UnsafeRawBufferPointer(rebasing: bytes[start..<bytes.count - 1]), isCut: bytes.count == longest)
    }

    /// Checks an entry of a snapshot, and splits its key.
    @discardableResult
    static func check(
        _ key: UnsafeRawBufferPointer, _ version: MergeRule.Version, _ database: String
    ) throws(RefusedSnapshot) -> Parts {
        guard let parts = decode(key) else {
            throw RefusedSnapshot(
                "the key \(printable(key)) of DBI \(database) is not a key of the transform \(name)", hint: .sameFlags)
        }
        guard !version.isDeleted else { return parts }
        guard version.value.count <= longest else {
            throw RefusedSnapshot(
                "a value of key \(printable(parts.key)) in DBI \(database) has \(version.value.count) bytes, but LMDB "
                    + "supports at most \(longest) if a key has several values")
        }
        let part = UnsafeRawBufferPointer(rebasing: version.value.prefix(room(parts.key.count)))
        guard compareBytes(part, parts.value) == 0 else {
            throw RefusedSnapshot(
                "a value of key \(printable(parts.key)) in DBI \(database) does not match its transformed key"
            )
        }
        return parts
    }
}

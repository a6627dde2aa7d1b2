import Glibc

/// The order of the keys of a DBI, as liblmdb has it.
package enum KeyOrder: Sendable {
    /// Bytewise, a prefix first.
    case bytes
    /// Bytewise from the end, a suffix first.
    case reverse
    /// Unsigned integers in the byte order of the machine, all of one size.
    case integer

    /// That of a DBI with these flags.
    package init(_ flags: DatabaseFlags) {
        self = flags.contains(.integerKey) ? .integer : flags.contains(.reverseKey) ? .reverse : .bytes
    }

    /// Negative, zero or positive.
    package func compare(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        switch self {
        case .bytes: return Self.compareBytes(a, b)
        case .reverse:
            for (x, y) in zip(a.reversed(), b.reversed()) where x != y { return Int(x) - Int(y) }
            return a.count - b.count
        case .integer:
            guard a.count == b.count else { return a.count - b.count }
            // The most significant byte is the last one.
            for index in a.indices.reversed() where a[index] != b[index] { return Int(a[index]) - Int(b[index]) }
            return 0
        }
    }

    private static func compareBytes(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        if let first = a.baseAddress, let second = b.baseAddress {
            let result = memcmp(first, second, min(a.count, b.count))
            if result != 0 { return Int(result) }
        }
        return a.count - b.count
    }
}

import PowerDNSFormat
import Support

/// During an iteration in key order: the existing names above the current one, and deleted empty non-terminals there.
struct NamePath: ~Copyable {
    private var names = Branch()
    private var deleted = Branch()

    /// Forgets all names.
    mutating func reset() {
        names.reset()
        deleted.reset()
    }

    /// Records a Deleted row.
    ///
    /// - Parameter key: its key; ignored unless it is that of an empty non-terminal.
    mutating func noteDeleted(_ key: UnsafeRawBufferPointer) {
        // ID, owner, a zero, type 0.
        guard key.count > 8, key.suffix(3).allSatisfy({ $0 == 0 }) else { return }
        let owner = UnsafeRawBufferPointer(rebasing: key[4..<key.count - 3])
        deleted.climb(to: owner)
        deleted.descend(to: owner)
    }

    /// Records an existing name.
    ///
    /// - Parameter owner: relative to the zone, as `KeyName`.
    /// - Returns: the highest missing name above it, and whether that was an empty non-terminal; nil if all exist.
    mutating func note(_ owner: UnsafeRawBufferPointer) -> (missing: [UInt8], isDeleted: Bool)? {
        guard owner.count > 1 else { return nil }
        names.climb(to: owner)
        deleted.climb(to: owner)
        let known = names.size
        names.descend(to: owner)
        guard let end = owner[known..<owner.count - 1].firstIndex(of: 0) else { return nil }
        let missing = Array(owner[...end])
        return (missing, deleted.contains(size: missing.count))
    }
}

/// A sequence of names, each above the next one, so that each is a prefix of the last one.
private struct Branch: ~Copyable {
    private var last = KeptBytes(capacity: 512)
    private var sizes: [Int] = []

    /// The size of the last name.
    var size: Int { sizes.last ?? 0 }

    mutating func reset() { if !sizes.isEmpty { sizes.removeAll(keepingCapacity: true) } }

    /// Removes the names that are not above this one.
    mutating func climb(to owner: UnsafeRawBufferPointer) {
        while let size = sizes.last, !(owner.count > size && Self.isSame(last.bytes, owner, size)) {
            sizes.removeLast()
        }
    }

    /// Appends a name below all of them.
    mutating func descend(to owner: UnsafeRawBufferPointer) {
        last.keep(owner)
        sizes.append(owner.count)
    }

    /// Whether the name of this size above the current one is included.
    func contains(size: Int) -> Bool { sizes.contains(size) }

    private static func isSame(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, _ size: Int) -> Bool {
        UnsafeRawBufferPointer(rebasing: a[..<size]).isSame(as: UnsafeRawBufferPointer(rebasing: b[..<size]))
    }
}

import PowerDNSSchema

/// The names above the present one that exist, on a walk in key order; and empty non-terminals there that have been deleted.
struct NamePath {
    /// Each is above the next one.
    private var names: [[UInt8]] = []
    private var deleted: [[UInt8]] = []

    /// A Deleted row.
    ///
    /// - Parameter key: its key; that of no empty non-terminal is passed over.
    mutating func noteDeleted(_ key: UnsafeRawBufferPointer) {
        // ID, owner, a zero, type 0.
        guard key.count > 8, key.suffix(3).allSatisfy({ $0 == 0 }) else { return }
        let owner = Array(key[4..<key.count - 3])
        Self.climb(&deleted, to: owner)
        deleted.append(owner)
    }

    /// A name that exists.
    ///
    /// - Parameter owner: relative to the zone, as `KeyName`.
    /// - Returns: the highest name above it that does not exist, and whether it was there as an empty non-terminal; nil when
    ///   all are there.
    mutating func note(_ owner: [UInt8]) -> (missing: [UInt8], isDeleted: Bool)? {
        guard owner.count > 1 else { return nil }
        Self.climb(&names, to: owner)
        Self.climb(&deleted, to: owner)
        defer { names.append(owner) }
        let known = names.last?.count ?? 0
        guard let end = owner[known..<owner.count - 1].firstIndex(of: 0) else { return nil }
        let missing = Array(owner[...end])
        return (missing, deleted.contains(missing))
    }

    private static func climb(_ path: inout [[UInt8]], to owner: [UInt8]) {
        while let last = path.last, !(owner.count > last.count && owner.starts(with: last)) { path.removeLast() }
    }
}

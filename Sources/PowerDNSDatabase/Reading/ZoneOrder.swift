import LMDB
import PowerDNSFormat

/// All zones of a main LMDB in canonical order of their names: sorted in a temporary LMDB, because there may be
/// millions, and PowerDNS stores them by ID and by the length of the name.
package struct ZoneOrder: Sendable {
    private let environment: Environment

    // Entries per commit: LMDB keeps them in memory until then.
    private static let batch = 20_000
    private static let mapSize = 1 << 40
    private static let table = "zones"

    /// - Parameters:
    ///   - transaction: a transaction of the main LMDB.
    ///   - report: called with the ID of each unreadable zone, and the reason.
    package init<T: Transaction & ~Copyable>(
        _ transaction: borrowing T, report: (UInt32, any Error) throws -> Void
    ) throws {
        environment = try .temporary(mapSize: Self.mapSize)
        var pending: [([UInt8], UInt32)] = []
        if let zones = try ZoneTable(transaction) {
            try zones.forEach(transaction) { id, zone in
                do {
                    pending.append((Self.sortKey(try zone.get().zone), id))
                } catch { try report(id, error) }
                if pending.count >= Self.batch { try flush(&pending) }
            }
        }
        try flush(&pending)
    }

    private func flush(_ pending: inout [([UInt8], UInt32)]) throws {
        try environment.write { transaction in
            let table = try transaction.database(Self.table, creating: [])
            for (name, id) in pending {
                try name.withUnsafeBytes { key in
                    // Duplicate zones are rare.
                    let ids = try (transaction.get(table, key).map(Array.init) ?? []) + RecordKey.prefix(domainID: id)
                    try ids.withUnsafeBytes { try transaction.put(table, key, $0) }
                }
            }
            return .commit(())
        }
        pending.removeAll(keepingCapacity: true)
    }

    /// Bytes that sort like the zones' names, then like their variants.
    package static func sortKey(_ zone: ZoneName) -> [UInt8] {
        var key = KeyName.bytes(zone.name)
        key.append(0)
        // Key sizes are limited; no variant is that long.
        key.append(contentsOf: zone.variant.utf8.prefix(200))
        return key
    }

    /// Runs `body` with an iterator over the zones.
    package func read<R>(_ body: (inout Walk) throws -> R) throws -> R {
        try environment.read { transaction in
            guard let table = try transaction.database(Self.table) else {
                throw PowerDNSReadError("the temporary LMDB of zone names is empty")
            }
            var walk = Walk(cursor: try transaction.openCursor(table))
            return try body(&walk)
        }
    }

    /// Iterates the names of zones.
    package struct Walk: ~Copyable {
        fileprivate var cursor: Cursor

        /// Moves to the next name.
        ///
        /// - Returns: false after the last one.
        package mutating func next() throws -> Bool { try cursor.next() }

        /// The sort key of the name; see ``ZoneOrder/sortKey(_:)``.
        package var key: UnsafeRawBufferPointer { cursor.key }

        /// The IDs of the zones with this name; several only for duplicate zones.
        package var ids: [UInt32] {
            stride(from: 0, to: cursor.value.count - 3, by: 4).map { offset in
                UInt32(bigEndian: cursor.value.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            }
        }
    }
}

extension ZoneOrder {
    /// Calls `body` for each name in either order, with its IDs on each side.
    package func join(_ other: ZoneOrder, _ body: ([UInt32], [UInt32]) throws -> Void) throws {
        try read { first in
            try other.read { second in
                var hasFirst = try first.next()
                var hasSecond = try second.next()
                while hasFirst || hasSecond {
                    let isFirst = hasFirst && !(hasSecond && second.key.lexicographicallyPrecedes(first.key))
                    let isSecond = hasSecond && !(hasFirst && first.key.lexicographicallyPrecedes(second.key))
                    try body(isFirst ? first.ids : [], isSecond ? second.ids : [])
                    if isFirst { hasFirst = try first.next() }
                    if isSecond { hasSecond = try second.next() }
                }
            }
        }
    }
}

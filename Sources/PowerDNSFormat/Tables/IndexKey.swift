import Support

/// The key of an index from names to IDs (`domains_v5_0` and the like): the size of the name part in 2 bytes, the name
/// part, the ID in 4 bytes, big-endian. The values are empty.
package struct IndexKey: Hashable, Sendable {
    /// The name, with a variant for indexes of zones.
    package var zone: ZoneName
    /// The ID of the object in the indexed DBI.
    package var id: UInt32

    /// Reads a key.
    package init(_ key: UnsafeRawBufferPointer) throws(DecodeError) {
        var reader = ByteReader(key)
        let size = try reader.big(UInt16.self)
        zone = try Self.zone(try reader.take(Int(size)))
        id = try reader.big(UInt32.self)
        try reader.expectEnd()
    }

    /// Creates the entry for a name and an ID.
    package init(zone: ZoneName, id: UInt32) {
        self.zone = zone
        self.id = id
    }

    /// The encoded key.
    package var bytes: [UInt8] {
        var key = Self.prefix(of: zone)
        for shift in [24, 16, 8, 0] { key.append(UInt8(truncatingIfNeeded: id >> UInt32(shift))) }
        return key
    }

    /// The prefix of the keys of all entries of a name.
    package static func prefix(of zone: ZoneName) -> [UInt8] {
        var key: [UInt8] = []
        key.reserveCapacity(zone.name.wire.count + 8)
        key.append(0)
        key.append(0)
        KeyName.append(zone.name, to: &key)
        if !zone.variant.isEmpty {
            key.append(0)
            key.append(zone.variant)
        }
        let size = key.count - 2
        (key[0], key[1]) = (UInt8(truncatingIfNeeded: size >> 8), UInt8(truncatingIfNeeded: size))
        return key
    }

    /// The same of a name that is no variant, in `key`.
    package static func setPrefix(_ key: inout KeptBytes, of name: NameView) {
        let wire = name.wire
        let size = max(1, wire.count - 1)
        key.removeAll()
        key.append(UInt8(truncatingIfNeeded: size >> 8))
        key.append(UInt8(truncatingIfNeeded: size))
        if wire.count == 1 { return key.append(0) }
        key.append { room in
            KeyName.write(labels: UnsafeRawBufferPointer(rebasing: wire[..<size]), to: room)
            return size
        }
    }

    /// The name part: the labels, and behind one more zero the variant.
    private static func zone(_ part: UnsafeRawBufferPointer) throws(DecodeError) -> ZoneName {
        var end = part.first == 0 ? 1 : 0
        if end == 0 {
            while end < part.count, part[end] != 0 {
                while end < part.count, part[end] != 0 { end += 1 }
                end += 1
            }
            guard end <= part.count else { throw DecodeError(.badKey, at: part.count) }
        }
        let name = try KeyName.decode(UnsafeRawBufferPointer(rebasing: part[..<end]))
        let rest = part[end...]
        if rest.isEmpty { return ZoneName(name) }
        guard rest.first == 0, rest.count > 1 else { throw DecodeError(.badKey, at: end) }
        return ZoneName(name, variant: String(decoding: rest.dropFirst(), as: UTF8.self))
    }
}

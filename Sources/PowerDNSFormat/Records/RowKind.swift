/// The kind of an entry of `records_v5`: records, or an internal row of PowerDNS.
package enum RowKind: Hashable, Sendable {
    /// Records.
    case records
    /// The name has no records, but names below it.
    case emptyNonTerminal
    /// The hash of this name, for NSEC3.
    case nsec3Hash
    /// The name of this hash, for NSEC3.
    case nsec3Name
    /// A name that refers to itself: PowerDNS 4 writes such rows in zones with NSEC.
    case nsecOrder

    /// Determines the kind of an entry of `records_v5`.
    package init(_ key: RecordKey, payload: UnsafeRawBufferPointer) throws(DecodeError) {
        switch key.type {
        case .emptyNonTerminal: self = .emptyNonTerminal
        case .nsec3:
            var value = RecordValue(payload)
            guard let row = try value.next() else { throw DecodeError(.cutOff, at: payload.count) }
            // PowerDNS distinguishes the two directions by their TTL.
            if row.ttl == 0 {
                self = .nsec3Name
            } else if Self.isName(row.rdata, key.ownerKey) {
                self = .nsecOrder
            } else {
                self = .nsec3Hash
            }
        default: self = .records
        }
    }

    /// Whether it is a name in wire form with the key form `key`; does not allocate, because there are many such rows.
    private static func isName(_ wire: UnsafeRawBufferPointer, _ key: UnsafeRawBufferPointer) -> Bool {
        if key.count == 1 { return wire.elementsEqual([0]) }
        guard wire.count == key.count + 1, wire.last == 0 else { return false }
        // The first label in wire form is the last of the key; each has one more byte, its size or its end.
        var position = 0
        var end = key.count - 1
        while end > 0 {
            let size = Int(wire[position])
            guard size > 0, size <= end else { return false }
            for index in 0..<size where DomainName.lowercase(wire[position + 1 + index]) != key[end - size + index] {
                return false
            }
            guard size == end || key[end - size - 1] == 0 else { return false }
            position += 1 + size
            end -= 1 + size
        }
        return end == -1
    }
}

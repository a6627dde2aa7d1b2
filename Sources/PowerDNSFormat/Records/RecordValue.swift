/// The records of an RRset in the payload of an entry of `records_v5`: consecutive records, each with the
/// size of its RDATA (2 bytes, little-endian), the RDATA, the TTL (4 bytes, little-endian) and three flags of a byte each.
///
/// It points into the payload; iterating does not allocate.
package struct RecordValue {
    private var reader: ByteReader

    /// The records of this payload.
    package init(_ payload: UnsafeRawBufferPointer) { reader = ByteReader(payload) }

    /// The next record; nil after the last one.
    package mutating func next() throws(DecodeError) -> StoredRecord? {
        guard let start = reader.position, reader.remaining >= Self.frameSize else { return try nextWithCare() }
        let size = Int(UInt16(littleEndian: start.loadUnaligned(as: UInt16.self)))
        guard size <= reader.remaining &- Self.frameSize else { return try nextWithCare() }
        let end = start + 2 + size
        reader.skip(Self.frameSize &+ size)
        return StoredRecord(
            rdata: UnsafeRawBufferPointer(start: start + 2, count: size),
            ttl: UInt32(littleEndian: end.loadUnaligned(as: UInt32.self)),
            isAuthoritative: end.load(fromByteOffset: 4, as: UInt8.self) != 0,
            isDisabled: end.load(fromByteOffset: 5, as: UInt8.self) != 0,
            hasOrderName: end.load(fromByteOffset: 6, as: UInt8.self) != 0)
    }

    /// The size of a record without its RDATA, in bytes.
    private static let frameSize = 9

    /// Handles the end, and a truncated record.
    @inline(never)
    private mutating func nextWithCare() throws(DecodeError) -> StoredRecord? {
        if reader.isAtEnd { return nil }
        let size = try reader.little(UInt16.self)
        let rdata = try reader.take(Int(size))
        return StoredRecord(
            rdata: rdata, ttl: try reader.little(UInt32.self), isAuthoritative: try reader.uint8() != 0,
            isDisabled: try reader.uint8() != 0, hasOrderName: try reader.uint8() != 0)
    }

    /// The number of records in a payload; checks their sizes, but not their RDATA.
    package static func count(_ payload: UnsafeRawBufferPointer) throws(DecodeError) -> Int {
        var value = RecordValue(payload)
        var count = 0
        while try value.next() != nil { count += 1 }
        return count
    }
}

/// A stored record; its owner and type are in the key.
package struct StoredRecord {
    /// The RDATA; names in it may be compressed, see ``RData``.
    package let rdata: UnsafeRawBufferPointer
    /// The time to live in seconds.
    package let ttl: UInt32
    /// Whether it is authoritative, neither glue nor delegation.
    package let isAuthoritative: Bool
    /// Whether it is stored but not served.
    package let isDisabled: Bool
    /// Whether the name is part of the zone's denial chain.
    package let hasOrderName: Bool
}

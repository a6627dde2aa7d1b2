/// A setting of the whole database, as the DBI `pdns` holds it.
package enum PdnsValue: Hashable, Sendable {
    /// Which format PowerDNS has brought the database to: 5 of 4.8 and 4.9, 6 of 5.
    case schemaVersion(UInt32)
    /// Into how many files the records are divided.
    case shards(UInt32)
    /// What the database was called when it was made, 16 bytes.
    case uuid([UInt8])
    /// Something that is not known here.
    case other

    /// The key of ``schemaVersion(_:)``.
    package static let schemaVersionKey = "schemaversion"

    /// Reads an entry of `pdns` as PowerDNS 4.9 and 5 read it.
    package init(key: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer) throws(DecodeError) {
        if key.elementsEqual(Self.schemaVersionKey.utf8) {
            // The last four bytes count, whatever stands before them; of the shards it is the first four.
            self = .schemaVersion(try Self.number(UnsafeRawBufferPointer(rebasing: payload.suffix(4))))
        } else if key.elementsEqual("shards".utf8) {
            self = .shards(try Self.number(payload))
        } else if key.elementsEqual("uuid".utf8) {
            var reader = ByteReader(payload)
            self = .uuid(Array(try reader.take(16)))
            try reader.expectEnd()
        } else {
            self = .other
        }
    }

    private static func number(_ bytes: UnsafeRawBufferPointer) throws(DecodeError) -> UInt32 {
        var reader = ByteReader(bytes)
        return try reader.big(UInt32.self)
    }
}

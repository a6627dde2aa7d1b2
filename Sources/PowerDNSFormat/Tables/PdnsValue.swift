/// A setting of the whole database, in the DBI `pdns`.
package enum PdnsValue: Hashable, Sendable {
    /// The schema version of the database: 5 for PowerDNS 4.8 and 4.9, 6 for 5.
    case schemaVersion(UInt32)
    /// The number of files of the records.
    case shards(UInt32)
    /// The identifier of the database, 16 bytes.
    case uuid([UInt8])
    /// An unknown setting.
    case other

    /// The key of ``schemaVersion(_:)``.
    package static let schemaVersionKey = "schemaversion"

    /// Decodes an entry of `pdns` as PowerDNS 4.9 and 5 do.
    package init(key: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer) throws(DecodeError) {
        if key.elementsEqual(Self.schemaVersionKey.utf8) {
            // The last four bytes are used, whatever precedes them; for the shards the first four.
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

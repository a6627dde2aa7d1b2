/// A comment on an RRset, in `comments_v7`.
package struct RecordComment: Hashable, Sendable {
    /// When it was written, in seconds since the UNIX epoch.
    package var modifiedAt: Int64 = 0
    /// The author.
    package var account = ""
    /// The text.
    package var content = ""

    /// Size of the key's suffix after the key of the RRset: the SHA-256 of the payload.
    package static let digestSize = 32

    /// The part of a key of `comments_v7` that is the key of the RRset in `records_v5`.
    package static func recordKey(_ key: UnsafeRawBufferPointer) throws(DecodeError) -> RecordKey {
        guard key.count > digestSize else { throw DecodeError(.badKey, at: key.count) }
        return try RecordKey(UnsafeRawBufferPointer(rebasing: key[..<(key.count - digestSize)]))
    }

    /// Reads the payload of an entry of `comments_v7`, a protobuf message. Unknown fields are skipped.
    package init(_ payload: UnsafeRawBufferPointer) throws(DecodeError) {
        var reader = ByteReader(payload)
        while !reader.isAtEnd {
            let start = reader.offset
            let tag = try Self.varint(&reader)
            switch (tag >> 3, tag & 7) {
            case (1, 1): modifiedAt = try reader.little(Int64.self)
            case (2, 2): account = String(decoding: try Self.bytes(&reader), as: UTF8.self)
            case (3, 2): content = String(decoding: try Self.bytes(&reader), as: UTF8.self)
            case (0...3, _): throw DecodeError(.unknownFormat, at: start)
            case (_, 0): _ = try Self.varint(&reader)
            case (_, 1): _ = try reader.take(8)
            case (_, 2): _ = try Self.bytes(&reader)
            case (_, 5): _ = try reader.take(4)
            default: throw DecodeError(.unknownFormat, at: start)
            }
        }
    }

    private static func bytes(_ reader: inout ByteReader) throws(DecodeError) -> UnsafeRawBufferPointer {
        guard let size = Int(exactly: try varint(&reader)) else { throw reader.error(.cutOff) }
        return try reader.take(size)
    }

    private static func varint(_ reader: inout ByteReader) throws(DecodeError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            let byte = try reader.uint8()
            guard shift < 63 || byte <= 1 else { throw reader.error(.badNumber) }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        throw reader.error(.badNumber)
    }
}

/// The kind of value that follows a field's number in the protobuf encoding.
enum WireType: UInt8 {
    case varint = 0
    case eightBytes = 1
    case length = 2
    case fourBytes = 5
}

/// The start of a field.
struct FieldTag: Equatable {
    var number: UInt32
    var type: WireType

    init(_ number: UInt32, _ type: WireType) {
        self.number = number
        self.type = type
    }
}

extension ByteWindow {
    /// An error at the next byte.
    func refusal(_ reason: String, _ kind: SnapshotError.Kind = .malformed) -> SnapshotError {
        SnapshotError(kind, reason, offset: offset)
    }

    /// An error for a message that ends too early.
    var cutOff: SnapshotError { refusal("the message is truncated") }

    /// Reads a varint that must end before the offset `limit`.
    mutating func readVarint(limit: UInt64) throws(SnapshotError) -> UInt64 {
        // A varint has at most 10 bytes; fewer may remain before the limit or the end.
        _ = try ensure(10)
        let stop = pointer(to: limit)
        var next = cursor
        guard let value = Varint.read(&next, stop) else {
            if stop - cursor >= 10 { throw refusal("a number exceeds 10 bytes or 64 bits") }
            throw limit > offset(of: end) ? cutOff : refusal("a number exceeds its container")
        }
        cursor = next
        return value
    }

    /// Reads the start of a field; its value must end before the offset `limit`.
    mutating func readTag(limit: UInt64) throws(SnapshotError) -> FieldTag {
        let start = offset
        let tag = try readVarint(limit: limit)
        guard let type = WireType(rawValue: UInt8(truncatingIfNeeded: tag & 7)) else {
            throw SnapshotError(.malformed, "a field has the unknown wire type \(tag & 7)", offset: start)
        }
        guard let number = UInt32(exactly: tag >> 3), number > 0, number < 1 << 29 else {
            throw SnapshotError(.malformed, "a field has the invalid number \(tag >> 3)", offset: start)
        }
        return FieldTag(number, type)
    }

    /// Reads the length of a value that must end before the offset `limit`.
    mutating func readLength(limit: UInt64, of what: @autoclosure () -> String) throws(SnapshotError) -> UInt64 {
        let length = try readVarint(limit: limit)
        guard length <= limit &- offset else {
            throw refusal("the length \(length) of \(what()) exceeds its container")
        }
        return length
    }

    /// Reads a little-endian number of 8 bytes.
    mutating func readFixed64(limit: UInt64) throws(SnapshotError) -> UInt64 {
        guard limit &- offset >= 8 else { throw refusal("a number of 8 bytes exceeds its container") }
        guard try ensure(8) else { throw cutOff }
        let value = UInt64(littleEndian: UnsafeRawPointer(cursor).loadUnaligned(as: UInt64.self))
        cursor += 8
        return value
    }

    /// Reads a text of at most `maximum` bytes of UTF-8.
    mutating func readString(
        limit: UInt64, maximum: Int, of what: @autoclosure () -> String
    ) throws(SnapshotError) -> String {
        let count = try readCount(limit: limit, maximum: maximum, of: what())
        guard let text = String(validating: UnsafeBufferPointer(start: cursor, count: count), as: UTF8.self) else {
            throw refusal("\(what()) is not UTF-8")
        }
        cursor += count
        return text
    }

    /// Reads at most `maximum` bytes.
    mutating func readBytes(
        limit: UInt64, maximum: Int, of what: @autoclosure () -> String
    ) throws(SnapshotError) -> [UInt8] {
        let count = try readCount(limit: limit, maximum: maximum, of: what())
        defer { cursor += count }
        return Array(UnsafeBufferPointer(start: cursor, count: count))
    }

    /// Reads the length of a value that is in memory as a whole after that.
    private mutating func readCount(
        limit: UInt64, maximum: Int, of what: @autoclosure () -> String
    ) throws(SnapshotError) -> Int {
        let length = try readLength(limit: limit, of: what())
        guard length <= UInt64(maximum) else {
            throw refusal("\(what()) has \(length) bytes, more than \(maximum)", .unsupported)
        }
        guard try ensure(Int(length)) else { throw cutOff }
        return Int(length)
    }

    /// Skips the value of an unknown field.
    mutating func skipValue(_ tag: FieldTag, limit: UInt64) throws(SnapshotError) {
        let count: UInt64
        switch tag.type {
        case .varint:
            _ = try readVarint(limit: limit)
            return
        case .eightBytes: count = 8
        case .fourBytes: count = 4
        case .length: count = try readLength(limit: limit, of: "field \(tag.number)")
        }
        guard count <= limit &- offset else {
            throw refusal("field \(tag.number) exceeds its container")
        }
        guard try skip(count) else { throw cutOff }
    }

    /// Rejects a known field with the wrong kind of value.
    func expect(_ tag: FieldTag, _ type: WireType, of what: @autoclosure () -> String) throws(SnapshotError) {
        guard tag.type == type else {
            throw refusal("\(what()) has wire type \(tag.type.rawValue) instead of \(type.rawValue)")
        }
    }
}

/// Numbers of 1 to 10 bytes, 7 bits in each, the lowest first.
enum Varint {
    /// Reads a number and advances `cursor`.
    ///
    /// - Returns: nil, without advancing, if it does not end before `end` or has more than 64 bits.
    @inline(__always)
    static func read(_ cursor: inout UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) -> UInt64? {
        guard cursor < end else { return nil }
        let first = cursor.pointee
        if first < 0x80 {
            cursor += 1
            return UInt64(first)
        }
        return readLong(&cursor, end)
    }

    private static func readLong(_ cursor: inout UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        var next = cursor
        for shift in stride(from: UInt64(0), through: 63, by: 7) {
            guard next < end else { return nil }
            let byte = next.pointee
            next += 1
            // Only one bit of the tenth byte is valid.
            if shift == 63 && byte > 1 { return nil }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 {
                cursor = next
                return value
            }
        }
        return nil
    }

    /// The encoded size of `value` in bytes.
    @inline(__always)
    static func size(_ value: UInt64) -> Int {
        // 7 bits a byte: 9 / 64 is exact enough for 1 to 64 bits.
        ((63 &- (value | 1).leadingZeroBitCount) &* 9 &+ 73) >> 6
    }

    /// Writes `value` and advances `cursor`.
    @inline(__always)
    static func write(_ value: UInt64, _ cursor: inout UnsafeMutablePointer<UInt8>) {
        var rest = value
        while rest >= 0x80 {
            cursor.pointee = UInt8(truncatingIfNeeded: rest) | 0x80
            cursor += 1
            rest >>= 7
        }
        cursor.pointee = UInt8(truncatingIfNeeded: rest)
        cursor += 1
    }
}

/// Reads bytes in order, and never beyond their end.
struct ByteReader {
    let bytes: UnsafeRawBufferPointer
    private(set) var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var remaining: Int { bytes.count &- offset }
    var isAtEnd: Bool { remaining == 0 }
    /// The unread bytes.
    var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[offset...]) }

    func error(_ problem: DecodeError.Problem) -> DecodeError { DecodeError(problem, at: offset) }

    func expectEnd() throws(DecodeError) {
        if !isAtEnd { throw error(.leftOver) }
    }

    @inline(__always)
    mutating func take(_ count: Int) throws(DecodeError) -> UnsafeRawBufferPointer {
        guard count >= 0, count <= remaining else { throw error(.cutOff) }
        defer { offset &+= count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset &+ count])
    }

    /// The address of the next byte; nil if there are no bytes.
    var position: UnsafeRawPointer? { bytes.baseAddress.map { $0 + offset } }

    /// Skips this many bytes, which must exist.
    mutating func skip(_ count: Int) { offset &+= count }

    mutating func takeRest() -> UnsafeRawBufferPointer {
        defer { offset = bytes.count }
        return rest
    }

    @inline(__always)
    private mutating func integer<Value: FixedWidthInteger>(_: Value.Type) throws(DecodeError) -> Value {
        let size = MemoryLayout<Value>.size
        guard size <= remaining else { throw error(.cutOff) }
        defer { offset &+= size }
        return bytes.loadUnaligned(fromByteOffset: offset, as: Value.self)
    }

    mutating func uint8() throws(DecodeError) -> UInt8 { try integer(UInt8.self) }

    mutating func big<Value: FixedWidthInteger>(_: Value.Type) throws(DecodeError) -> Value {
        Value(bigEndian: try integer(Value.self))
    }

    mutating func little<Value: FixedWidthInteger>(_: Value.Type) throws(DecodeError) -> Value {
        Value(littleEndian: try integer(Value.self))
    }
}

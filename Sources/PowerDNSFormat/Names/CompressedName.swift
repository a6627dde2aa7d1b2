/// The context of compression pointers within stored RDATA.
///
/// PowerDNS packs RDATA as if it were in a message with the question `.` and the one record: 12 bytes of header, 5 of
/// question, the owner name at offset 17, 10 bytes of type, class, TTL and size, the RDATA.
struct CompressionContext {
    /// Absolute; nil if unknown. Then only the format of names can be checked, and the targets of pointers are ignored.
    let owner: NameView?
    let rdata: UnsafeRawBufferPointer

    private static let questionOffset = 12
    private static let ownerOffset = 17
    private static let recordHeaderSize = 10

    private var rdataOffset: Int {
        Self.ownerOffset + (owner?.wire.count ?? DomainName.maximumSize) + Self.recordHeaderSize
    }

    /// The byte of the message at this offset, if a name may be there.
    private func byte(_ offset: Int) -> UInt8? {
        if offset >= rdataOffset {
            let index = offset - rdataOffset
            return index < rdata.count ? rdata[index] : nil
        }
        let index = offset - Self.ownerOffset
        if let owner, index >= 0, index < owner.wire.count { return owner.wire[index] }
        return offset == Self.questionOffset ? 0 : nil
    }

    /// Skips the name at the reader's position without following a pointer.
    func skipName(_ reader: inout ByteReader) throws(DecodeError) {
        let start = reader.offset
        var size = 1
        while true {
            let length = try reader.uint8()
            switch length {
            case 0: return
            case 1...63:
                _ = try reader.take(Int(length))
                size += 1 + Int(length)
                guard size <= DomainName.maximumSize else { throw DecodeError(.longName, at: start) }
            case 0xc0...:
                let target = Int(length & 0x3f) << 8 | Int(try reader.uint8())
                guard target < rdataOffset + start else { throw DecodeError(.badPointer, at: start) }
                return
            default: throw DecodeError(.badLabel, at: start)
            }
        }
    }

    /// Reads the name at the reader's position, which must be one over ``rdata``, and advances it.
    func name(_ reader: inout ByteReader) throws(DecodeError) -> DomainName {
        var wire: [UInt8] = []
        wire.reserveCapacity(Self.usualSize)
        try appendName(&reader, to: &wire)
        return DomainName(unchecked: wire)
    }

    /// As ``name(_:)``, and appends the wire form, which may be partial if it throws.
    func appendName(_ reader: inout ByteReader, to wire: inout [UInt8]) throws(DecodeError) {
        try forEachLabel(&reader) { wire.append(contentsOf: $0) }
        wire.append(0)
    }

    /// As ``name(_:)``, for the errors only: does not allocate.
    func checkName(_ reader: inout ByteReader) throws(DecodeError) {
        try forEachLabel(&reader) { _ in }
    }

    private static let usualSize = 32

    /// Passes each label to `body`, with its size in front.
    @inline(__always)
    private func forEachLabel(
        _ reader: inout ByteReader, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(DecodeError) {
        let start = reader.offset
        var size = 1
        while true {
            let labelStart = reader.offset
            let length = try reader.uint8()
            switch length {
            case 0: return
            case 1...63:
                size += 1 + Int(length)
                guard size <= DomainName.maximumSize else { throw DecodeError(.longName, at: start) }
                _ = try reader.take(Int(length))
                body(UnsafeRawBufferPointer(rebasing: rdata[labelStart..<reader.offset]))
            case 0xc0...:
                let target = Int(length & 0x3f) << 8 | Int(try reader.uint8())
                guard target < rdataOffset + start else { throw DecodeError(.badPointer, at: start) }
                do throws(DecodeError) {
                    return try forEachLabel(at: target, sizeBefore: size, body)
                } catch { throw DecodeError(error.problem, at: error.problem == .cutOff ? reader.offset : start) }
            default: throw DecodeError(.badLabel, at: start)
            }
        }
    }

    /// The labels from an offset in the message on, the target of a pointer.
    ///
    /// - Parameter sizeBefore: the size of the name before them, including its final zero.
    private func forEachLabel(
        at target: Int, sizeBefore: Int, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(DecodeError) {
        var position = target
        // Pointers must go backwards, so that following them terminates.
        var limit = target
        var size = sizeBefore
        while true {
            guard let length = byte(position) else { throw DecodeError(.badPointer, at: position) }
            switch length {
            case 0: return
            case 1...63:
                size += 1 + Int(length)
                guard size <= DomainName.maximumSize else { throw DecodeError(.longName, at: position) }
                guard withBytes(at: position, count: 1 + Int(length), body) else {
                    throw DecodeError(.badPointer, at: position)
                }
                position += 1 + Int(length)
            case 0xc0...:
                guard let low = byte(position + 1) else { throw DecodeError(.cutOff, at: position) }
                let next = Int(length & 0x3f) << 8 | Int(low)
                guard next < limit else { throw DecodeError(.badPointer, at: position) }
                (position, limit) = (next, next)
            default: throw DecodeError(.badLabel, at: position)
            }
        }
    }

    /// Passes bytes of the message that are contiguous in the RDATA or in the owner name to `body`.
    ///
    /// - Returns: false if they are not.
    private func withBytes(at offset: Int, count: Int, _ body: (UnsafeRawBufferPointer) -> Void) -> Bool {
        if offset >= rdataOffset {
            let index = offset - rdataOffset
            guard index + count <= rdata.count else { return false }
            body(UnsafeRawBufferPointer(rebasing: rdata[index..<index + count]))
            return true
        }
        let index = offset - Self.ownerOffset
        guard let owner, index >= 0, index + count <= owner.wire.count else { return false }
        body(UnsafeRawBufferPointer(rebasing: owner.wire[index..<index + count]))
        return true
    }
}

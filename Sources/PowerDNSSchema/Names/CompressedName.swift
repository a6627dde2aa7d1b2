/// Where a compression pointer within stored RDATA may lead.
///
/// PowerDNS packs RDATA as if it stood in a message with the question `.` and the one record: 12 bytes of header, 5 of
/// question, the owner name at offset 17, 10 bytes of type, class, TTL and size, the RDATA.
struct CompressionContext {
    /// Absolute; nil when it is not known. Then only the shape of names can be checked, and what is behind a pointer is left out.
    let owner: DomainName?
    let rdata: UnsafeRawBufferPointer

    private static let questionOffset = 12
    private static let ownerOffset = 17
    private static let recordHeaderSize = 10

    private var rdataOffset: Int {
        Self.ownerOffset + (owner?.wire.count ?? DomainName.maximumSize) + Self.recordHeaderSize
    }

    /// The byte of the message at this offset, where a name may be.
    private func byte(_ offset: Int) -> UInt8? {
        if offset >= rdataOffset {
            let index = offset - rdataOffset
            return index < rdata.count ? rdata[index] : nil
        }
        let index = offset - Self.ownerOffset
        if let owner, index >= 0, index < owner.wire.count { return owner.wire[index] }
        return offset == Self.questionOffset ? 0 : nil
    }

    /// Goes behind the name at the reader's position without following a pointer.
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

    /// Reads the name at the reader's position, which must be one over ``rdata``, and goes behind it.
    func name(_ reader: inout ByteReader) throws(DecodeError) -> DomainName {
        let start = reader.offset
        var wire: [UInt8] = []
        var position = rdataOffset + start
        // Pointers must go backwards, so that following them comes to an end.
        var limit = position
        var isBehindPointer = false
        while true {
            guard let length = byte(position) else {
                throw isBehindPointer ? DecodeError(.badPointer, at: start) : reader.error(.cutOff)
            }
            if !isBehindPointer { _ = try reader.take(1) }
            switch length {
            case 0:
                wire.append(0)
                return DomainName(unchecked: wire)
            case 1...63:
                guard wire.count + Int(length) + 1 < DomainName.maximumSize else {
                    throw DecodeError(.longName, at: start)
                }
                wire.append(length)
                for offset in position + 1...position + Int(length) {
                    guard let byte = byte(offset) else {
                        throw isBehindPointer ? DecodeError(.badPointer, at: start) : reader.error(.cutOff)
                    }
                    wire.append(byte)
                }
                if !isBehindPointer { _ = try reader.take(Int(length)) }
                position += 1 + Int(length)
            case 0xc0...:
                guard let low = byte(position + 1) else { throw reader.error(.cutOff) }
                if !isBehindPointer { _ = try reader.take(1) }
                isBehindPointer = true
                let target = Int(length & 0x3f) << 8 | Int(low)
                guard target < limit else { throw DecodeError(.badPointer, at: start) }
                (position, limit) = (target, target)
            default: throw DecodeError(.badLabel, at: start)
            }
        }
    }
}

/// Skips the header of a gzip member (RFC 1952, section 2.3) byte by byte.
///
/// Ten fixed bytes, then, depending on the flags: an extra field with its length in two bytes (0x04), a name (0x08) and
/// a comment (0x10) that end with a zero byte, and the lower half of the CRC-32 of all these (0x02).
struct GzipHeader {
    private enum Part: Int {
        case fixed
        case extraLength
        case extra
        case name
        case comment
        case checksum
        case complete
    }

    private var part = Part.fixed
    // Bytes of the current part seen so far.
    private var count = 0
    private var flags: UInt8 = 0
    private var extraLength = 0
    private var crc = UInt32.max
    private var checksum: UInt16 = 0

    /// Whether the compressed data follow.
    var isComplete: Bool { part == .complete }

    /// Consumes the next byte.
    ///
    /// - Returns: false if it is not valid.
    mutating func take(_ byte: UInt8) -> Bool {
        let isEnd: Bool
        count += 1
        switch part {
        case .fixed:
            switch count {
            case 1: guard byte == 0x1f else { return false }
            case 2: guard byte == 0x8b else { return false }
            // 8 is deflate, the only defined method.
            case 3: guard byte == 8 else { return false }
            case 4:
                // The meaning of reserved flags is unknown.
                guard byte & 0xe0 == 0 else { return false }
                flags = byte
            default: break
            }
            isEnd = count == 10
        case .extraLength:
            extraLength |= Int(byte) << ((count - 1) * 8)
            isEnd = count == 2
        case .extra: isEnd = count == extraLength
        case .name, .comment: isEnd = byte == 0
        case .checksum:
            checksum |= UInt16(byte) << ((count - 1) * 8)
            isEnd = count == 2
            if isEnd && checksum != UInt16(truncatingIfNeeded: ~crc) { return false }
        case .complete: return false
        }
        if part != .checksum { update(byte) }
        if isEnd { goOn() }
        return true
    }

    private mutating func goOn() {
        repeat {
            part = Part(rawValue: part.rawValue + 1) ?? .complete
            count = 0
        } while !isPresent(part)
    }

    private func isPresent(_ part: Part) -> Bool {
        switch part {
        case .fixed, .complete: true
        case .extraLength: flags & 0x04 != 0
        case .extra: flags & 0x04 != 0 && extraLength > 0
        case .name: flags & 0x08 != 0
        case .comment: flags & 0x10 != 0
        case .checksum: flags & 0x02 != 0
        }
    }

    private mutating func update(_ byte: UInt8) {
        crc ^= UInt32(byte)
        for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0xedb8_8320 : crc >> 1 }
    }
}

private let hexDigits = Array("0123456789abcdef".utf8)
private let upperHexDigits = Array("0123456789ABCDEF".utf8)
private let base32Digits = Array("0123456789abcdefghijklmnopqrstuv".utf8)
private let base64Digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

/// Text as bytes, to build lines without a String for each piece.
extension [UInt8] {
    mutating func append(_ text: String) { append(contentsOf: text.utf8) }

    mutating func append(number value: some FixedWidthInteger & UnsignedInteger) {
        let (rest, digit) = value.quotientAndRemainder(dividingBy: 10)
        if rest > 0 { append(number: rest) }
        append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit))
    }

    /// `\DDD`.
    mutating func append(decimalEscape byte: UInt8) {
        append(UInt8(ascii: "\\"))
        for digit in [byte / 100, byte / 10 % 10, byte % 10] { append(UInt8(ascii: "0") + digit) }
    }

    mutating func append(hex bytes: UnsafeRawBufferPointer, upperCase: Bool = false) {
        let digits = upperCase ? upperHexDigits : hexDigits
        for byte in bytes {
            append(digits[Int(byte >> 4)])
            append(digits[Int(byte & 15)])
        }
    }

    /// Base64 with padding.
    mutating func append(base64 bytes: UnsafeRawBufferPointer) {
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<Swift.min(start + 3, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
            for digit in 0..<4 {
                let index = Int(bits >> UInt32(18 - 6 * digit) & 63)
                append(digit <= group.count ? base64Digits[index] : UInt8(ascii: "="))
            }
        }
    }

    /// Base32 with the extended hex alphabet in lower case, without padding.
    mutating func append(base32Hex bytes: UnsafeRawBufferPointer) {
        for start in stride(from: 0, to: bytes.count, by: 5) {
            let group = bytes[start..<Swift.min(start + 5, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | UInt64($1) } << UInt64(8 * (5 - group.count))
            for digit in 0..<(group.count * 8 + 4) / 5 {
                append(base32Digits[Int(bits >> UInt64(35 - 5 * digit) & 31)])
            }
        }
    }

    /// A byte of unquoted text, in decimal if it is special there.
    mutating func append(unquoted byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: ";"):
            append(decimalEscape: byte)
        case 0x21...0x7e: append(byte)
        default: append(decimalEscape: byte)
        }
    }

    /// A quoted string as in a zone file.
    mutating func append(quoted bytes: UnsafeRawBufferPointer) {
        append(UInt8(ascii: "\""))
        for byte in bytes {
            if byte < 0x20 || byte >= 0x7f {
                append(decimalEscape: byte)
            } else {
                if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { append(UInt8(ascii: "\\")) }
                append(byte)
            }
        }
        append(UInt8(ascii: "\""))
    }
}

/// Decodes base64 as in private key files: padded or not; nil for anything else.
func decodeBase64(_ text: some Sequence<UInt8>) -> [UInt8]? {
    var bytes: [UInt8] = []
    var bits: UInt32 = 0
    var count = 0
    var isOver = false
    for byte in text {
        let value: UInt8
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = byte - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): value = byte - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): value = byte - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): value = 62
        case UInt8(ascii: "/"): value = 63
        case UInt8(ascii: "="):
            isOver = true
            continue
        default: return nil
        }
        if isOver { return nil }
        bits = bits << 6 | UInt32(value)
        count += 6
        if count >= 8 {
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
    }
    return count < 6 ? bytes : nil
}

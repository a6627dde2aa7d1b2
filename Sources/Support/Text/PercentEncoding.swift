private let unreserved = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)

/// Encodes every byte except the unreserved ones (RFC 3986, 2.3) and `kept` as %XX.
package func percentEncoded(_ text: String, keeping kept: String = "") -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var result: [UInt8] = []
    for byte in text.utf8 {
        if unreserved.contains(byte) || kept.utf8.contains(byte) {
            result.append(byte)
        } else {
            result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
    }
    return String(decoding: result, as: UTF8.self)
}

/// Decodes %XX and `+` (a blank); nil if the bytes are not UTF-8 or an escape is invalid.
package func percentDecoded(_ text: some StringProtocol) -> String? {
    var result: [UInt8] = []
    var bytes = text.utf8.makeIterator()
    func digit(_ byte: UInt8?) -> UInt8? {
        byte.flatMap { Character(UnicodeScalar($0)).hexDigitValue }.flatMap { UInt8(exactly: $0) }
    }
    while let byte = bytes.next() {
        switch byte {
        case UInt8(ascii: "%"):
            guard let high = digit(bytes.next()), let low = digit(bytes.next()) else { return nil }
            result.append(high << 4 | low)
        case UInt8(ascii: "+"): result.append(UInt8(ascii: " "))
        default: result.append(byte)
        }
    }
    return String(validating: result, as: UTF8.self)
}

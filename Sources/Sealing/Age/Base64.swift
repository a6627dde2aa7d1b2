import COpenSSL

/// RFC 4648, without padding.
func unpaddedBase64(_ bytes: [UInt8]) -> String {
    var result = [UInt8](repeating: 0, count: (bytes.count + 2) / 3 * 4 + 1)
    let count = EVP_EncodeBlock(&result, bytes, Int32(clamping: bytes.count))
    let padding = (3 - bytes.count % 3) % 3
    return String(decoding: result.prefix(max(0, Int(count) - padding)), as: UTF8.self)
}

/// The bytes of a text in base64 without padding; nil if it is not in its canonical form.
func bytes(unpaddedBase64 text: some StringProtocol) -> [UInt8]? {
    let padding = (4 - text.utf8.count % 4) % 4
    guard padding < 3 else { return nil }
    let padded = Array(text.utf8) + [UInt8](repeating: UInt8(ascii: "="), count: padding)
    var result = [UInt8](repeating: 0, count: padded.count / 4 * 3)
    let count = padded.isEmpty ? 0 : EVP_DecodeBlock(&result, padded, Int32(clamping: padded.count))
    guard count == result.count else { return nil }
    result.removeLast(padding)
    // OpenSSL ignores blanks and bits that are left over.
    return unpaddedBase64(result) == text ? result : nil
}

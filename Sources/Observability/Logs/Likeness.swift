/// The text of an error without parts that differ between attempts: times in snapshot names and numbers of
/// milliseconds.
package func likeness(_ text: String) -> String {
    guard text.utf8.contains(where: { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return text }
    var result: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.first {
        if let length = instant(rest) ?? milliseconds(rest) {
            result.append(UInt8(ascii: "*"))
            rest = rest.dropFirst(length)
        } else {
            result.append(byte)
            rest = rest.dropFirst()
            // The digits inside a longer number do not start a new one.
            while isDigit(byte), let next = rest.first, isDigit(next) {
                result.append(next)
                rest = rest.dropFirst()
            }
        }
    }
    return String(decoding: result, as: UTF8.self)
}

private func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

/// The length of a leading `20261121-135029-953288852`.
private func instant(_ bytes: ArraySlice<UInt8>) -> Int? {
    let text = bytes.prefix(25)
    guard text.count == 25 else { return nil }
    for (offset, byte) in text.enumerated() {
        guard offset == 8 || offset == 15 ? byte == UInt8(ascii: "-") : isDigit(byte) else { return nil }
    }
    return 25
}

/// The length of the number in a leading `17 ms`.
private func milliseconds(_ bytes: ArraySlice<UInt8>) -> Int? {
    let digits = bytes.prefix(while: isDigit).count
    return digits > 0 && bytes.dropFirst(digits).starts(with: " ms".utf8) ? digits : nil
}

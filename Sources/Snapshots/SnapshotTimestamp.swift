import Support

/// The timestamp in a snapshot's name: `YYYYMMDD-HHMMSS-nnnnnnnnn`, UTC.
package enum SnapshotTimestamp {
    /// The text for a time in nanoseconds since the UNIX epoch.
    package static func text(_ timestamp: UInt64) -> String {
        let time = WallTime(nanosecondsSinceEpoch: timestamp)
        let second = time.civil
        let day = (second.date.year * 100 + second.date.month) * 100 + second.date.day
        let timeOfDay = (second.hour * 100 + second.minute) * 100 + second.second
        return String(unsafeUninitializedCapacity: 25) { text in
            put(day, text[0..<8])
            text[8] = UInt8(ascii: "-")
            put(timeOfDay, text[9..<15])
            text[15] = UInt8(ascii: "-")
            put(Int(time.nanoseconds), text[16..<25])
            return 25
        }
    }

    /// Writes a number of at most so many digits, with leading zeros.
    private static func put(_ number: Int, _ digits: Slice<UnsafeMutableBufferPointer<UInt8>>) {
        var rest = number
        for index in digits.indices.reversed() {
            digits.base[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
    }

    /// Nanoseconds since the UNIX epoch; nil if the text is not a valid timestamp or out of range.
    package static func parse(_ text: Substring) -> UInt64? {
        var copy = text
        return copy.withUTF8 { parse($0[...]) }
    }

    /// As ``parse(_:)-(Substring)``.
    static func parse(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> UInt64? {
        let bytes = UnsafeBufferPointer(rebasing: bytes)
        guard bytes.count == 25, bytes[8] == UInt8(ascii: "-"), bytes[15] == UInt8(ascii: "-"),
            let second = CivilTime(
                year: decimalNumber(bytes[0..<4]), month: decimalNumber(bytes[4..<6]),
                day: decimalNumber(bytes[6..<8]), hour: decimalNumber(bytes[9..<11]),
                minute: decimalNumber(bytes[11..<13]), second: decimalNumber(bytes[13..<15])),
            let nanoseconds = decimalNumber(bytes[16..<25]),
            // An invalid day of a month, or a leap second, is converted to a different date.
            CivilTime(secondsSinceEpoch: second.secondsSinceEpoch) == second
        else { return nil }
        return WallTime(second, nanoseconds: nanoseconds).nanosecondsSinceEpoch
    }
}

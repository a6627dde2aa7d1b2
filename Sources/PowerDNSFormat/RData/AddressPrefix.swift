/// An item of the RDATA of APL (RFC 3123).
struct AddressPrefix {
    private let family: UInt16
    private let prefixLength: UInt8
    private let isNegated: Bool
    private let address: UnsafeRawBufferPointer

    init(_ reader: inout ByteReader) throws(DecodeError) {
        let start = reader.offset
        family = try reader.big(UInt16.self)
        prefixLength = try reader.uint8()
        let size = try reader.uint8()
        isNegated = size & 0x80 != 0
        address = try reader.take(Int(size & 0x7f))
        guard let full = Self.size(family), address.count <= full else {
            throw DecodeError(.badNumber, at: start)
        }
    }

    private static func size(_ family: UInt16) -> Int? { family == 1 ? 4 : family == 2 ? 16 : nil }

    func append(_ style: ZoneTextStyle, to text: inout [UInt8]) {
        if isNegated { text.append(UInt8(ascii: "!")) }
        text.append(number: family)
        text.append(UInt8(ascii: ":"))
        // Trailing zeroes are omitted in the wire form.
        var full = Array(address) + [UInt8](repeating: 0, count: max(0, (Self.size(family) ?? 0) - address.count))
        // PowerDNS serves any length, and prints at most the maximum.
        let prefixLength = min(UInt(prefixLength), UInt(full.count) * 8)
        // PowerDNS does not print bits after the prefix, although it serves them.
        if style != .zoneFile {
            for index in full.indices {
                full[index] &= ~(UInt8.max >> UInt8(clamping: max(0, Int(prefixLength) - index * 8)))
            }
        }
        text.append(full.withUnsafeBytes { IPAddressText.text($0) })
        text.append(UInt8(ascii: "/"))
        text.append(number: prefixLength)
    }
}

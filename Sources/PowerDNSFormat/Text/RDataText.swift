import Support

extension RData {
    /// Appends RDATA as text.
    ///
    /// A type without text in this style is written in the format of RFC 3597, `\# 4 c0000201`.
    ///
    /// - Throws: ``DecodeError`` for invalid RDATA; `text` is unchanged then, and
    ///   ``appendGeneric(_:to:)`` can write them.
    package static func append(
        _ type: RecordType, _ rdata: UnsafeRawBufferPointer, owner: DomainName, style: ZoneTextStyle = .zoneFile,
        to text: inout [UInt8]
    ) throws(DecodeError) {
        let start = text.count
        do throws(DecodeError) {
            let isKnown = try owner.withView { owner throws(DecodeError) in
                try forEachPart(type, rdata, owner: owner, in: style) { part in
                    let end = text.count
                    if end > start { text.append(UInt8(ascii: " ")) }
                    let fieldStart = text.count
                    switch part {
                    case .name(let name): style.append(name, in: type, to: &text)
                    case .bytes(let field, let bytes, _): field.append(bytes, style, to: &text)
                    }
                    // A field without text, such as an empty list of types, gets no space.
                    if text.count == fieldStart { text.removeSubrange(end...) }
                }
            }
            if !isKnown {
                appendGeneric(rdata, to: &text)
                // pdnsutil does the same.
                if rdata.isEmpty, style == .pdnsutil4 { text.append(UInt8(ascii: " ")) }
                return
            }
        } catch {
            text.removeSubrange(start...)
            throw error
        }
    }

    /// Appends RDATA in the format for unknown types.
    package static func appendGeneric(_ rdata: UnsafeRawBufferPointer, to text: inout [UInt8]) {
        text.append("\\# ")
        text.append(number: UInt(rdata.count))
        if rdata.isEmpty { return }
        text.append(UInt8(ascii: " "))
        text.append(hex: rdata)
    }

    /// RDATA as text; see ``append(_:_:owner:style:to:)``.
    package static func text(
        _ type: RecordType, _ rdata: UnsafeRawBufferPointer, owner: DomainName, style: ZoneTextStyle = .zoneFile
    ) throws(DecodeError) -> String {
        var text: [UInt8] = []
        try append(type, rdata, owner: owner, style: style, to: &text)
        return String(decoding: text, as: UTF8.self)
    }
}

extension RDataField {
    /// Appends a field that has been checked.
    func append(_ bytes: UnsafeRawBufferPointer, _ style: ZoneTextStyle, to text: inout [UInt8]) {
        switch self {
        case .name: break
        case .uint8, .uint16, .uint32: text.append(number: Self.number(bytes))
        case .recordType:
            text.append(style.name(of: RecordType(rawValue: UInt16(truncatingIfNeeded: Self.number(bytes)))))
        case .date: Self.append(date: Self.number(bytes), to: &text)
        case .ipv4, .ipv6: text.append(IPAddressText.text(bytes))
        case .locator64: Self.append(bytes, groupsOf: 2, separator: UInt8(ascii: ":"), upperCase: true, to: &text)
        case .eui: Self.append(bytes, groupsOf: 1, separator: UInt8(ascii: "-"), upperCase: false, to: &text)
        case .string, .text: text.append(quoted: bytes)
        case .tag: Self.append(tag: bytes, style, to: &text)
        case .salt: if bytes.isEmpty { text.append(UInt8(ascii: "-")) } else { text.append(hex: bytes) }
        case .hash: text.append(base32Hex: bytes)
        case .strings: Self.append(strings: bytes, to: &text)
        case .hex: if bytes.isEmpty { text.append(UInt8(ascii: "-")) } else { text.append(hex: bytes) }
        case .base64, .gatewayKey: text.append(base64: bytes)
        case .typeBitmap: Self.append(typeBitmap: bytes, style, to: &text)
        case .serviceParameters:
            Self.appendItems(bytes, to: &text) { reader, text throws(DecodeError) in
                try ServiceParameter(&reader).append(style, to: &text)
            }
        case .addressPrefixes:
            Self.appendItems(bytes, to: &text) { reader, text throws(DecodeError) in
                try AddressPrefix(&reader).append(style, to: &text)
            }
        // RFC 4025 requires a dot for no gateway, which PowerDNS does not read.
        case .gateway: if style == .zoneFile { text.append(UInt8(ascii: ".")) }
        case .location: (try? Location(bytes))?.append(style, to: &text)
        }
    }

    private static func number(_ bytes: UnsafeRawBufferPointer) -> UInt32 { bytes.reduce(0) { $0 << 8 | UInt32($1) } }

    private static func append(
        _ bytes: UnsafeRawBufferPointer, groupsOf size: Int, separator: UInt8, upperCase: Bool, to text: inout [UInt8]
    ) {
        for start in stride(from: 0, to: bytes.count, by: size) {
            if start > 0 { text.append(separator) }
            let group = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + size, bytes.count)])
            text.append(hex: group, upperCase: upperCase)
        }
    }

    private static func appendItems(
        _ bytes: UnsafeRawBufferPointer, to text: inout [UInt8],
        _ item: (inout ByteReader, inout [UInt8]) throws(DecodeError) -> Void
    ) {
        var reader = ByteReader(bytes)
        while !reader.isAtEnd {
            if reader.offset > 0 { text.append(UInt8(ascii: " ")) }
            do throws(DecodeError) { try item(&reader, &text) } catch { return }
        }
    }

    private static func append(tag bytes: UnsafeRawBufferPointer, _ style: ZoneTextStyle, to text: inout [UInt8]) {
        for byte in bytes {
            // PowerDNS reads both literally, without escapes.
            let isPlain = byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
            if isPlain, style != .zoneFile { text.append(byte) } else { text.append(unquoted: byte) }
        }
    }

    private static func append(strings bytes: UnsafeRawBufferPointer, to text: inout [UInt8]) {
        appendItems(bytes, to: &text) { reader, text throws(DecodeError) in
            text.append(quoted: try reader.take(Int(try reader.uint8())))
        }
    }

    private static func append(typeBitmap bytes: UnsafeRawBufferPointer, _ style: ZoneTextStyle, to text: inout [UInt8])
    {
        var reader = ByteReader(bytes)
        var isFirst = true
        while let (window, bits) = try? bitmapWindow(&reader) {
            for (index, byte) in bits.enumerated() {
                for bit in 0..<8 where byte & 0x80 >> UInt8(bit) != 0 {
                    if !isFirst { text.append(UInt8(ascii: " ")) }
                    isFirst = false
                    let number = UInt16(window) << 8 | UInt16(truncatingIfNeeded: index * 8 + bit)
                    text.append(style.name(of: RecordType(rawValue: number)))
                }
            }
        }
    }

    /// `YYYYMMDDHHmmSS` (RFC 4034, 3.2) for seconds since 1970.
    private static func append(date seconds: UInt32, to text: inout [UInt8]) {
        let time = CivilTime(secondsSinceEpoch: Int(seconds))
        text.append(time.dateText(separator: ""))
        text.append(time.timeText(separator: ""))
    }
}

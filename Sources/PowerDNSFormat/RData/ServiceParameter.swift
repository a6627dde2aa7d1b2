/// A parameter of SVCB and HTTPS (RFC 9460).
struct ServiceParameter {
    let key: UInt16
    private let value: UnsafeRawBufferPointer
    private let offset: Int

    private static let names = [
        "mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp",
        "tls-supported-groups",
    ]

    init(_ reader: inout ByteReader) throws(DecodeError) {
        offset = reader.offset
        key = try reader.big(UInt16.self)
        value = try reader.take(Int(try reader.big(UInt16.self)))
    }

    /// Checks that the value is valid for its key.
    func check() throws(DecodeError) {
        let isGood =
            switch key {
            case 0: !value.isEmpty && value.count & 1 == 0
            case 1: identifiers() != nil
            case 2: value.isEmpty
            case 3: value.count == 2
            // PowerDNS stores hints without addresses for `auto`: version 5 then serves the addresses of the target.
            case 4: value.count & 3 == 0
            case 6: value.count & 15 == 0
            default: true
            }
        if !isGood { throw DecodeError(.badNumber, at: offset) }
    }

    /// Whether the value is valid for its key in PowerDNS 5; PowerDNS 4.9 accepts any.
    private var isGoodForNewer: Bool {
        switch key {
        case 8: value.isEmpty
        case 9: !value.isEmpty && value.count & 1 == 0
        default: true
        }
    }

    func checkForNewer() throws(DecodeError) {
        if !isGoodForNewer { throw DecodeError(.refusedByNewer, at: offset) }
    }

    func append(_ style: ZoneTextStyle, to text: inout [UInt8]) {
        // PowerDNS 4 does not parse the names of later keys.
        let isNamed = isGoodForNewer && (style != .pdnsutil4 || key < 7)
        text.append(isNamed ? Self.name(key, style) : "key\(key)")
        if isNamed, key == 2 || key == 8 { return }
        text.append(UInt8(ascii: "="))
        switch key {
        case 0:
            append(groupsOf: 2, to: &text) { group, text in
                text.append(Self.name(UInt16(group[0]) << 8 | UInt16(group[1]), style))
            }
        case 1 where value.isEmpty: if style != .pdnsutil4 { text.append("\"\"") }
        case 1: append(identifiers() ?? [], to: &text)
        case 3: text.append(number: value.reduce(0) { $0 << 8 | UInt32($1) })
        case 4 where value.isEmpty, 6 where value.isEmpty: if style != .pdnsutil4 { text.append("auto") }
        case 4: append(groupsOf: 4, to: &text) { group, text in text.append(IPAddressText.text(group)) }
        case 5:
            text.append(UInt8(ascii: "\""))
            text.append(base64: value)
            text.append(UInt8(ascii: "\""))
        case 6: append(groupsOf: 16, to: &text) { group, text in text.append(IPAddressText.text(group)) }
        case 9 where isNamed:
            append(groupsOf: 2, to: &text) { group, text in
                text.append(number: UInt16(group[0]) << 8 | UInt16(group[1]))
            }
        default: text.append(quoted: value)
        }
    }

    private static func name(_ key: UInt16, _ style: ZoneTextStyle) -> String {
        let known = style == .pdnsutil4 ? names.prefix(7) : names[...]
        return known.indices.contains(Int(key)) ? known[Int(key)] : "key\(key)"
    }

    private func append(
        groupsOf size: Int, to text: inout [UInt8], _ item: (UnsafeRawBufferPointer, inout [UInt8]) -> Void
    ) {
        for start in stride(from: 0, to: value.count - size + 1, by: size) {
            if start > 0 { text.append(UInt8(ascii: ",")) }
            item(UnsafeRawBufferPointer(rebasing: value[start..<start + size]), &text)
        }
    }

    /// The strings of `alpn`, each with its size; nil if invalid.
    private func identifiers() -> [UnsafeRawBufferPointer]? {
        var reader = ByteReader(value)
        var identifiers: [UnsafeRawBufferPointer] = []
        while !reader.isAtEnd {
            guard let size = try? reader.uint8(), size > 0, let bytes = try? reader.take(Int(size)) else { return nil }
            identifiers.append(bytes)
        }
        return identifiers
    }

    /// Strings separated by commas.
    ///
    /// A comma and a backslash within one are escaped for the list first, then for the zone file.
    private func append(_ identifiers: [UnsafeRawBufferPointer], to text: inout [UInt8]) {
        for (index, identifier) in identifiers.enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            for byte in identifier {
                switch byte {
                case UInt8(ascii: ","): text.append("\\\\,")
                case UInt8(ascii: "\\"): text.append("\\\\\\\\")
                default: text.append(unquoted: byte)
                }
            }
        }
    }
}

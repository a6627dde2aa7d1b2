/// A field of RDATA: its extent and its text form.
enum RDataField {
    case name
    case uint8
    case uint16
    case uint32
    /// A number of a type.
    case recordType
    /// Seconds since the UNIX epoch modulo 2^32, written as a date.
    case date
    case ipv4
    case ipv6
    /// Four groups of 4 hexadecimal digits.
    case locator64
    /// 6 or 8 bytes with hyphens.
    case eui(Int)
    /// A string with its size, quoted.
    case string
    /// A string with its size, without quotes.
    case tag
    /// Bytes with their size in hexadecimal digits, `-` for none.
    case salt
    /// Bytes with their size in base32.
    case hash
    /// As `string`, up to the end.
    case strings
    /// Bytes up to the end, quoted.
    case text
    case hex
    case base64
    case typeBitmap
    case serviceParameters
    case location
    case addressPrefixes
    /// Nothing, an address or a name, depending on the second byte of the RDATA.
    case gateway
    /// A public key in base64, or none, depending on the third byte of the RDATA.
    case gatewayKey
}

extension RDataField {
    /// The fields of a type; nil for an unknown one.
    static func layout(_ type: RecordType) -> [RDataField]? {
        let number = Int(type.rawValue)
        return number < table.count ? table[number] : layouts[type.rawValue]
    }

    /// The same by number, except for very large type numbers: it is used for every record.
    private static let table: [[RDataField]?] = (0..<512).map { layouts[$0] }

    private static let layouts: [UInt16: [RDataField]] = [
        1: [.ipv4],
        2: [.name],
        5: [.name],
        6: [.name, .name, .uint32, .uint32, .uint32, .uint32, .uint32],
        7: [.name],
        8: [.name],
        9: [.name],
        12: [.name],
        13: [.string, .string],
        14: [.name, .name],
        15: [.uint16, .name],
        16: [.strings],
        17: [.name, .name],
        18: [.uint16, .name],
        25: key,
        28: [.ipv6],
        29: [.location],
        33: [.uint16, .uint16, .uint16, .name],
        35: [.uint16, .uint16, .string, .string, .string, .name],
        36: [.uint16, .name],
        37: [.uint16, .uint16, .uint8, .base64],
        39: [.name],
        41: [.base64],
        42: [.addressPrefixes],
        43: digest,
        44: [.uint8, .uint8, .hex],
        45: [.uint8, .uint8, .uint8, .gateway, .gatewayKey],
        46: signature,
        47: [.name, .typeBitmap],
        48: key,
        49: [.base64],
        50: [.uint8, .uint8, .uint16, .salt, .hash, .typeBitmap],
        51: [.uint8, .uint8, .uint16, .salt],
        52: association,
        53: association,
        57: key,
        59: digest,
        60: key,
        61: [.base64],
        62: [.uint32, .uint16, .typeBitmap],
        63: [.uint32, .uint8, .uint8, .hex],
        64: service,
        65: service,
        67: [.base64],
        68: [.base64],
        99: [.strings],
        104: [.uint16, .locator64],
        105: [.uint16, .ipv4],
        106: [.uint16, .locator64],
        107: [.uint16, .name],
        108: [.eui(6)],
        109: [.eui(8)],
        256: [.uint16, .uint16, .text],
        257: [.uint8, .tag, .text],
        261: [.strings],
        262: [.strings],
        32769: digest,
        65401: [.name],
        65402: [.recordType, .strings],
    ]

    private static let key: [RDataField] = [.uint16, .uint8, .uint8, .base64]
    private static let digest: [RDataField] = [.uint16, .uint8, .uint8, .hex]
    private static let association: [RDataField] = [.uint8, .uint8, .uint8, .hex]
    private static let service: [RDataField] = [.uint16, .name, .serviceParameters]
    private static let signature: [RDataField] = [
        .recordType, .uint8, .uint8, .uint32, .date, .date, .uint16, .name, .base64,
    ]
}

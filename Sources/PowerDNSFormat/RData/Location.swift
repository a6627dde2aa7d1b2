/// The RDATA of LOC (RFC 1876).
struct Location {
    private let size: UInt8
    private let horizontalPrecision: UInt8
    private let verticalPrecision: UInt8
    private let latitude: UInt32
    private let longitude: UInt32
    private let altitude: UInt32

    init(_ bytes: UnsafeRawBufferPointer) throws(DecodeError) {
        var reader = ByteReader(bytes)
        // PowerDNS ignores the version, and accepts any digits in the sizes.
        _ = try reader.uint8()
        size = try reader.uint8()
        horizontalPrecision = try reader.uint8()
        verticalPrecision = try reader.uint8()
        latitude = try reader.big(UInt32.self)
        longitude = try reader.big(UInt32.self)
        altitude = try reader.big(UInt32.self)
        try reader.expectEnd()
    }

    func append(_ style: ZoneTextStyle, to text: inout [UInt8]) {
        // PowerDNS 4 prints the equator as south, and Greenwich as west.
        let firstPositive = style == .pdnsutil4 ? 1 : 0
        for (angle, positive, negative) in [(latitude, "N", "S"), (longitude, "E", "W")] {
            let offset = Int(angle) - 1 << 31
            Self.append(angle: offset.magnitude, to: &text)
            text.append(offset < firstPositive ? negative : positive)
            text.append(UInt8(ascii: " "))
        }
        // In centimetres above 100 km below the reference spheroid.
        let altitude = Int64(altitude) - 10_000_000
        if altitude < 0 { text.append(UInt8(ascii: "-")) }
        Self.append(centimetres: altitude.magnitude, to: &text)
        for precision in [size, horizontalPrecision, verticalPrecision] {
            text.append(UInt8(ascii: " "))
            var value = UInt64(precision >> 4)
            for _ in 0..<(precision & 15) { value *= 10 }
            Self.append(centimetres: value, to: &text)
        }
    }

    /// Thousandths of a second of arc as degrees, minutes and seconds.
    private static func append(angle value: UInt, to text: inout [UInt8]) {
        text.append(number: value / 3_600_000)
        text.append(UInt8(ascii: " "))
        text.append(number: value / 60_000 % 60)
        text.append(UInt8(ascii: " "))
        text.append(number: value / 1000 % 60)
        text.append(UInt8(ascii: "."))
        for divisor: UInt in [100, 10, 1] { text.append(number: value % 1000 / divisor % 10) }
        text.append(UInt8(ascii: " "))
    }

    private static func append(centimetres value: UInt64, to text: inout [UInt8]) {
        text.append(number: value / 100)
        text.append(UInt8(ascii: "."))
        text.append(number: value / 10 % 10)
        text.append(number: value % 10)
        text.append(UInt8(ascii: "m"))
    }
}

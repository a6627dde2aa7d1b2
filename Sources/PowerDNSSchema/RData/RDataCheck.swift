extension RDataField {
    /// Checks a field that goes up to the end of the RDATA.
    func check(_ bytes: UnsafeRawBufferPointer) throws(DecodeError) {
        var reader = ByteReader(bytes)
        switch self {
        case .strings:
            repeat { _ = try reader.take(Int(try reader.uint8())) } while !reader.isAtEnd
        case .typeBitmap:
            while !reader.isAtEnd { _ = try Self.bitmapWindow(&reader) }
        case .serviceParameters:
            while !reader.isAtEnd { try ServiceParameter(&reader).check() }
        case .addressPrefixes:
            while !reader.isAtEnd { _ = try AddressPrefix(&reader) }
        case .location: _ = try Location(bytes)
        default: break
        }
    }

    /// A window of 256 types (RFC 4034, 4.1.2).
    static func bitmapWindow(
        _ reader: inout ByteReader
    ) throws(DecodeError) -> (window: UInt8, bits: UnsafeRawBufferPointer) {
        let window = try reader.uint8()
        let size = try reader.uint8()
        guard 1...32 ~= size else { throw reader.error(.badNumber) }
        return (window, try reader.take(Int(size)))
    }
}

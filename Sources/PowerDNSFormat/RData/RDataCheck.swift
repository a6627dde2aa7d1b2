extension RDataField {
    /// Checks a field that extends to the end of the RDATA.
    func check(_ bytes: UnsafeRawBufferPointer) throws(DecodeError) {
        var reader = ByteReader(bytes)
        switch self {
        case .strings:
            repeat { _ = try reader.take(Int(try reader.uint8())) } while !reader.isAtEnd
        case .typeBitmap:
            while !reader.isAtEnd { _ = try Self.bitmapWindow(&reader) }
        case .serviceParameters:
            try Self.forEachServiceParameter(bytes) { parameter throws(DecodeError) in try parameter.check() }
        case .addressPrefixes:
            while !reader.isAtEnd { _ = try AddressPrefix(&reader) }
        case .location: _ = try Location(bytes)
        default: break
        }
    }

    /// Checks for data that ``check(_:)`` accepts because PowerDNS 4.9 serves them.
    static func checkForNewer(parameters bytes: UnsafeRawBufferPointer) throws(DecodeError) {
        try forEachServiceParameter(bytes) { parameter throws(DecodeError) in try parameter.checkForNewer() }
    }

    private static func forEachServiceParameter(
        _ bytes: UnsafeRawBufferPointer, _ body: (ServiceParameter) throws(DecodeError) -> Void
    ) throws(DecodeError) {
        var reader = ByteReader(bytes)
        var last = -1
        while !reader.isAtEnd {
            let start = reader.offset
            let parameter = try ServiceParameter(&reader)
            // They must ascend: PowerDNS 5 rejects anything else, 4.9 sorts them.
            guard Int(parameter.key) > last else { throw DecodeError(.badNumber, at: start) }
            last = Int(parameter.key)
            try body(parameter)
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

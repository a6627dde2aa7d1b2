/// Reads the output of `boost::archive::binary_oarchive` of an x86-64 process without header: little-endian integers
/// in their native widths, strings with a 64-bit size, and 5 bytes of class information at the first object of a class.
struct BoostArchive {
    private var reader: ByteReader

    init(_ bytes: UnsafeRawBufferPointer) { reader = ByteReader(bytes) }

    var offset: Int { reader.offset }

    func expectEnd() throws(DecodeError) { try reader.expectEnd() }

    mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) throws(DecodeError) -> Value {
        try reader.little(type)
    }

    mutating func bool() throws(DecodeError) -> Bool {
        let byte = try reader.uint8()
        guard byte <= 1 else { throw DecodeError(.badNumber, at: offset - 1) }
        return byte == 1
    }

    /// The version of a class; objects are not tracked in these archives.
    mutating func classVersion(upTo maximum: UInt32) throws(DecodeError) -> UInt32 {
        let start = offset
        guard try reader.uint8() == 0 else { throw DecodeError(.unknownFormat, at: start) }
        let version: UInt32 = try integer()
        guard version <= maximum else { throw DecodeError(.unknownFormat, at: start + 1) }
        return version
    }

    mutating func bytes() throws(DecodeError) -> UnsafeRawBufferPointer {
        guard let size = Int(exactly: try integer(UInt64.self)) else { throw reader.error(.cutOff) }
        return try reader.take(size)
    }

    /// Invalid UTF-8 is replaced, because such text is for people.
    mutating func string() throws(DecodeError) -> String { String(decoding: try bytes(), as: UTF8.self) }

    /// Bytes whose size is not in the archive.
    mutating func raw(_ count: Int) throws(DecodeError) -> UnsafeRawBufferPointer { try reader.take(count) }

    /// A name whose class information has been read; nil if it is not set.
    mutating func name() throws(DecodeError) -> DomainName? {
        let bytes = try bytes()
        if bytes.isEmpty { return nil }
        let start = offset - bytes.count
        do throws(DecodeError) {
            return try DomainName(wire: bytes)
        } catch { throw DecodeError(error.problem, at: start + error.offset) }
    }

    /// A name that must be set.
    mutating func requiredName() throws(DecodeError) -> DomainName {
        guard let name = try name() else { throw DecodeError(.badLabel, at: offset) }
        return name
    }

    /// The first zone name of an archive, with its class information.
    ///
    /// PowerDNS 4 wrote a plain name there, with version 0; PowerDNS 5 writes version 1, a name and a variant.
    mutating func firstZoneName() throws(DecodeError) -> (zone: ZoneName, hasVariants: Bool) {
        guard try classVersion(upTo: 1) == 1 else { return (ZoneName(try requiredName()), false) }
        _ = try classVersion(upTo: 0)
        return (ZoneName(try requiredName(), variant: try string()), true)
    }
}

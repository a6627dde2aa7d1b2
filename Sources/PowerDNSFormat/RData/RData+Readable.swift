extension RData {
    /// Checks that PowerDNS 4.9 or 5 reads the RDATA, even if it then serves something different: neither
    /// of them checks all of it. RDATA accepted by ``check(_:_:owner:)`` are accepted here, too.
    ///
    /// The zone is unknown: compressed names are not resolved.
    package static func checkReadable(_ type: RecordType, _ rdata: UnsafeRawBufferPointer) throws(DecodeError) {
        do throws(DecodeError) {
            try check(type, rdata, owner: nil)
        } catch {
            guard isReadInPart(type, rdata, error.problem) || isReadWithRootName(type, rdata) else { throw error }
        }
    }

    private static func isReadInPart(
        _ type: RecordType, _ rdata: UnsafeRawBufferPointer, _ problem: DecodeError.Problem
    ) -> Bool {
        switch (type.rawValue, problem) {
        // PowerDNS 4 ignores trailing bytes.
        case (_, .leftOver): true
        // The second string may be missing.
        case (13, .cutOff): rdata.first.map { Int($0) + 1 == rdata.count } ?? false
        case (47, _): bitmap(of: type, rdata).map(isReadableBitmap) ?? false
        case (62, _): rdata.count >= 6 && isReadableBitmap(UnsafeRawBufferPointer(rebasing: rdata[6...]))
        // Salt and tag may be truncated.
        case (51, .cutOff): rdata.count >= 5
        case (257, .cutOff): rdata.count >= 2
        case (64, _), (65, _): isReadableService(rdata)
        // PowerDNS 4 does not know these types, and accepts anything.
        case (67, _), (68, _), (261, _), (262, _): true
        default: false
        }
    }

    /// The bitmap after the name of an NSEC record.
    private static func bitmap(of type: RecordType, _ rdata: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        var reader = ByteReader(rdata)
        guard (try? CompressionContext(owner: nil, rdata: rdata).skipName(&reader)) != nil else { return nil }
        return reader.takeRest()
    }

    /// A window of two zeroes ends it, and a single trailing byte is ignored.
    private static func isReadableBitmap(_ bytes: UnsafeRawBufferPointer) -> Bool {
        if bytes.count == 1 { return false }
        var offset = 0
        while offset + 1 < bytes.count {
            let size = Int(bytes[offset + 1])
            if bytes[offset] == 0, size == 0 { return true }
            offset += 2 + size
            guard size <= 32, offset <= bytes.count else { return false }
        }
        return true
    }

    /// PowerDNS 4 sorts parameters, uses the first of several with the same key, and none of an alias.
    private static func isReadableService(_ rdata: UnsafeRawBufferPointer) -> Bool {
        var reader = ByteReader(rdata)
        let context = CompressionContext(owner: nil, rdata: rdata)
        guard let priority = try? reader.big(UInt16.self), (try? context.skipName(&reader)) != nil else { return false }
        if priority == 0 { return true }
        while !reader.isAtEnd {
            var start = reader
            if let parameter = try? ServiceParameter(&reader), (try? parameter.check()) != nil { continue }
            guard (try? skipIdentifiers(&start)) != nil else { return false }
            reader = start
        }
        return true
    }

    /// The last string of `alpn` may exceed its value.
    private static func skipIdentifiers(_ reader: inout ByteReader) throws(DecodeError) {
        guard try reader.big(UInt16.self) == 1 else { throw reader.error(.badNumber) }
        let size = Int(try reader.big(UInt16.self))
        let start = reader.offset
        while reader.offset - start < size {
            let length = Int(try reader.uint8())
            guard length > 0 else { throw reader.error(.badNumber) }
            _ = try reader.take(length)
        }
    }

    /// PowerDNS reads half a pointer at the end as the root.
    private static func isReadWithRootName(_ type: RecordType, _ rdata: UnsafeRawBufferPointer) -> Bool {
        guard let last = rdata.last, last >= 0xc0 else { return false }
        let repaired = Array(rdata.dropLast()) + [0]
        return repaired.withUnsafeBytes { (try? check(type, $0, owner: nil)) != nil }
    }
}

/// Decodes RDATA as stored by PowerDNS.
///
/// Names in it may be compressed with pointers into the owner name, so all functions need the absolute owner name: with that of
/// a different zone such names are wrong, or rejected.
package enum RData {
    /// A decoded field.
    enum Part {
        case name(DomainName)
        /// Its bytes, without the size in front of a `tag`, `salt` or `hash`.
        case bytes(RDataField, UnsafeRawBufferPointer, size: UInt8?)
    }

    /// Passes every field of the RDATA to `body`, and checks that no bytes are left over.
    ///
    /// - Parameter owner: nil if unknown: names are then passed as the root.
    /// - Returns: false for a type unknown here, or in this style.
    @inline(__always)
    static func forEachPart(
        _ type: RecordType, _ rdata: UnsafeRawBufferPointer, owner: NameView?,
        in style: ZoneTextStyle = .zoneFile, _ body: (Part) throws(DecodeError) -> Void
    ) throws(DecodeError) -> Bool {
        try forEachField(
            type, rdata, owner: owner, in: style,
            name: { context, reader throws(DecodeError) in
                guard owner != nil else {
                    try context.skipName(&reader)
                    return try body(.name(.root))
                }
                try body(.name(try context.name(&reader)))
            },
            bytes: { field, bytes, size throws(DecodeError) in try body(.bytes(field, bytes, size: size)) })
    }

    /// Passes every field of the RDATA to one of two closures, and checks that no bytes are left over.
    ///
    /// - Parameters:
    ///   - name: must advance the reader past the name at its position.
    ///   - bytes: receives any other field, as in ``Part``.
    /// - Returns: false for a type unknown here, or in this style.
    @inline(__always)
    private static func forEachField(
        _ type: RecordType, _ rdata: UnsafeRawBufferPointer, owner: NameView?, in style: ZoneTextStyle,
        name: (CompressionContext, inout ByteReader) throws(DecodeError) -> Void,
        bytes body: (RDataField, UnsafeRawBufferPointer, UInt8?) throws(DecodeError) -> Void
    ) throws(DecodeError) -> Bool {
        guard style.knows(type), let layout = RDataField.layout(type) else { return false }
        let rdata = rdata.isEmpty ? servedForNothing(type) : rdata
        // PowerDNS rejects certificates of type 0.
        if type == .cert, rdata.count > 1, rdata[0] | rdata[1] == 0 { throw DecodeError(.badNumber, at: 0) }
        let context = CompressionContext(owner: owner, rdata: rdata)
        var reader = ByteReader(rdata)
        for field in layout {
            switch field {
            case .name: try name(context, &reader)
            case .uint8: try body(field, try reader.take(1), nil)
            case .uint16, .recordType: try body(field, try reader.take(2), nil)
            case .uint32, .date, .ipv4: try body(field, try reader.take(4), nil)
            case .locator64: try body(field, try reader.take(8), nil)
            case .ipv6: try body(field, try reader.take(16), nil)
            case .eui(let size): try body(field, try reader.take(size), nil)
            case .string, .tag, .salt, .hash:
                let size = try reader.uint8()
                try body(field, try reader.take(Int(size)), size)
            case .gateway:
                switch rdata.count > 1 ? rdata[1] : 0 {
                case 0: try body(.gateway, try reader.take(0), nil)
                case 1: try body(.ipv4, try reader.take(4), nil)
                case 2: try body(.ipv6, try reader.take(16), nil)
                case 3: try name(context, &reader)
                default: throw DecodeError(.badNumber, at: 1)
                }
            case .gatewayKey:
                // Algorithm 0 means no key; PowerDNS supports DSA and RSA.
                switch rdata.count > 2 ? rdata[2] : 0 {
                case 0: try body(field, try reader.take(0), nil)
                case 1, 2: try body(field, reader.takeRest(), nil)
                default: throw DecodeError(.badNumber, at: 2)
                }
            case .strings, .text, .hex, .base64, .typeBitmap, .serviceParameters, .location, .addressPrefixes:
                let start = reader.offset
                let bytes = reader.takeRest()
                do throws(DecodeError) {
                    try field.check(bytes)
                } catch { throw DecodeError(error.problem, at: start + error.offset) }
                try body(field, bytes, nil)
            }
        }
        try reader.expectEnd()
        return true
    }

    /// The data that PowerDNS serves and prints for a text record without any RDATA: empty strings.
    private static func servedForNothing(_ type: RecordType) -> UnsafeRawBufferPointer {
        let zeroes: StaticString = "\0\0"
        let size =
            switch type.rawValue {
            case 13: 2
            case 16, 99, 261, 262: 1
            default: 0
            }
        return UnsafeRawBufferPointer(start: zeroes.utf8Start, count: size)
    }

    /// Whether RDATA are of a frequent type, valid and without compression, as most are.
    private static func isPlain(_ type: RecordType, _ rdata: UnsafeRawBufferPointer) -> Bool {
        switch type {
        case .txt:
            var position = 0
            while position < rdata.count { position += 1 + Int(rdata[position]) }
            return position == rdata.count && position > 0
        case .ns, .cname, .ptr: return endOfName(rdata, from: 0) == rdata.count
        case .mx: return endOfName(rdata, from: 2) == rdata.count
        case .srv: return endOfName(rdata, from: 6) == rdata.count
        case .soa:
            guard let middle = endOfName(rdata, from: 0), let end = endOfName(rdata, from: middle) else { return false }
            return end + 20 == rdata.count
        default: return false
        }
    }

    /// The end of an uncompressed name; nil if there is none.
    @inline(__always)
    private static func endOfName(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var position = start
        while position < bytes.count {
            let size = Int(bytes[position])
            position += 1 + size
            if size == 0 { return position - start <= DomainName.maximumSize ? position : nil }
            if size > DomainName.maximumLabelSize { return nil }
        }
        return nil
    }

    /// Checks that at least PowerDNS 4.9 serves the RDATA unchanged; any RDATA are valid for an unknown type.
    ///
    /// - Parameter owner: nil if the zone is unknown; compressed names are not resolved then.
    package static func check(
        _ type: RecordType, _ rdata: UnsafeRawBufferPointer, owner: NameView?
    ) throws(DecodeError) {
        switch type {
        // Most records are addresses.
        case .a where rdata.count == 4, .aaaa where rdata.count == 16: break
        default:
            if isPlain(type, rdata) { break }
            _ = try forEachField(
                type, rdata, owner: owner, in: .zoneFile,
                name: { context, reader throws(DecodeError) in
                    if owner == nil { try context.skipName(&reader) } else { try context.checkName(&reader) }
                },
                bytes: { _, _, _ in })
        }
    }

    /// As ``check(_:_:owner:)-(_,_,NameView?)``, of a zone that is known.
    package static func check(
        _ type: RecordType, _ rdata: UnsafeRawBufferPointer, owner: DomainName
    ) throws(DecodeError) {
        try owner.withView { owner throws(DecodeError) in try check(type, rdata, owner: owner) }
    }

    /// Checks that PowerDNS 5 serves RDATA that has passed ``check(_:_:owner:)``.
    ///
    /// - Throws: ``DecodeError`` with the problem ``DecodeError/Problem/refusedByNewer``.
    package static func checkForNewer(_ type: RecordType, _ rdata: UnsafeRawBufferPointer) throws(DecodeError) {
        guard type == .svcb || type == .https else { return }
        var isAlias = false
        _ = try forEachPart(type, rdata, owner: nil) { part throws(DecodeError) in
            switch part {
            case .bytes(.uint16, let priority, _): isAlias = priority.allSatisfy { $0 == 0 }
            case .bytes(.serviceParameters, let bytes, _):
                if isAlias, !bytes.isEmpty { throw DecodeError(.refusedByNewer, at: rdata.count - bytes.count) }
                try RDataField.checkForNewer(parameters: bytes)
            default: break
            }
        }
    }

    /// The RDATA without compression, which can be compared with that of another owner or zone.
    package static func expanded(
        _ type: RecordType, _ rdata: UnsafeRawBufferPointer, owner: DomainName
    ) throws(DecodeError) -> [UInt8] {
        var wire: [UInt8] = []
        try owner.withView { owner throws(DecodeError) in try appendExpanded(type, rdata, owner: owner, to: &wire) }
        return wire
    }

    /// As ``expanded(_:_:owner:)``, but appends the result, of which a part may exist when it throws.
    ///
    /// - Parameter owner: nil if the RDATA contain no names.
    package static func appendExpanded(
        _ type: RecordType, _ rdata: UnsafeRawBufferPointer, owner: NameView?, to wire: inout [UInt8]
    ) throws(DecodeError) {
        switch type {
        case .a where rdata.count == 4, .aaaa where rdata.count == 16: return wire.append(contentsOf: rdata)
        default: if isPlain(type, rdata) { return wire.append(contentsOf: rdata) }
        }
        let isKnown = try forEachField(
            type, rdata, owner: owner, in: .zoneFile,
            name: { context, reader throws(DecodeError) in try context.appendName(&reader, to: &wire) },
            bytes: { _, bytes, size in
                if let size { wire.append(size) }
                wire.append(contentsOf: bytes)
            })
        if !isKnown { wire.append(contentsOf: rdata) }
    }

    /// The names in the RDATA, in order: for NS, MX or CNAME the target.
    package static func names(
        _ type: RecordType, _ rdata: UnsafeRawBufferPointer, owner: DomainName
    ) throws(DecodeError) -> [DomainName] {
        var names: [DomainName] = []
        _ = try owner.withView { owner throws(DecodeError) in
            try forEachPart(type, rdata, owner: owner) { part in
                if case .name(let name) = part { names.append(name) }
            }
        }
        return names
    }

    /// The serial of an SOA record, without decoding its names.
    package static func soaSerial(_ rdata: UnsafeRawBufferPointer) -> UInt32? {
        // Serial, refresh, retry, expire and minimum are the last 20 bytes; two names take a byte each at least.
        guard rdata.count >= 22 else { return nil }
        return UInt32(bigEndian: rdata.loadUnaligned(fromByteOffset: rdata.count - 20, as: UInt32.self))
    }
}

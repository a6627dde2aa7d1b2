import PowerDNSFormat
import Support

/// The state of one owner name of a zone. One value is reused for all names, and keeps its memory.
struct OwnerState: ~Copyable {
    private var kept = KeptBytes(capacity: DomainName.maximumSize)
    /// The wire form; empty until it is requested.
    private var wire = KeptBytes(capacity: DomainName.maximumSize)
    /// Whether it would be too long for a name.
    private(set) var isTooLong = false
    private var found = Found()

    /// The part that is reset for each new name.
    private struct Found {
        var cnameCount = 0
        var dnameCount = 0
        var hasNS = false
        var hasDS = false
        var isNoted = false
        var hasGlue = false
        /// The first types that are not allowed with a CNAME, of 16 bits each, and their number.
        var others: UInt64 = 0
        var otherCount = 0
    }

    private static let mostOthers = 4

    /// Is at no name.
    mutating func reset() {
        found = Found()
        kept.removeAll()
        wire.removeAll()
        isTooLong = false
    }

    /// Enters the name of a row.
    mutating func enter(_ record: RecordKey, in zone: DomainName) {
        found = Found()
        kept.keep(record.ownerKey)
        wire.removeAll()
        isTooLong = record.isTooLong(in: zone)
    }

    /// Relative to the zone, as `KeyName`; valid until the next name, like ``view(in:)``.
    var key: UnsafeRawBufferPointer {
        @inline(__always) get { kept.bytes }
    }
    var isApex: Bool {
        @inline(__always) get { kept.count == 1 }
    }

    /// The name, which must not be too long.
    mutating func view(in zone: DomainName) -> NameView {
        if wire.isEmpty {
            if !isApex {
                let key = kept.bytes
                wire.append { room in
                    KeyName.write(checked: key, to: room)
                    return key.count
                }
            }
            zone.withView { wire.append($0.wire) }
        }
        return NameView(unchecked: wire.bytes)
    }

    /// The name as text; empty if it is too long.
    mutating func text(in zone: DomainName) -> String { isTooLong || kept.isEmpty ? "" : "\(view(in: zone))" }

    /// Whether there are types that are not allowed with a CNAME.
    var hasOthers: Bool { found.otherCount > 0 }
    /// The first of these types.
    var others: [RecordType] {
        (0..<found.otherCount).map {
            RecordType(rawValue: UInt16(truncatingIfNeeded: found.others >> UInt64(16 * $0)))
        }
    }
    var cnameCount: Int { found.cnameCount }
    var dnameCount: Int { found.dnameCount }
    var hasNS: Bool { found.hasNS }
    var hasDS: Bool { found.hasDS }
    /// Whether it has been recorded as an existing name.
    var isNoted: Bool {
        get { found.isNoted }
        set { found.isNoted = newValue }
    }
    /// Whether addresses are marked as not authoritative, which is correct at a delegation, whose NS records follow.
    var hasGlue: Bool {
        get { found.hasGlue }
        set { found.hasGlue = newValue }
    }

    /// Records a served type.
    mutating func note(_ type: RecordType, count: Int) {
        switch type {
        case .cname: found.cnameCount += count
        // Signatures, denial types, and KEY, which are allowed with a CNAME (RFC 4034, 2.1; RFC 2181, 10.1).
        case .rrsig, .nsec, Self.sig, Self.key, Self.nxt: break
        default:
            guard found.otherCount < Self.mostOthers else { break }
            found.others |= UInt64(type.rawValue) << UInt64(16 * found.otherCount)
            found.otherCount += 1
        }
        switch type {
        case .ns: found.hasNS = true
        case .ds: found.hasDS = true
        case .dname: found.dnameCount += count
        default: break
        }
    }

    private static var sig: RecordType { RecordType(rawValue: 24) }
    private static var key: RecordType { RecordType(rawValue: 25) }
    private static var nxt: RecordType { RecordType(rawValue: 30) }
}

/// A name that affects those below it: a delegation, or one with a DNAME.
struct NameCut {
    /// Relative to the zone, as `KeyName`.
    let key: [UInt8]
    var isReported = false

    /// - Parameter key: relative to the zone, as `KeyName`.
    init(_ key: UnsafeRawBufferPointer) { self.key = Array(key) }

    /// Whether a name is below it.
    func isAbove(_ other: UnsafeRawBufferPointer) -> Bool {
        // Every name is below the apex, whose key is not a prefix of the others.
        key.count == 1 ? other.count > 1 : other.count > key.count && other.starts(withBytes: key)
    }
}

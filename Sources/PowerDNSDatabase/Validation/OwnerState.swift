import PowerDNSFormat
import Support

/// What has been seen at one owner name of a zone. One value serves a whole walk: its memory is used again for each name.
struct OwnerState: ~Copyable {
    private var kept = KeptBytes(capacity: DomainName.maximumSize)
    /// The wire form; empty until somebody asks for it.
    private var wire = KeptBytes(capacity: DomainName.maximumSize)
    /// Whether it would be too long for a name.
    private(set) var isTooLong = false
    private var found = Found()
    /// The first types that are not allowed beside a CNAME.
    private(set) var others: [RecordType] = []

    /// The part that is reset for each new name.
    private struct Found {
        var cnameCount = 0
        var dnameCount = 0
        var hasNS = false
        var hasDS = false
        var isNoted = false
        var hasGlue = false
    }

    private static let mostOthers = 4

    /// Enters the name of a row.
    mutating func enter(_ record: RecordKey, in zone: DomainName) {
        found = Found()
        if !others.isEmpty { others.removeAll(keepingCapacity: true) }
        kept.keep(record.ownerKey)
        wire.removeAll()
        isTooLong = record.isTooLong(in: zone)
    }

    /// Relative to the zone, as `KeyName`; valid until the next name, as ``view(in:)`` is.
    var key: UnsafeRawBufferPointer {
        @inline(__always) get { kept.bytes }
    }
    var isApex: Bool {
        @inline(__always) get { kept.count == 1 }
    }

    /// The name, which must not be too long for one.
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

    /// The name as text; empty where it would be too long for one.
    func text(in zone: DomainName) -> String {
        (try? KeyName.decode(key, relativeTo: zone)).map { "\($0)" } ?? ""
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
    /// Whether addresses are marked as not authoritative, which is right for a delegation, whose NS records follow.
    var hasGlue: Bool {
        get { found.hasGlue }
        set { found.hasGlue = newValue }
    }

    /// Notes a type that records are served of.
    mutating func note(_ type: RecordType, count: Int) {
        switch type {
        case .cname: found.cnameCount += count
        // Signatures, denial types, and KEY, which may be beside a CNAME (RFC 4034, 2.1; RFC 2181, 10.1).
        case .rrsig, .nsec, Self.sig, Self.key, Self.nxt: break
        default: if others.count < Self.mostOthers { others.append(type) }
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
        // Everything is below the apex, whose key is no prefix of the others.
        key.count == 1 ? other.count > 1 : other.count > key.count && other.starts(withBytes: key)
    }
}

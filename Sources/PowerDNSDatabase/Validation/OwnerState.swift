import PowerDNSFormat

/// What has been seen at one owner name of a zone. One value serves a whole walk: its memory is used again for each name.
struct OwnerState {
    /// Relative to the zone, as `KeyName`.
    private(set) var key: [UInt8] = []
    private var wire: [UInt8] = []
    private var found = Found()
    /// Types that may not be beside a CNAME; the first of them.
    private(set) var others: [RecordType] = []

    /// What is forgotten with each new name.
    private struct Found {
        var cnameCount = 0
        var dnameCount = 0
        var hasNS = false
        var hasDS = false
        var isNoted = false
        var hasGlue = false
    }

    private static let mostOthers = 4
    private static let usualSize = 48

    /// Before the first name.
    init() {
        key.reserveCapacity(Self.usualSize)
        wire.reserveCapacity(Self.usualSize)
    }

    /// Goes on to the name of a row.
    mutating func enter(_ record: RecordKey, in zone: DomainName) {
        found = Found()
        others.removeAll(keepingCapacity: true)
        key.removeAll(keepingCapacity: true)
        key.append(contentsOf: record.ownerKey)
        wire.removeAll(keepingCapacity: true)
        do throws(DecodeError) {
            try record.appendOwner(in: zone, to: &wire)
        } catch { wire.removeAll(keepingCapacity: true) }
    }

    var cnameCount: Int { found.cnameCount }
    var dnameCount: Int { found.dnameCount }
    var hasNS: Bool { found.hasNS }
    var hasDS: Bool { found.hasDS }
    /// Whether it has been taken down as a name that exists.
    var isNoted: Bool {
        get { found.isNoted }
        set { found.isNoted = newValue }
    }
    /// Whether addresses are marked as not the zone's own: that is right where the name is delegated, which comes behind them.
    var hasGlue: Bool {
        get { found.hasGlue }
        set { found.hasGlue = newValue }
    }

    /// The name; nil where it would be too long for one. Whoever keeps it costs the next name a new memory.
    var name: DomainName? { wire.isEmpty ? nil : DomainName(unchecked: wire) }
    var isApex: Bool { key.count == 1 }
    var text: String { name.map { "\($0)" } ?? "" }

    /// Notes a type that records are served of.
    mutating func note(_ type: RecordType, count: Int) {
        switch type {
        case .cname: found.cnameCount += count
        // Signatures and what denies, and KEY, which may be beside a CNAME (RFC 4034, 2.1; RFC 2181, 10.1).
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

/// A name with power over those below it: a delegation, or one with a DNAME.
struct NameCut {
    /// Relative to the zone, as `KeyName`.
    let key: [UInt8]
    var isReported = false

    init(_ owner: OwnerState) { key = owner.key }

    /// Whether a name is below it.
    func isAbove(_ other: [UInt8]) -> Bool {
        // Everything is below the apex, whose key is no prefix of the others.
        key.count == 1 ? other.count > 1 : other.count > key.count && other.starts(with: key)
    }
}

import PowerDNSSchema

/// What has been seen at one owner name of a zone.
struct OwnerState {
    /// Relative to the zone, as `KeyName`.
    private(set) var key: [UInt8]
    /// The name; nil where it would be too long for one.
    let name: DomainName?
    var cnameCount = 0
    var dnameCount = 0
    var hasNS = false
    var hasDS = false
    /// Whether it has been taken down as a name that exists.
    var isNoted = false
    /// Whether addresses are marked as not the zone's own: that is right where the name is delegated, which comes behind them.
    var hasGlue = false
    /// Types that may not be beside a CNAME; the first of them.
    private(set) var others: [RecordType] = []

    private static let mostOthers = 4

    /// Before the first name.
    init() { (key, name) = ([], nil) }

    init(_ key: RecordKey, in zone: DomainName) {
        self.key = Array(key.ownerKey)
        name = try? key.owner(in: zone)
    }

    var isApex: Bool { key.count == 1 }
    var text: String { name.map { "\($0)" } ?? "" }

    /// Notes a type that records are served of.
    mutating func note(_ type: RecordType, count: Int) {
        switch type {
        case .cname: cnameCount += count
        // Signatures and what denies, and KEY, which may be beside a CNAME (RFC 4034, 2.1; RFC 2181, 10.1).
        case .rrsig, .nsec, Self.sig, Self.key, Self.nxt: break
        default: if others.count < Self.mostOthers { others.append(type) }
        }
        switch type {
        case .ns: hasNS = true
        case .ds: hasDS = true
        case .dname: dnameCount += count
        default: break
        }
    }

    private static let sig = RecordType(rawValue: 24)
    private static let key = RecordType(rawValue: 25)
    private static let nxt = RecordType(rawValue: 30)
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

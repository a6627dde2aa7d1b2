import PowerDNSFormat

/// A zone by its name, with all that have this name; by its ID where no name is known.
enum CheckedZone: Hashable, Sendable {
    case named(ZoneName)
    case numbered(UInt32)
}

/// Which zones are to be checked, and which instance has changed each last; pure.
struct PendingZones: Sendable {
    private(set) var zones: [CheckedZone: String] = [:]
    /// The numbers of named zones: the name may not lead to them any more.
    private(set) var numbers: [UInt32: String] = [:]
    /// Who has changed so much that all zones are to be checked.
    private(set) var allFrom: String?

    private static let most = 10_000

    var isEmpty: Bool { zones.isEmpty && allFrom == nil }

    /// Adds what a merge has changed.
    mutating func add(_ changed: MergedZones) {
        let instance = changed.snapshot.instance
        switch changed.zones {
        case .all: all(from: instance)
        case .some(let changes):
            for zone in changes {
                if let name = zone.name {
                    zones[.named(name)] = instance
                    if let id = zone.id { numbers[id] = instance }
                } else if let id = zone.id {
                    zones[.numbered(id)] = instance
                }
            }
            if zones.count > Self.most { all(from: instance) }
        }
    }

    private mutating func all(from instance: String) {
        (zones, numbers) = ([:], [:])
        allFrom = instance
    }
}

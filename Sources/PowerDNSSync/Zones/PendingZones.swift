import PowerDNSFormat

/// A zone by its name, for all zones with this name; by its ID if the name is unknown.
enum CheckedZone: Hashable, Sendable {
    case named(ZoneName)
    case numbered(UInt32)
}

/// The zones to check, each with the instance of its last change; pure.
struct PendingZones: Sendable {
    private(set) var zones: [CheckedZone: String] = [:]
    /// The numbers of named zones, which the name may no longer refer to.
    private(set) var numbers: [UInt32: String] = [:]
    /// The instance with so many changes that all zones are to be checked.
    private(set) var allFrom: String?

    private static let most = 10_000

    var isEmpty: Bool { zones.isEmpty && allFrom == nil }

    /// Adds the changes of a merge.
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

import PowerDNSFormat
import Snapshots

/// The changes of a merge or a send, to be logged.
struct ChangeJob: Sendable {
    /// The direction of the changes. The raw values are those of the metric's label `direction`.
    enum Direction: String, Sendable {
        /// Received from another instance.
        case merged
        /// Sent to others.
        case sent
    }

    var database: String
    var role: PowerDNSRole
    /// The snapshot with the changes.
    var snapshot: SnapshotName
    /// The position at its end: the name of the full snapshot of that instant.
    var position: SnapshotName
    var direction: Direction
    var changes: ChangeCollection
    /// Ends when PowerDNS's caches are flushed for a merge; nil if nothing waits for that.
    var hold: FlushHold?

    /// The zones with significant changes, for zone consumers.
    func mergedZones(_ names: [UInt32: ZoneName]) -> MergedZones {
        let news = changes.zones.filter { $0.counts.isNews }
        guard !changes.others.isNews, news.count <= MergedZones.most else {
            return MergedZones(database: database, role: role, snapshot: snapshot, zones: .all)
        }
        let numbers = Dictionary(changes.names.map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        let zones = news.map { tally in
            switch tally.zone {
            case .number(let id): MergedZones.Zone(id: id, name: names[id])
            case .name(let name): MergedZones.Zone(id: numbers[name], name: name)
            }
        }
        return MergedZones(database: database, role: role, snapshot: snapshot, zones: .some(zones))
    }

    /// The zones for which only the number is known.
    var numbers: [UInt32] {
        changes.zones.compactMap { if case .number(let id) = $0.zone { id } else { nil } }
    }
}

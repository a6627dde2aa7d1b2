import PowerDNSFormat
import Snapshots

/// What a merge or a send has changed, to be told of.
struct ChangeJob: Sendable {
    /// Where the changes were made. The raw values are those of the label `direction` of the metric.
    enum Direction: String, Sendable {
        /// Elsewhere; they are here now.
        case merged
        /// Here; others get them.
        case sent
    }

    var database: String
    var role: PowerDNSRole
    /// The snapshot that they were in.
    var snapshot: SnapshotName
    var direction: Direction
    var changes: ChangeCollection

    /// The zones in which something is news, for those who look after zones.
    func mergedZones(_ names: [UInt32: ZoneName]) -> MergedZones {
        let news = changes.zones.filter { $0.counts.isNews }
        let numbers = Dictionary(changes.names.map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        let zones = news.map { tally in
            switch tally.zone {
            case .number(let id): MergedZones.Zone(id: id, name: names[id])
            case .name(let name): MergedZones.Zone(id: numbers[name], name: name)
            }
        }
        let isAll = changes.others.isNews || zones.count > MergedZones.most
        return MergedZones(database: database, role: role, snapshot: snapshot, zones: isAll ? .all : .some(zones))
    }

    /// The zones of which the number is all that the change tells.
    var numbers: [UInt32] {
        changes.zones.compactMap { if case .number(let id) = $0.zone { id } else { nil } }
    }
}

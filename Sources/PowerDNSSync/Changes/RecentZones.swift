import PowerDNSFormat
import Snapshots
import Synchronization

/// The last changed zones of all databases: few, so that they can be kept while the process runs.
package final class RecentZones: Sendable {
    /// A changed zone.
    package struct Change: Sendable, Equatable {
        /// Its name.
        package var zone: ZoneName
        /// By database, the position of the newest snapshot with a change of the zone.
        package var snapshots: [String: SnapshotName]
        /// The newest of these, with time and instance of the change.
        package var newest: SnapshotName
        /// The database of that one.
        package var database: String
    }

    /// Maximum number of zones.
    package static let most = 20

    private let changes = Mutex<[Change]>([])

    /// No changes.
    package init() {}

    /// The newest change first.
    package var newest: [Change] { changes.withLock(\.self) }

    /// Adds the zones with significant changes.
    ///
    /// - Parameter names: the names of zones by number; zones without one are added with the main database.
    func note(_ job: ChangeJob, _ names: [UInt32: ZoneName]) {
        let zones = job.changes.zones.lazy.filter { $0.counts.isNews }.compactMap { tally in
            switch tally.zone {
            case .number(let id): names[id]
            case .name(let name): name
            }
        }
        let found = Array(zones.prefix(Self.most))
        guard !found.isEmpty else { return }
        changes.withLock { changes in
            for zone in found {
                if let index = changes.firstIndex(where: { $0.zone == zone }) {
                    changes[index].add(job.position, job.database)
                } else {
                    changes.append(
                        Change(
                            zone: zone, snapshots: [job.database: job.position], newest: job.position,
                            database: job.database))
                }
            }
            changes.sort { $0.newest.timestamp > $1.newest.timestamp }
            if changes.count > Self.most { changes.removeLast(changes.count - Self.most) }
        }
    }
}

extension RecentZones.Change {
    fileprivate mutating func add(_ snapshot: SnapshotName, _ database: String) {
        if snapshots[database].map({ $0.timestamp < snapshot.timestamp }) ?? true { snapshots[database] = snapshot }
        guard newest.timestamp < snapshot.timestamp else { return }
        newest = snapshot
        self.database = database
    }
}

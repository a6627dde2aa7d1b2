import PowerDNSFormat
import Snapshots

/// Is told which zones have changed, to do something about them: check them, flush caches.
package protocol ZoneConsumer: Sendable {
    /// A merge has changed zones.
    ///
    /// Called for one merge after the other, and off the way of syncing: the next merge may be under way.
    func zonesChanged(_ zones: MergedZones) async

    /// There are no more merges, and all zones have been told of, while the databases are still open.
    func changesEnded() async
}

extension ZoneConsumer {
    /// Does nothing.
    package func changesEnded() async {}
}

/// The zones that a merge has changed.
///
/// PowerDNS keeps zones and records in two databases, so that the news of a zone may come with two merges.
package struct MergedZones: Sendable {
    /// A zone. Zones that come or go are told of, too.
    package struct Zone: Hashable, Sendable {
        /// Its number; nil where several have the name, or none had.
        package var id: UInt32?
        /// Its name; nil when the number is of no known zone.
        package var name: ZoneName?

        /// See the properties of the same names.
        package init(id: UInt32?, name: ZoneName?) {
            self.id = id
            self.name = name
        }
    }

    /// Which zones.
    package enum Set: Sendable, Equatable {
        /// These, at most ``MergedZones/most``.
        case some([Zone])
        /// So many that they are not listed; any zone may be one of them.
        case all
    }

    /// No more zones than this are listed.
    package static let most = 1000

    /// The database, as in the names of snapshots.
    package var database: String
    /// What it holds.
    package var role: PowerDNSRole
    /// The snapshot that was merged; it tells the instance.
    package var snapshot: SnapshotName
    /// What has changed.
    package var zones: Set

    /// See the properties of the same names.
    package init(database: String, role: PowerDNSRole, snapshot: SnapshotName, zones: Set) {
        self.database = database
        self.role = role
        self.snapshot = snapshot
        self.zones = zones
    }
}

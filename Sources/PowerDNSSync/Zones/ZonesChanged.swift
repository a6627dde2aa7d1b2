import PowerDNSFormat
import Snapshots

/// Receives changed zones, for example to check them or to flush caches.
package protocol ZoneConsumer: Sendable {
    /// A merge has changed zones.
    ///
    /// Called for one merge at a time, asynchronously to syncing: the next merge may be running.
    func zonesChanged(_ zones: MergedZones) async

    /// There are no more merges, and all zones have been passed, while the databases are still open.
    func changesEnded() async
}

extension ZoneConsumer {
    /// Does nothing.
    package func changesEnded() async {}
}

/// The zones changed by a merge.
///
/// PowerDNS stores zones and records in two databases, so changes of a zone may arrive with two merges.
package struct MergedZones: Sendable {
    /// A zone. Added and removed zones are included.
    package struct Zone: Hashable, Sendable {
        /// Its number; nil if several zones have the name, or none had.
        package var id: UInt32?
        /// Its name; nil if unknown.
        package var name: ZoneName?

        /// See the properties of the same names.
        package init(id: UInt32?, name: ZoneName?) {
            self.id = id
            self.name = name
        }
    }

    /// The changed zones.
    package enum Set: Sendable, Equatable {
        /// These zones, at most ``MergedZones/most``.
        case some([Zone])
        /// Too many to be listed; any zone may be changed.
        case all
    }

    /// Maximum number of listed zones.
    package static let most = 1000

    /// The database, as in snapshot names.
    package var database: String
    /// Its role.
    package var role: PowerDNSRole
    /// The merged snapshot, with its instance.
    package var snapshot: SnapshotName
    /// The changed zones.
    package var zones: Set
    /// Ends when the caches are flushed for all of them; nil if nothing waits for that.
    var hold: FlushHold?

    /// See the properties of the same names.
    package init(database: String, role: PowerDNSRole, snapshot: SnapshotName, zones: Set) {
        self.database = database
        self.role = role
        self.snapshot = snapshot
        self.zones = zones
    }
}

import Replication
import Snapshots
import Support

extension DatabaseRecord {
    /// The state of an instance.
    ///
    /// Positions are written as names of full snapshots, whether there are any or not.
    struct Instance: Sendable {
        /// The newest position in the storage.
        private(set) var newest: (name: SnapshotName, size: Int)?
        /// The greatest position in the names of the last listing. The last delta may end later.
        private(set) var listed: (name: SnapshotName, size: Int)?
        /// The last delta in the last listing, unless there is a newer full snapshot: the time when it was stored, after which it
        /// cannot end.
        private var delta: (stored: SnapshotName, size: Int)?
        /// Whether a delta is not merged.
        var hasUnread = false
        /// The time since which something is waiting to be merged here.
        var behindSince: Duration?
        /// The position up to which everything is merged here.
        var merged: (name: SnapshotName, size: Int?)?
        var mergedAt: WallTime?
        var latency: Duration?
        var clockSkew: Duration?
        /// Its rejected snapshots and deltas with reasons.
        var refused: [SnapshotName: String] = [:]
        /// Entries held in its last merged snapshot.
        var held: HeldEntries?

        /// The latest position that a listing may contain; nil before the first one.
        var latest: SnapshotName? {
            guard let listed else { return nil }
            return delta.map { max($0.stored, listed.name) } ?? listed.name
        }

        /// Takes the objects of a listing.
        ///
        /// - Parameters:
        ///   - full: the newest full snapshot.
        ///   - last: the last delta.
        mutating func list(_ full: Catalog.Snapshot?, _ last: Catalog.Delta?, in catalog: Catalog) {
            listed = full.map { ($0.name, $0.size) }
            delta = nil
            guard let last else { return }
            let begin = last.name.at(last.name.timestamp)
            if let full, catalog.horizon.supersedes(full.name, begin) { return }
            listed = (begin, last.size)
            delta = (last.name.at(last.modified ?? catalog.time), last.size)
        }

        /// Reports the position up to which everything is merged.
        ///
        /// - Parameter size: the size of the object that ends there, if known.
        mutating func reached(_ position: SnapshotName, size: Int?, _ horizon: SnapshotHorizon) {
            refused = refused.filter { name, _ in
                name.isDelta ? name.timestamp >= position.timestamp : name.timestamp > position.timestamp
            }
            if let merged, !horizon.supersedes(position, merged.name) { return }
            merged = (position, size ?? (position == listed?.name ? listed?.size : nil))
        }

        /// Reports that this instance is our own, of which everything is here.
        ///
        /// - Parameter sent: the newest position that we have stored.
        mutating func settle(_ sent: (name: SnapshotName, size: Int)?, _ horizon: SnapshotHorizon) {
            if let newest, let sent, horizon.supersedes(sent.name, newest.name) { self.newest = sent }
            behindSince = nil
            if let newest { merged = (newest.name, newest.size) }
        }

        /// Updates the newest position, and whether it is merged.
        mutating func update(_ horizon: SnapshotHorizon, at now: Moment) {
            guard var newest = listed else { return }
            let isWaiting = delta != nil && (hasUnread || refused.keys.contains(where: \.isDelta))
            if let delta {
                for end in [isWaiting ? delta.stored : nil, merged?.name].compactMap(\.self)
                where horizon.supersedes(end, newest.name) {
                    newest = (end, delta.size)
                }
            }
            // A hint told of it.
            if delta == nil, let merged, horizon.supersedes(merged.name, newest.name) {
                newest = (merged.name, merged.size ?? newest.size)
            }
            self.newest = newest
            if merged?.name == newest.name { merged?.size = newest.size }
            let isMerged = merged.map { !horizon.supersedes(newest.name, $0.name) } ?? false
            behindSince = isMerged && !isWaiting ? nil : behindSince ?? now.uptime
        }
    }
}

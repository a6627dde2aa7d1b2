import Snapshots

extension StatusReport {
    /// The zones of PowerDNS's databases.
    package struct Zones: Codable, Sendable, Equatable {
        /// Their number; nil if they are too many to count quickly, or not open yet.
        package var count: Int?
        /// The last zones changed while the daemon ran, the newest change first.
        package var changed: [ChangedZone] = []

        /// No zones.
        package init() {}
    }

    /// A zone that changed.
    package struct ChangedZone: Codable, Sendable, Equatable {
        /// Its name, with a dot at the end.
        package var name = ""
        /// The time of the snapshot with the change.
        package var time = ""
        /// The instance of that snapshot.
        package var instance = ""
        /// The database of the zone.
        package var database = ""

        /// A zone without a name.
        package init() {}
    }

    /// The answer to `/zone?name=`.
    package struct Zone: Codable, Sendable, Equatable {
        /// The requested name, or the zone's name with a final dot.
        package var name = ""
        /// Why nothing is known of it; nil if it exists.
        package var problem: String?
        /// Its kind in PowerDNS.
        package var kind: String?
        /// The SOA serial, nil without an SOA record.
        package var serial: UInt32?
        /// The number of its RRsets.
        package var rrsets: Int?
        /// Whether it has more RRsets.
        package var hasMoreRRsets: Bool?
        /// The time of its last change.
        package var changed: String?
        /// Each instance, and whether it has that change.
        package var instances: [ZoneHolder] = []

        /// A zone without a name.
        package init() {}
    }

    /// Whether an instance has the last change of a zone.
    package struct ZoneHolder: Codable, Sendable, Equatable {
        /// The instance.
        package var name = ""
        /// Whether it is this one.
        package var isOwn = false
        /// Nil if unknown, for example because it publishes no state.
        package var hasIt: Bool?

        /// An instance without a name.
        package init() {}
    }
}

/// The position of one instance: what it has sent, and what it has merged according to its state.
package struct InstancePosition: Sendable, Equatable {
    /// Its name.
    package var name: String
    /// Whether it is this one.
    package var isOwn: Bool
    /// Its newest snapshot in the storage.
    package var newest: SnapshotName?
    /// The newest snapshots that it has merged, by instance; nil if it publishes none.
    package var applied: [String: SnapshotName]?

    /// See the properties of the same names.
    package init(name: String, isOwn: Bool, newest: SnapshotName?, applied: [String: SnapshotName]?) {
        self.name = name
        self.isOwn = isOwn
        self.newest = newest
        self.applied = applied
    }

    /// Whether it has a local change.
    ///
    /// - Parameters:
    ///   - source: the snapshot with the change, if known.
    ///   - time: the time of the change, in nanoseconds since the UNIX epoch.
    ///   - all: all instances.
    /// - Returns: nil if unknown.
    package func has(_ source: SnapshotName?, changedAt time: UInt64, among all: [InstancePosition]) -> Bool? {
        if isOwn { return true }
        // A later change is newer than the known snapshot.
        let source = source.flatMap { $0.timestamp >= time ? $0 : nil }
        if source?.instance == name { return true }
        guard let applied else { return nil }
        if let source, let merged = applied[source.instance], merged.timestamp >= source.timestamp { return true }
        // The writer of the change has sent a snapshot since: an instance that has merged all newest snapshots has it.
        let sentSince = all.filter { $0.name != name }.compactMap(\.newest).filter { $0.timestamp >= time }
        if sentSince.isEmpty { return false }
        if sentSince.allSatisfy({ (applied[$0.instance]?.timestamp ?? 0) >= $0.timestamp }) { return true }
        return source == nil ? nil : false
    }
}

extension Monitor {
    /// The positions of all instances with objects in the storage, for a database; never blocks for long.
    package func positions(of name: String) async -> [InstancePosition] {
        guard let database = databases.first(where: { $0.settings.name == name }) else { return [] }
        let states = await database.states.value()
        return await database.report().instances.map { instance in
            InstancePosition(
                name: instance.name, isOwn: instance.isOwn, newest: instance.newest.flatMap { SnapshotName($0.name) },
                applied: states[instance.name].map { state in
                    let merged = state.applied.keys.map { ($0, state.merged(of: $0, database: name)) }
                    return Dictionary(uniqueKeysWithValues: merged).compactMapValues(\.self)
                })
        }
    }
}

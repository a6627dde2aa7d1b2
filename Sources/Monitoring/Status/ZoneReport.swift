import Snapshots

extension StatusReport {
    /// The zones of PowerDNS's databases.
    package struct Zones: Codable, Sendable, Equatable {
        /// How many there are; nil when they are too many for a short look, or not open yet.
        package var count: Int?
        /// Those that changed last while the daemon ran, the newest change first.
        package var changed: [ChangedZone] = []

        /// None known.
        package init() {}
    }

    /// A zone that changed.
    package struct ChangedZone: Codable, Sendable, Equatable {
        /// Its name, with a dot at the end.
        package var name = ""
        /// The instant of the snapshot that brought the change.
        package var time = ""
        /// Who made that snapshot.
        package var instance = ""
        /// The database that it belongs to.
        package var database = ""

        /// A zone without a name.
        package init() {}
    }

    /// What there is to say of one zone: what `/zone?name=` answers.
    package struct Zone: Codable, Sendable, Equatable {
        /// Its name as it was asked for, or with a dot at the end where it is there.
        package var name = ""
        /// Why nothing is known of it; nil where it is there.
        package var problem: String?
        /// How PowerDNS serves it.
        package var kind: String?
        /// The SOA serial, nil without an SOA record.
        package var serial: UInt32?
        /// How many RRsets it has.
        package var rrsets: Int?
        /// Whether it has more than those.
        package var hasMoreRRsets: Bool?
        /// When anything in it was changed last.
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
        /// Nil where that can't be told, for example because it publishes no state.
        package var hasIt: Bool?

        /// An instance without a name.
        package init() {}
    }
}

/// What is known of one instance: what it has sent, and what it says that it has merged.
package struct InstancePosition: Sendable, Equatable {
    /// Its name.
    package var name: String
    /// Whether it is this one.
    package var isOwn: Bool
    /// Its newest snapshot in the storage.
    package var newest: SnapshotName?
    /// The newest snapshot that it has merged, by instance; nil where it publishes none.
    package var applied: [String: SnapshotName]?

    /// See the properties of the same names.
    package init(name: String, isOwn: Bool, newest: SnapshotName?, applied: [String: SnapshotName]?) {
        self.name = name
        self.isOwn = isOwn
        self.newest = newest
        self.applied = applied
    }

    /// Whether it has a change that is here.
    ///
    /// - Parameters:
    ///   - source: the snapshot that the change was in, where that is remembered.
    ///   - time: when the change was made, in nanoseconds since the UNIX epoch.
    ///   - all: everybody.
    /// - Returns: nil when that can't be told.
    package func has(_ source: SnapshotName?, changedAt time: UInt64, among all: [InstancePosition]) -> Bool? {
        if isOwn { return true }
        // A later change came after what is remembered.
        let source = source.flatMap { $0.timestamp >= time ? $0 : nil }
        if source?.instance == name { return true }
        guard let applied else { return nil }
        if let source, let merged = applied[source.instance], merged.timestamp >= source.timestamp { return true }
        // Whoever made the change has sent a snapshot since: who has merged the newest of all those has it.
        let sentSince = all.filter { $0.name != name }.compactMap(\.newest).filter { $0.timestamp >= time }
        if sentSince.isEmpty { return false }
        if sentSince.allSatisfy({ (applied[$0.instance]?.timestamp ?? 0) >= $0.timestamp }) { return true }
        return source == nil ? nil : false
    }
}

extension Monitor {
    /// Where each instance that has anything in the storage stands with a database; never blocks for long.
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

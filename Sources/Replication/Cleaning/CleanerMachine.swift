import BlobStorage
import Snapshots

/// The cleaner of one database as a pure state machine: listings and times go in, what can be removed comes out.
///
/// Any number of cleaners may work on the same storage, on whatever listings they have.
package struct CleanerMachine: Sendable {
    /// What the machine goes by.
    package struct Settings: Sendable {
        /// The database.
        package var database: String
        /// The time between two runs, before it is varied.
        package var interval: Duration
        /// How long every snapshot stays after it was first seen.
        package var mustKeepInterval: Duration
        /// Decides about single snapshots.
        package var rule: CleaningRule

        /// See the properties of the same names.
        package init(database: String, interval: Duration, mustKeepInterval: Duration, rule: CleaningRule) {
            self.database = database
            self.interval = interval
            self.mustKeepInterval = mustKeepInterval
            self.rule = rule
        }
    }

    /// An object that is to be removed.
    package struct Removal: Sendable, Equatable {
        /// The snapshot.
        package var name: SnapshotName
        /// Why.
        package var reason: CleaningReason
        /// The state object of the instance, when this is its last snapshot: it goes first, so that what fails is
        /// done again.
        package var stateObject: StateObjectName?

        /// What a verdict asks for; nil when the snapshot stays.
        init?(_ name: SnapshotName, _ verdict: CleaningVerdict) {
            guard case .remove(let reason) = verdict else { return nil }
            self.name = name
            self.reason = reason
            if reason == .staleInstance {
                stateObject = StateObjectName(database: name.database, instance: name.instance)
            }
        }

        /// Removes the objects. Those that are gone are no error.
        ///
        /// - Parameter unmarked: the storage, where changes wake up nobody.
        package func perform(in store: any BlobStore, unmarked: any BlobStore) async throws {
            if let stateObject { try await unmarked.delete(stateObject.description) }
            try await store.delete(name.description)
        }
    }

    private let settings: Settings
    /// When each snapshot in the last listing was first seen.
    private var firstSeen: [SnapshotName: Duration] = [:]
    /// The newest snapshot of each instance in the last listing.
    private var newest: [SnapshotHorizon.Group: SnapshotName] = [:]

    /// Nothing has been seen yet.
    package init(settings: Settings) { self.settings = settings }

    /// The pause before the next run: the interval, varied by up to a fifth so that cleaners don't work at the same time.
    ///
    /// - Parameter random: 0..<1.
    package func pause(random: Double) -> Duration { settings.interval * 4 / 5 + settings.interval * 2 / 5 * random }

    /// The storage was listed.
    ///
    /// - Parameters:
    ///   - catalog: what there is of the database.
    ///   - progress: what has been merged and sent here.
    ///   - now: since a fixed moment of the process.
    ///   - time: nanoseconds since the UNIX epoch.
    /// - Returns: what is to be removed, in this order: of each instance the newest last.
    package mutating func listed(
        _ catalog: Catalog, _ progress: SyncProgress, at now: Duration, time: UInt64
    ) -> [Removal] {
        let groups = CleaningRule.groups(in: catalog)
        let latest = groups.compactMapValues { $0.last?.name }
        defer { newest = latest }
        let names = groups.values.joined().map(\.name)
        firstSeen = Dictionary(names.map { ($0, firstSeen[$0] ?? now) }) { $1 }
        let candidates = firstSeen.map { name, seen in
            let group = catalog.horizon.group(name)
            return CleaningRule.Candidate(
                name: name, isRecent: now - seen < settings.mustKeepInterval,
                hasJustAppeared: latest[group] == name && newest[group] != name)
        }
        return settings.rule.verdicts(on: candidates, progress, at: time).compactMap { Removal($0, $1) }
    }
}

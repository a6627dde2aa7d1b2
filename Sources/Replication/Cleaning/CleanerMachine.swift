import BlobStorage
import Snapshots

/// The cleaner of one database as a pure state machine: takes listings and times, returns removals.
///
/// Any number of cleaners may work on the same storage, with different listings.
package struct CleanerMachine: Sendable {
    /// Configuration.
    package struct Settings: Sendable {
        /// The configured name of the database.
        package var database: String
        /// The time between two runs, before it is varied.
        package var interval: Duration
        /// How long a snapshot stays after it was first seen.
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

    /// An object to remove.
    package struct Removal: Sendable, Equatable {
        /// The snapshot.
        package var name: SnapshotName
        /// The reason.
        package var reason: CleaningReason
        /// The state object of the instance, if this is its last snapshot. It is removed first, so that a failure is
        /// retried.
        package var stateObject: StateObjectName?
        /// The deltas of the instance, if this is its last snapshot. They are removed before it, for the same reason.
        package var deltas: [SnapshotName] = []

        /// The removal for a verdict; nil if the snapshot stays.
        init?(_ name: SnapshotName, _ verdict: CleaningVerdict, in catalog: Catalog) {
            guard case .remove(let reason) = verdict else { return nil }
            self.name = name
            self.reason = reason
            if reason == .staleInstance {
                stateObject = StateObjectName(database: name.database, instance: name.instance)
                deltas = catalog.deltas.map(\.name).filter { $0.instance == name.instance }
            }
        }

        /// The removal of a delta that full snapshots have made superfluous.
        init(delta: SnapshotName) {
            name = delta
            reason = .newerSnapshot
        }

        /// The removal of everything of an instance that is gone and has no full snapshots.
        ///
        /// - Parameter last: its last delta.
        init(leftover last: SnapshotName, in catalog: Catalog) {
            name = last
            reason = .staleInstance
            stateObject = StateObjectName(database: last.database, instance: last.instance)
            deltas = catalog.deltas.map(\.name).filter { $0.instance == last.instance && $0 != last }
        }

        /// Removes the objects. Missing ones are no error.
        ///
        /// - Parameter unmarked: the storage without change notifications.
        package func perform(in store: any BlobStore, unmarked: any BlobStore) async throws {
            if let stateObject { try await unmarked.delete(stateObject.description) }
            for delta in deltas { try await store.delete(delta.description) }
            try await store.delete(name.description)
        }
    }

    private let settings: Settings
    /// When each snapshot in the last listing was first seen.
    private var firstSeen: [SnapshotName: Duration] = [:]
    /// The newest snapshot of each instance in the last listing.
    private var newest: [SnapshotHorizon.Group: SnapshotName] = [:]

    /// A cleaner that has not seen any listing.
    package init(settings: Settings) { self.settings = settings }

    /// The pause before the next run: the interval, varied by up to a fifth so that cleaners do not run at the same
    /// time.
    ///
    /// - Parameter random: 0..<1.
    package func pause(random: Double) -> Duration { settings.interval * 4 / 5 + settings.interval * 2 / 5 * random }

    /// Evaluates a listing of the storage.
    ///
    /// - Parameters:
    ///   - catalog: the objects of the database.
    ///   - progress: what is merged and sent here.
    ///   - now: the time since a fixed moment of the process.
    ///   - time: nanoseconds since the UNIX epoch.
    /// - Returns: the removals, in this order: the newest of each instance last.
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
        let verdicts = settings.rule.verdicts(on: candidates, progress, at: time)
        let deltas = settings.rule.removable(
            catalog.deltas, beside: verdicts,
            isSettled: { name in firstSeen[name].map { now - $0 >= CleaningRule.deltaGrace } ?? false }, at: time)
        let leftovers = settings.rule.leftovers(in: catalog, progress, at: time)
        return deltas.map { Removal(delta: $0) } + leftovers.map { Removal(leftover: $0, in: catalog) }
            + verdicts.compactMap { Removal($0, $1, in: catalog) }
    }
}

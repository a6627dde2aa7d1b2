import BlobStorage
import Snapshots

/// The plan of a single cleaner run over the objects of a database.
///
/// A single run has no memory: ages are those given by the storage, nothing counts as merged, and only snapshots read
/// in this run count as readable.
package struct PrunePlan: Sendable {
    /// What happens to an object.
    package enum Fate: Sendable, Equatable {
        /// A snapshot is removed or stays, with the reason.
        case snapshot(CleaningVerdict)
        /// The storage does not provide the age of the snapshot.
        case ofUnknownAge
        /// A delta. It is removed with the last snapshot of its instance, and when full snapshots have made it superfluous.
        case delta(goes: Bool)
        /// A state object. It is removed with the last snapshot of its instance, otherwise it stays.
        case state(goes: Bool)
        /// A snapshot that cleaners ignore: of an unknown kind, or with an unknown extra in its name.
        case ofUnknownKind
        /// Not an object of this program.
        case foreign
    }

    /// All objects, in the order of the listing.
    package private(set) var fates: [(blob: Blob, fate: Fate)] = []
    /// The removals, in this order.
    package private(set) var removals: [CleanerMachine.Removal] = []

    /// - Parameters:
    ///   - blobs: the objects with the name prefix of the database.
    ///   - reads: the results of reading snapshots.
    ///   - time: the storage's time, in nanoseconds since the UNIX epoch.
    package init(
        _ blobs: [Blob], _ settings: CleanerMachine.Settings, reads: SyncProgress = SyncProgress(), at time: UInt64
    ) {
        let catalog = Catalog(blobs, database: settings.database, now: time)
        let groups = CleaningRule.groups(in: catalog)
        let candidates = groups.values.flatMap { snapshots in
            snapshots.map { snapshot in
                let age = Self.age(of: snapshot, at: time)
                return CleaningRule.Candidate(
                    name: snapshot.name, isRecent: age < settings.mustKeepInterval,
                    // Newer than the last run of a cleaner.
                    hasJustAppeared: snapshot == snapshots.last && age < settings.interval)
            }
        }
        let verdicts = settings.rule.verdicts(on: candidates, reads, at: time)
        let ofName = Dictionary(verdicts.map { ($0.name.description, $0.verdict) }) { $1 }
        let ages = Dictionary(catalog.snapshots.map { ($0.name, Self.age(of: $0, at: time)) }) { $1 }
        let deltas = settings.rule.removable(
            catalog.deltas, beside: verdicts,
            isSettled: { ages[$0, default: .zero] >= CleaningRule.deltaGrace }, at: time)
        removals =
            deltas.map { .init(delta: $0) }
            + verdicts.compactMap { .init($0.name, $0.verdict, in: catalog) }
        let goingStates = Set(removals.compactMap(\.stateObject?.description))
        let goingDeltas = Set(deltas).union(removals.flatMap(\.deltas))
        fates = blobs.map { blob in
            if let verdict = ofName[blob.name] {
                // Snapshots of unknown age count as recent.
                return (blob, blob.modified == nil && verdict == .keep(.recent) ? .ofUnknownAge : .snapshot(verdict))
            }
            switch ObjectName(blob.name, database: settings.database) {
            case .state: return (blob, .state(goes: goingStates.contains(blob.name)))
            case .delta(let name): return (blob, .delta(goes: goingDeltas.contains(name)))
            case .full, .unknownKind: return (blob, .ofUnknownKind)
            case .foreign: return (blob, .foreign)
            }
        }
    }

    /// How long a snapshot has been in the storage; zero if unknown.
    private static func age(of snapshot: Catalog.Snapshot, at time: UInt64) -> Duration {
        snapshot.modified.map { .nanoseconds(Int64(clamping: time.elapsed(since: $0))) } ?? .zero
    }

    /// The snapshots that have to be read, by instance, newest first: only instances with older snapshots matter.
    package static func toBeRead(_ blobs: [Blob], of database: String, at time: UInt64) -> [[Catalog.Snapshot]] {
        let groups = CleaningRule.groups(in: Catalog(blobs, database: database, now: time))
        return groups.filter { !$0.key.isFarAhead && $0.value.count > 1 }
            .sorted { $0.key.instance < $1.key.instance }.map { $0.value.reversed() }
    }
}

import BlobStorage
import Snapshots

/// What a cleaner that runs only once does with the objects of a database.
///
/// It remembers nothing, so what counts is when the storage says that an object was stored; nothing counts as merged, and as
/// readable only what has been read in this run.
package struct PrunePlan: Sendable {
    /// What becomes of an object.
    package enum Fate: Sendable, Equatable {
        /// A snapshot goes or stays, and why.
        case snapshot(CleaningVerdict)
        /// The storage does not say when the snapshot was stored.
        case ofUnknownAge
        /// A state object that stays, or goes with the last snapshot of its instance.
        case state(goes: Bool)
        /// A snapshot that a cleaner leaves alone: of a kind, or with an extra in its name, that this release does not know.
        case ofUnknownKind
        /// Nothing that a cleaner has to do with.
        case foreign
    }

    /// All objects, in the order of the listing.
    package private(set) var fates: [(blob: Blob, fate: Fate)] = []
    /// What is to be removed, in this order.
    package private(set) var removals: [CleanerMachine.Removal] = []

    /// - Parameters:
    ///   - blobs: the objects whose names begin like those of the database's snapshots.
    ///   - reads: what reading snapshots has shown.
    ///   - time: the storage's time, in nanoseconds since the UNIX epoch.
    package init(
        _ blobs: [Blob], _ settings: CleanerMachine.Settings, reads: SyncProgress = SyncProgress(), at time: UInt64
    ) {
        let catalog = Catalog(blobs, database: settings.database, now: time)
        let groups = CleaningRule.groups(in: catalog)
        let candidates = groups.values.flatMap { snapshots in
            snapshots.map { snapshot in
                let age =
                    snapshot.modified.map { Duration.nanoseconds(Int64(clamping: time.elapsed(since: $0))) } ?? .zero
                return CleaningRule.Candidate(
                    name: snapshot.name, isRecent: age < settings.mustKeepInterval,
                    // Newer than what the last run of a cleaner has seen.
                    hasJustAppeared: snapshot == snapshots.last && age < settings.interval)
            }
        }
        let verdicts = settings.rule.verdicts(on: candidates, reads, at: time)
        let ofName = Dictionary(verdicts.map { ($0.name.description, $0.verdict) }) { $1 }
        removals = verdicts.compactMap { .init($0.name, $0.verdict) }
        let goingStates = Set(removals.compactMap(\.stateObject?.description))
        fates = blobs.map { blob in
            if let verdict = ofName[blob.name] {
                // Without a time everything counts as recent.
                return (blob, blob.modified == nil && verdict == .keep(.recent) ? .ofUnknownAge : .snapshot(verdict))
            }
            switch ObjectName(blob.name, database: settings.database) {
            case .state: return (blob, .state(goes: goingStates.contains(blob.name)))
            case .full, .unknownKind: return (blob, .ofUnknownKind)
            case .foreign: return (blob, .foreign)
            }
        }
    }

    /// The snapshots of which it matters whether they can be read, by the instance: those with older ones, newest first.
    package static func toBeRead(_ blobs: [Blob], of database: String, at time: UInt64) -> [[Catalog.Snapshot]] {
        let groups = CleaningRule.groups(in: Catalog(blobs, database: database, now: time))
        return groups.filter { !$0.key.isFarAhead && $0.value.count > 1 }
            .sorted { $0.key.instance < $1.key.instance }.map { $0.value.reversed() }
    }
}

import Logging
import Snapshots

/// The loop of the cleaner: lists periodically, and removes what ``CleanerMachine`` returns, one object after another.
package struct CleaningLoop: Sendable {
    private enum Phase {
        /// Becomes ``listing`` at that time.
        case waiting(until: Duration)
        /// Becomes ``removing(_:)``, or ``waiting(until:)`` on failure.
        case listing
        /// The remaining removals. Becomes ``tidying`` after the last one.
        case removing([CleanerMachine.Removal])
        /// Becomes ``waiting(until:)``.
        case tidying
    }

    /// Younger temporary files may still be in use.
    package static let leftoverAge = Duration.seconds(3600)

    private let database: String
    private let random: @Sendable () -> Double
    private var machine: CleanerMachine
    private var phase: Phase

    /// - Parameters:
    ///   - random: returns a new random number of 0..<1 with each call.
    ///   - now: when the loop begins.
    init(settings: CleanerMachine.Settings, random: @escaping @Sendable () -> Double, at now: Duration) {
        machine = CleanerMachine(settings: settings)
        self.random = random
        database = settings.database
        phase = .waiting(until: now + machine.pause(random: random()))
    }

    /// When the next run begins; nil during a run.
    var due: Duration? {
        guard case .waiting(let time) = phase else { return nil }
        return time
    }

    /// Handles an event. Events of others only serve as a clock.
    ///
    /// - Parameter progress: what is merged and sent here.
    /// - Returns: what to do, in this order.
    mutating func handle(
        _ event: SyncCore.Event, _ progress: SyncProgress, at now: Duration
    ) -> [SyncCore.Effect] {
        var effects = take(event, progress, at: now)
        if let due, due <= now {
            phase = .listing
            effects.append(.listForCleaner)
        }
        return effects
    }

    private mutating func take(
        _ event: SyncCore.Event, _ progress: SyncProgress, at now: Duration
    ) -> [SyncCore.Effect] {
        switch event {
        case .listedForCleaner(let listing):
            // A server's time that is far ahead must not make snapshots look old.
            let time = min(storageTime(listing.ended, offset: listing.clockOffset), listing.ended)
            let catalog = Catalog(listing.blobs, database: database, now: time)
            phase = .removing(machine.listed(catalog, progress, at: now, time: time))
            return [.observe(.cleanerListed), next()]
        case .cleanerListingFailed(let text):
            wait(at: now)
            return [
                .log(.warning, "cannot list the snapshots to clean up", ["error": "\(text)"]),
                .observe(.cleanerListFailed(text)),
            ]
        case .removed(let removal):
            return [
                .log(.info, "removed an old snapshot", Self.metadata(of: removal)),
                .observe(.cleanerDeleted(removal.name, removal.reason)), next(),
            ]
        case .removalFailed(let removal, let text):
            let metadata = Self.metadata(of: removal).merging(["error": "\(text)"]) { $1 }
            return [
                .log(.warning, "cannot remove an old snapshot; will retry with the next run", metadata),
                .observe(.cleanerDeleteFailed(removal.name, text)), next(),
            ]
        case .removedLeftovers(let count):
            wait(at: now)
            guard count > 0 else { return [] }
            return [
                .log(
                    .info, "removed temporary files of interrupted writers",
                    ["files": .stringConvertible(count)])
            ]
        case .leftoversFailed(let text):
            wait(at: now)
            return [.log(.warning, "cannot remove old temporary files", ["error": "\(text)"])]
        case .tick, .shutDown, .hint, .feed, .observed, .lost, .freedReaders, .listed, .listingFailed, .foundRecord,
            .recordNotRead, .measuredMap, .downloaded, .downloadFailed, .compared, .merged, .mergeFailed, .captured,
            .captureFailed, .widened, .wideningFailed, .proved, .notProved, .scanned, .foundNothing, .scanFailed,
            .stored, .storeFailed, .swept, .sweepFailed,
            .recorded, .recordFailed, .recordedPositions, .positionsNotRecorded:
            return []
        }
    }

    private mutating func next() -> SyncCore.Effect {
        guard case .removing(var removals) = phase, !removals.isEmpty else {
            phase = .tidying
            return .removeLeftovers
        }
        let removal = removals.removeFirst()
        phase = .removing(removals)
        return .remove(removal)
    }

    private mutating func wait(at now: Duration) { phase = .waiting(until: now + machine.pause(random: random())) }

    private static func metadata(of removal: CleanerMachine.Removal) -> Logger.Metadata {
        [
            "snapshot_instance": "\(removal.name.instance)", "snapshot_name": "\(removal.name)",
            "reason": "\(removal.reason.rawValue)",
        ]
    }
}

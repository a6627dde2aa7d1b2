import LMDB
import Snapshots

/// The snapshots that did not fit the map. They are not retried before it may help.
struct UnfitSnapshots: Sendable {
    private struct Attempt {
        var mapSize: Int
        /// When to retry with the same map; nil if the snapshot cannot fit even into an empty map.
        var until: Duration?
    }

    /// How long to wait for room in a full map.
    static let patience = Duration.seconds(60)

    private var attempts: [SnapshotName: Attempt] = [:]

    /// Records why a snapshot could not be merged, with a map of this size.
    mutating func failed(_ name: SnapshotName, _ error: any Error, mapSize: Int, at now: Duration) {
        if error is MapIsTooSmall || (error as? SnapshotError)?.kind == .tooLarge {
            attempts[name] = Attempt(mapSize: mapSize, until: nil)
        } else if (error as? LMDBError)?.code == .mapFull {
            attempts[name] = Attempt(mapSize: mapSize, until: now + Self.patience)
        } else {
            attempts[name] = nil
        }
    }

    /// Whether a retry would be futile, with a map of this size.
    func holds(_ name: SnapshotName, mapSize: Int, at now: Duration) -> Bool {
        guard let attempt = attempts[name], mapSize <= attempt.mapSize else { return false }
        return attempt.until.map { now < $0 } ?? true
    }

    /// Whether a snapshot is known.
    func knows(_ name: SnapshotName) -> Bool { attempts[name] != nil }

    /// Forgets the snapshots that are gone from the storage.
    mutating func listed(_ names: @autoclosure () -> [SnapshotName]) {
        guard !attempts.isEmpty else { return }
        let listed = Set(names())
        attempts = attempts.filter { listed.contains($0.key) }
    }
}

import LMDB
import Snapshots

/// The snapshots that the map could not hold: what was done for one in vain is not done again before it may help.
struct UnfitSnapshots: Sendable {
    private struct Attempt {
        var mapSize: Int
        /// When it may be tried again with the same map; nil for what can't fit into it whatever is removed.
        var until: Duration?
    }

    /// How long a snapshot waits that something may be removed from the full map for.
    static let patience = Duration.seconds(60)

    private var attempts: [SnapshotName: Attempt] = [:]

    /// Takes in why a snapshot could not be merged, with a map of this size.
    mutating func failed(_ name: SnapshotName, _ error: any Error, mapSize: Int, at now: Duration) {
        if error is MapIsTooSmall || (error as? SnapshotError)?.kind == .tooLarge {
            attempts[name] = Attempt(mapSize: mapSize, until: nil)
        } else if (error as? LMDBError)?.code == .mapFull {
            attempts[name] = Attempt(mapSize: mapSize, until: now + Self.patience)
        } else {
            attempts[name] = nil
        }
    }

    /// Whether there is no point in trying a snapshot now, with a map of this size.
    func holds(_ name: SnapshotName, mapSize: Int, at now: Duration) -> Bool {
        guard let attempt = attempts[name], mapSize <= attempt.mapSize else { return false }
        return attempt.until.map { now < $0 } ?? true
    }

    /// Whether something is known of a snapshot.
    func knows(_ name: SnapshotName) -> Bool { attempts[name] != nil }

    /// Forgets what has gone from the storage.
    mutating func listed(_ names: [SnapshotName]) {
        guard !attempts.isEmpty else { return }
        let listed = Set(names)
        attempts = attempts.filter { listed.contains($0.key) }
    }
}

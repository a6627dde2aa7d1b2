import Snapshots

/// A database must be rebuilt before it may send.
package struct DatabaseIsStale: Error, CustomStringConvertible {
    /// One line: time, reason and remedy.
    package var description: String
}

extension StaleFence.Reason {
    /// One line: time, reason and remedy.
    func text(database: String) -> String {
        let cure = "nothing is sent until it has been rebuilt: lightningstream resync --only-db \(database)"
        switch self {
        case .absent(let since, let other):
            return "not in sync since \(SnapshotTimestamp.text(since)), while instance \(other.instance) was up to "
                + "\(SnapshotTimestamp.text(other.timestamp)): entries that were deleted meanwhile may still be here; "
                + cure
        case .recordAhead(let now, let record):
            return "last in sync at \(SnapshotTimestamp.text(record)) by what is recorded, but it is "
                + "\(SnapshotTimestamp.text(now)) now: one of the two clocks was wrong, so entries that were deleted "
                + "elsewhere may still be here; set the clock right, or \(cure)"
        }
    }
}

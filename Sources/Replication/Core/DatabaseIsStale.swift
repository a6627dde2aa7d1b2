import Snapshots

/// A database must be rebuilt before it may send.
package struct DatabaseIsStale: Error, CustomStringConvertible {
    /// One line: time, reason and remedy.
    package var description: String
}

extension RejoinFence.Reason {
    /// One line: time, reason and consequence.
    var text: String {
        let consequence = "sending is blocked until the database is rebuilt"
        switch self {
        case .absent(let since, let other):
            return "not in sync since \(SnapshotTimestamp.text(since)), while instance \(other.instance) was until "
                + "\(SnapshotTimestamp.text(other.timestamp)): entries deleted since may still be here; "
                + consequence
        case .recordAhead(let now, let record):
            return "the recorded time of the last sync, \(SnapshotTimestamp.text(record)), is later than now, "
                + "\(SnapshotTimestamp.text(now)): one of the two clocks was wrong, so entries deleted on other instances "
                + "may still be here; correct the clock if it is wrong now; \(consequence)"
        }
    }
}

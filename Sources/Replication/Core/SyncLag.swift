import Snapshots

/// The database is no longer in sync because the snapshots of some instances cannot be loaded. If that lasts, sending
/// will be blocked.
///
/// Sending continues until then: see docs/deletions.md.
package struct SyncLag: Sendable, Equatable {
    /// The instances whose newest snapshots cannot be loaded, sorted.
    package var failing: [String]
    /// When the database was last in sync, in nanoseconds since the UNIX epoch.
    package var since: UInt64
    /// When sending is blocked if other instances are running.
    package var fencedFrom: UInt64

    /// One line: time, cause and consequence.
    ///
    /// - Parameter errors: the last error of loading, by instance.
    func text(errors: [String: String]) -> String {
        let first = failing.first ?? ""
        let more = failing.count > 1 ? " (and of \(failing.count - 1) more)" : ""
        let error = errors[first].map { ": \($0)" } ?? ""
        return "not in sync since \(SnapshotTimestamp.text(since)), and sending will be blocked from "
            + "\(SnapshotTimestamp.text(fencedFrom)) on if that lasts and other instances are running: the newest snapshot of "
            + "\(first)\(more) cannot be loaded\(error)"
    }
}

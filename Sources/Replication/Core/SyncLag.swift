import Snapshots

/// Loading fails for so many instances that the database is not in sync any more: if that lasts, the fence comes up.
///
/// Sending goes on until then: see docs/deletions.md.
package struct SyncLag: Sendable, Equatable {
    /// The instances whose newest snapshots can't be loaded, by name.
    package var failing: [String]
    /// When the database was last in sync, in nanoseconds since the UNIX epoch.
    package var since: UInt64
    /// From then on nothing is sent if another instance is seen to be alive.
    package var fencedFrom: UInt64

    /// One line: since when, why, and what follows.
    ///
    /// - Parameter errors: the last error of loading, by instance.
    func text(errors: [String: String]) -> String {
        let first = failing.first ?? ""
        let more = failing.count > 1 ? " (and of \(failing.count - 1) more)" : ""
        let error = errors[first].map { ": \($0)" } ?? ""
        return "not in sync since \(SnapshotTimestamp.text(since)), and nothing will be sent from "
            + "\(SnapshotTimestamp.text(fencedFrom)) on if that lasts and other instances run then: the newest snapshot of "
            + "\(first)\(more) can't be loaded\(error)"
    }
}

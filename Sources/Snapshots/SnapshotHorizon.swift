/// Distinguishes plausible times in snapshot names from those in the far future.
///
/// A snapshot in the far future must not hide the later ones of its instance, so it is treated separately: it is merged
/// and kept, but does not count as the newest one of its instance.
package struct SnapshotHorizon: Sendable {
    /// The start of the far future: ten years from now, in nanoseconds.
    private static let distance: UInt64 = 3652 * 86_400 * 1_000_000_000

    /// Snapshots of an instance that supersede each other.
    package struct Group: Hashable, Sendable {
        /// The instance's name.
        package var instance: String
        /// Whether they are in the far future.
        package var isFarAhead: Bool

        /// See the properties of the same names.
        package init(instance: String, isFarAhead: Bool) {
            self.instance = instance
            self.isFarAhead = isFarAhead
        }
    }

    private let latest: UInt64

    /// - Parameter now: nanoseconds since the UNIX epoch.
    package init(now: UInt64) {
        let (sum, overflows) = now.addingReportingOverflow(Self.distance)
        latest = overflows ? .max : sum
    }

    /// Whether a snapshot is in the far future.
    package func isFarAhead(_ name: SnapshotName) -> Bool { name.timestamp > latest }

    /// Whether `name` is newer than `other` of the same instance; one in the far future is older than any other.
    package func supersedes(_ name: SnapshotName, _ other: SnapshotName) -> Bool {
        isFarAhead(name) == isFarAhead(other) ? name > other : isFarAhead(other)
    }

    /// The group of a snapshot.
    package func group(_ name: SnapshotName) -> Group {
        Group(instance: name.instance, isFarAhead: isFarAhead(name))
    }
}

extension UInt64 {
    /// The age of another time in nanoseconds; 0 for a future time.
    package func elapsed(since time: UInt64) -> UInt64 { self > time ? self - time : 0 }

    /// The next timestamp; the maximum stays the same.
    package var nextTimestamp: UInt64 { self == .max ? self : self + 1 }
}

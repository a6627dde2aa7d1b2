/// Tells the names of snapshots that a clock may have made from those that lie in the far future.
///
/// A snapshot in the far future must not hide the later ones of its instance, so it stands apart from them: it is merged,
/// and kept, but is not the newest one of its instance.
package struct SnapshotHorizon: Sendable {
    /// Where the far future begins: ten years from now, in nanoseconds.
    private static let distance: UInt64 = 3652 * 86_400 * 1_000_000_000

    /// The snapshots of an instance that follow each other.
    package struct Group: Hashable, Sendable {
        /// The instance's name.
        package var instance: String
        /// Whether they lie in the far future.
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

    /// Whether a snapshot lies in the far future.
    package func isFarAhead(_ name: SnapshotName) -> Bool { name.timestamp > latest }

    /// Whether `name` is newer than `other` of the same instance; one in the far future is older than any that is not.
    package func supersedes(_ name: SnapshotName, _ other: SnapshotName) -> Bool {
        isFarAhead(name) == isFarAhead(other) ? name > other : isFarAhead(other)
    }

    /// Which snapshots it follows.
    package func group(_ name: SnapshotName) -> Group {
        Group(instance: name.instance, isFarAhead: isFarAhead(name))
    }
}

extension UInt64 {
    /// How long ago another time was, in nanoseconds; 0 for one that is still to come.
    package func elapsed(since time: UInt64) -> UInt64 { self > time ? self - time : 0 }

    /// The next timestamp; none comes after the last one.
    package var nextTimestamp: UInt64 { self == .max ? self : self + 1 }
}

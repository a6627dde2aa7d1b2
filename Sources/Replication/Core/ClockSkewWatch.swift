import Snapshots

/// Measures how far the clocks of other instances are ahead. A snapshot cannot be younger than the listing that
/// contains it, so a later timestamp shows that its sender's clock is wrong.
struct ClockSkewWatch {
    /// The result for a new snapshot.
    struct Finding: Equatable {
        var name: SnapshotName
        /// Zero if the clock is not ahead.
        var ahead: Duration
        var exceeds: Bool
    }

    private let tolerance: Duration
    /// The newest snapshot of each instance in the last listing.
    private var newest: [String: SnapshotName] = [:]

    init(tolerance: Duration) { self.tolerance = tolerance }

    /// Checks a listing of the storage.
    ///
    /// - Parameters:
    ///   - names: all snapshots of other instances.
    ///   - now: the storage's time in nanoseconds since the UNIX epoch, at the end of the listing.
    ///   - precision: a smaller difference counts as none.
    /// - Returns: a finding for each instance with a new snapshot.
    mutating func listed(
        _ names: [SnapshotName], at now: UInt64, precision: Duration = .zero
    ) -> [Finding] {
        var latest: [String: SnapshotName] = [:]
        // Names in the far future do not come from a clock.
        let horizon = SnapshotHorizon(now: now)
        for name in names where !horizon.isFarAhead(name) && latest[name.instance].map({ $0 < name }) ?? true {
            latest[name.instance] = name
        }
        defer { newest = latest }
        return latest.values.filter { newest[$0.instance] != $0 }.sorted().map { name in
            let seen = Duration.nanoseconds(Int64(clamping: name.timestamp.elapsed(since: now)))
            let ahead = seen > precision ? seen : .zero
            return Finding(name: name, ahead: ahead, exceeds: ahead > tolerance)
        }
    }
}

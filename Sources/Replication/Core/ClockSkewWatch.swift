import Snapshots

/// Measures how far the clocks of other instances are ahead: a snapshot can't be younger than the listing that shows
/// it, so one that claims to be comes from a clock that is wrong.
struct ClockSkewWatch {
    /// What a snapshot that appeared shows.
    struct Finding: Equatable {
        var name: SnapshotName
        /// Zero when the clock is not ahead.
        var ahead: Duration
        var exceeds: Bool
    }

    private let tolerance: Duration
    /// The newest snapshot of each instance that was looked at.
    private var newest: [String: SnapshotName] = [:]

    init(tolerance: Duration) { self.tolerance = tolerance }

    /// The storage was listed.
    ///
    /// - Parameters:
    ///   - names: all snapshots of others.
    ///   - now: the storage's time in nanoseconds since the UNIX epoch, at the end of the listing.
    ///   - precision: a clock that is ahead by no more than that is as good as right.
    /// - Returns: a finding for each instance with a new snapshot.
    mutating func listed(
        _ names: [SnapshotName], at now: UInt64, precision: Duration = .zero
    ) -> [Finding] {
        var latest: [String: SnapshotName] = [:]
        // A name in the far future is no clock's.
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

import Snapshots

/// Finds the snapshot of the other LMDB of a PowerDNS database that goes with a given one; pure.
package enum SnapshotPartner {
    /// How much newer than the given one it may be: a change that touches both LMDBs is sent by two syncers, each in
    /// its own time.
    package static let tolerance: UInt64 = 5_000_000_000

    /// The snapshots of the same instance that tell what its other LMDBs held at the time of `given`: of each other
    /// database the newest one not later than ``tolerance`` after it, or where the older ones have been cleaned up the
    /// first one after that.
    ///
    /// - Returns: sorted by the name of the database.
    package static func candidates(for given: SnapshotName, among names: some Sequence<SnapshotName>) -> [SnapshotName]
    {
        let (limit, overflow) = given.timestamp.addingReportingOverflow(tolerance)
        var best: [String: SnapshotName] = [:]
        for name in names
        where name.isFullSnapshot && name.instance == given.instance && name.database != given.database {
            guard let present = best[name.database] else {
                best[name.database] = name
                continue
            }
            let isInTime = overflow || name.timestamp <= limit
            let presentIsInTime = overflow || present.timestamp <= limit
            let isBetter =
                switch (isInTime, presentIsInTime) {
                case (true, true): name > present
                case (false, false): name < present
                case (let better, _): better
                }
            if isBetter { best[name.database] = name }
        }
        return best.values.sorted()
    }
}

import Snapshots

/// Finds the matching snapshot of a PowerDNS database's other LMDB; pure.
package enum SnapshotPartner {
    /// How much newer than the given snapshot it may be: two syncers send a change of both LMDBs
    /// independently.
    package static let tolerance: UInt64 = 5_000_000_000

    /// The snapshots of the same instance with the contents of its other LMDBs at the time of `given`: of each other
    /// database the newest one not later than ``tolerance`` after it, or, if the older ones have been removed, the
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

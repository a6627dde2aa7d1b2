import Snapshots

/// Keeps a database that has been away for long from bringing back what was deleted meanwhile.
///
/// Deletions are forgotten after the retention time. A database that has not seen one until then still has the entry,
/// and nobody could tell any more that it is old news. So a database remembers when it was last in sync, and sends
/// nothing after an absence that was too long; and snapshots from before such an absence are not loaded.
/// docs/deletions.md has the reasons for the limits.
///
/// A pure state machine. Points in time are nanoseconds since the UNIX epoch by the storage's clock, where it has one;
/// durations are counted from a fixed moment of the process.
package struct StaleFence {
    /// What the retention allows.
    ///
    /// Twice the absence, the age of a snapshot that is still loaded and the interval of forced snapshots must all
    /// together stay below the retention, with something to spare for clocks: see docs/deletions.md.
    package struct Limits: Sendable {
        /// How long a database may be out of sync: two fifths of the retention.
        package var absence: Duration
        /// How much older than the newest one a snapshot may be to be loaded: nine twentieths.
        package var snapshotAge: Duration
        /// What counts as just now: a twentieth. Snapshots are stored at least as often.
        package var recent: Duration
        /// How old a record gets before a newer one is written.
        package var recordAge: Duration
        /// How far in the future a record may be.
        package var skew: Duration

        /// - Parameter retention: how long Deleted entries are kept.
        package init(retention: Duration) {
            absence = retention * 2 / 5
            snapshotAge = retention * 9 / 20
            recent = retention / 20
            recordAge = max(.seconds(1), min(.seconds(86_400), retention / 100))
            skew = min(.seconds(86_400), retention / 4)
        }
    }

    /// Why nothing may be sent.
    package enum Reason: Sendable, Equatable {
        /// Not in sync since that time, while another instance was.
        case absent(since: UInt64, other: SnapshotName)
        /// The record says that the last sync was later than now, so it says nothing.
        case recordAhead(of: UInt64, record: UInt64)
    }

    private struct Listing {
        var began: UInt64
        var at: Duration
    }

    /// What the retention allows.
    package let limits: Limits
    private let own: String
    private let pollInterval: Duration
    /// When this database was last in sync, as the LMDB remembers it; nil when it does not.
    private var recorded: UInt64?
    /// When it was last in sync, as far as is known.
    package private(set) var lastSync: UInt64?
    /// Why nothing may be sent; nil when something may.
    package private(set) var reason: Reason?
    /// Whether everything has to be merged once before anything is sent.
    private var mustCatchUp = false
    /// The last listing.
    private var listing: Listing?
    /// Whether what it showed is known to be incomplete.
    private var isIncomplete = false
    /// When everything was merged last.
    private var settledAt: Duration?
    /// Snapshots of the first listing that were merged long ago, or hold nothing that was not.
    private var passed: Set<SnapshotName> = []
    /// The snapshots in the last listing that are too old to be loaded.
    package private(set) var outdated: Set<SnapshotName> = []
    /// The instances, other than our own, of which there are only such.
    package private(set) var outdatedInstances: Set<String> = []
    private var retryAt: Duration?

    /// - Parameters:
    ///   - own: this instance's name.
    ///   - retention: how long Deleted entries are kept.
    ///   - pollInterval: how often the storage is listed.
    ///   - lastSync: when this database was last in sync, as its LMDB remembers it; nil when it does not.
    package init(own: String, retention: Duration, pollInterval: Duration, lastSync: UInt64?) {
        limits = Limits(retention: retention)
        self.own = own
        self.pollInterval = pollInterval
        recorded = lastSync
        self.lastSync = lastSync
    }

    // MARK: What happened

    /// The storage was listed.
    ///
    /// - Parameters:
    ///   - names: all full snapshots of the database.
    ///   - began: when the listing began.
    /// - Returns: those of them that may be loaded.
    package mutating func listed(_ names: [SnapshotName], began: UInt64, at now: Duration) -> [SnapshotName] {
        let isFirst = listing == nil
        listing = Listing(began: began, at: now)
        isIncomplete = false
        if isAhead(began), let settledAt, now - settledAt <= limits.recent {
            // The clock was wrong: we were in sync just now, whatever time that was.
            lastSync = began
        }
        let latest = max(began, lastSync ?? 0)
        // A clock that is ahead must not make everybody else look old.
        let newest = names.max { $0.timestamp < $1.timestamp }.map { min($0.timestamp, latest) }
        let other = names.filter { $0.instance != own }.max { $0.timestamp < $1.timestamp }
        if isFirst, let lastSync, !isAhead(began) {
            // All that was there at that time is merged; an upload or a clock may be late, but not by so much.
            passed = Set(names.filter { Self.lies($0.timestamp, before: lastSync, by: limits.recent) })
        }
        outdated = Set(names.filter { Self.lies($0.timestamp, before: newest ?? 0, by: limits.snapshotAge) })
        outdated.formUnion(passed.intersection(names))
        outdatedInstances = Set(outdated.map(\.instance)).subtracting([own])
            .subtracting(names.filter { !outdated.contains($0) }.map(\.instance))
        reason = nil
        if isAhead(began), let lastSync {
            reason = .recordAhead(of: began, record: lastSync)
        } else if let lastSync, let other,
            Self.lies(lastSync, before: min(other.timestamp, latest), by: limits.absence)
        {
            reason = .absent(since: lastSync, other: other)
        }
        if lastSync.map({ Self.lies($0, before: began, by: limits.recent) }) ?? true { mustCatchUp = true }
        return names.filter { !outdated.contains($0) }
    }

    /// A snapshot of the last listing has gone: there is a newer one that it did not show.
    package mutating func vanished() { isIncomplete = true }

    /// Everything in the last listing that may be loaded is merged.
    ///
    /// - Parameter unsentSince: since when there are local changes that are not stored; nil when there are none.
    package mutating func settled(unsentSince: Duration?, at now: Duration) {
        guard let listing, !isIncomplete else { return }
        mustCatchUp = false
        guard reason == nil else { return }
        settledAt = now
        var time = listing.began
        if let unsentSince, unsentSince < listing.at {
            let age = (listing.at - unsentSince) / .nanoseconds(1)
            time = age < Double(time) ? time - UInt64(age) : 0
        }
        lastSync = max(lastSync ?? 0, time)
    }

    /// The LMDB remembers this, or nothing: somebody may have rebuilt the database.
    package mutating func found(record: UInt64?) {
        guard record != recorded else { return }
        recorded = record
        lastSync = record
    }

    /// The LMDB remembers this from now on.
    package mutating func recorded(_ time: UInt64) { recorded = time }

    /// It could not be written.
    package mutating func recordFailed(retryAt time: Duration) { retryAt = time }

    // MARK: What may be done

    /// Whether anything may be sent.
    package func maySend(at now: Duration) -> Bool {
        guard reason == nil, !mustCatchUp, let listing else { return false }
        // After a break in the connection the storage is listed first.
        return now - listing.at <= limits.recent + pollInterval * 2
    }

    /// What the LMDB should remember, nil while what it does remember will do.
    package func recordDue(at now: Duration) -> UInt64? {
        guard reason == nil, let lastSync, lastSync != recorded else { return nil }
        if let retryAt, now < retryAt { return nil }
        guard let recorded, lastSync > recorded else { return lastSync }
        return Self.lies(recorded, before: lastSync, by: limits.recordAge) ? lastSync : nil
    }

    private func isAhead(_ now: UInt64) -> Bool {
        lastSync.map { Self.lies(now, before: $0, by: limits.skew) } ?? false
    }

    /// Whether a time lies before another one by more than a duration.
    static func lies(_ time: UInt64, before other: UInt64, by duration: Duration) -> Bool {
        other > time && Double(other - time) > duration / .nanoseconds(1)
    }
}

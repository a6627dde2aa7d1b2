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
        /// After this long a snapshot that can't be loaded does not hold up sending any more: a minute.
        package var patience: Duration
        /// How old a record gets before a newer one is written.
        package var recordAge: Duration
        /// How far in the future a record may be.
        package var skew: Duration

        /// - Parameter retention: how long Deleted entries are kept.
        package init(retention: Duration) {
            absence = retention * 2 / 5
            snapshotAge = retention * 9 / 20
            recent = retention / 20
            patience = min(.seconds(60), retention / 100)
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
    /// What the LMDB remembers.
    private var recorded: SyncRecord
    /// When it was last in sync, as far as is known.
    package private(set) var lastSync: UInt64?
    /// Why nothing may be sent; nil when something may.
    package private(set) var reason: Reason?
    /// Whether everything has to be merged once before anything is sent.
    package private(set) var mustCatchUp = false
    /// Whether everything has been merged since the start, or since the last absence.
    private var isLoaded = false
    /// When everything was merged last, except what can't be loaded.
    private var caughtUp: UInt64?
    /// The latest time that may be recorded: a server's word counts no further than our own clock goes.
    private var ceiling = UInt64.max
    /// How long nothing is swept after an absence.
    private let sweepWait: Duration
    /// Whether there was an absence, and everything has not been merged since.
    private var owesSweepWait = false
    /// Until when nothing is swept: since a fixed moment of the process, and as it is recorded.
    private var sweepHold = Duration.zero
    private var sweepAfter: UInt64?
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
    ///   - firstInterval: the time before the first run of the sweeper.
    ///   - record: what the LMDB of this database remembers.
    package init(
        own: String, retention: Duration, pollInterval: Duration, firstInterval: Duration = .zero, record: SyncRecord
    ) {
        limits = Limits(retention: retention)
        self.own = own
        self.pollInterval = pollInterval
        sweepWait = limits.recent + firstInterval
        recorded = record
        lastSync = record.lastSync
        caughtUp = record.lastSync
        sweepAfter = record.sweepAfter
    }

    // MARK: What happened

    /// The storage was listed.
    ///
    /// - Parameters:
    ///   - names: all full snapshots of the database.
    ///   - began: when the listing began.
    ///   - ceiling: the latest time that may be recorded, by our own clock.
    /// - Returns: those of them that may be loaded.
    package mutating func listed(
        _ names: [SnapshotName], began: UInt64, ceiling: UInt64 = .max, at now: Duration
    ) -> [SnapshotName] {
        let isFirst = listing == nil
        self.ceiling = ceiling
        listing = Listing(began: began, at: now)
        isIncomplete = false
        if isAhead(began), let settledAt, now - settledAt <= limits.recent {
            // The clock was wrong: we were in sync just now, whatever time that was.
            lastSync = began
            caughtUp = began
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
        noteAbsence(began, hasOthers: other != nil, isFirst: isFirst, at: now)
        return names.filter { !outdated.contains($0) }
    }

    /// What an absence means for deletions: they are kept until everything has been merged, and for some time after
    /// that, because hosts that come back together may have some that nobody else has seen yet.
    private mutating func noteAbsence(_ began: UInt64, hasOthers: Bool, isFirst: Bool, at now: Duration) {
        if isFirst, let end = recorded.sweepAfter {
            // Whatever clock wrote it, it is one wait at most.
            let rest = Duration.nanoseconds(Int64(clamping: end.elapsed(since: began)))
            sweepHold = now + min(rest, sweepWait)
        }
        let isBack = caughtUp.map { Self.lies($0, before: began, by: limits.recent) }
        guard isBack ?? (hasOthers && recorded.sweepAfter == nil) else { return }
        owesSweepWait = true
        isLoaded = false
    }

    /// A snapshot of the last listing has gone: there is a newer one that it did not show.
    package mutating func vanished() { isIncomplete = true }

    /// Everything in the last listing that may be loaded is merged.
    ///
    /// - Parameters:
    ///   - loading: whether some of it can't be loaded.
    ///   - unsentSince: since when there are local changes that are not stored; nil when there are none.
    package mutating func settled(_ loading: Receiver.Progress = .settled, unsentSince: Duration?, at now: Duration) {
        guard let listing, !isIncomplete else { return }
        var time = listing.began
        switch loading {
        case .loading: return
        case .settled: isLoaded = true
        // What a living one of them has merged comes with its snapshot.
        case .failing(let through):
            time = Self.lies(through, before: time, by: limits.recent) ? 0 : min(time, through)
        }
        mustCatchUp = false
        guard reason == nil else { return }
        if owesSweepWait {
            owesSweepWait = false
            sweepHold = now + sweepWait
            sweepAfter = Self.time(min(listing.began, ceiling), after: now - listing.at + sweepWait)
        }
        caughtUp = max(caughtUp ?? 0, listing.began)
        guard time > 0 else { return }
        if loading == .settled { settledAt = now }
        if let unsentSince, unsentSince < listing.at {
            let age = (listing.at - unsentSince) / .nanoseconds(1)
            time = age < Double(time) ? time - UInt64(age) : 0
        }
        lastSync = max(lastSync ?? 0, time)
    }

    /// When nothing will be sent any more, if everything in the last listing except some that can't be loaded is merged;
    /// nil when that does not matter, or when there is no time of a last sync to go by.
    ///
    /// - Parameter time: up to when the changes of those are here by way of others.
    package func comesUp(loadedThrough time: UInt64) -> (lastSync: UInt64, fencedFrom: UInt64)? {
        guard reason == nil, let listing, let lastSync, Self.lies(time, before: listing.began, by: limits.recent)
        else { return nil }
        return (lastSync, Self.time(lastSync, after: limits.absence))
    }

    /// The LMDB remembers this, or nothing: somebody may have rebuilt the database.
    ///
    /// - Returns: whether that has happened.
    @discardableResult package mutating func found(_ record: SyncRecord) -> Bool {
        guard record != recorded else { return false }
        recorded = record
        lastSync = record.lastSync
        caughtUp = record.lastSync
        sweepAfter = record.sweepAfter
        return true
    }

    /// The LMDB remembers this from now on.
    package mutating func recorded(_ record: SyncRecord) { recorded = record }

    /// It could not be written.
    package mutating func recordFailed(retryAt time: Duration) { retryAt = time }

    // MARK: What may be done

    /// Whether anything may be sent.
    package func maySend(at now: Duration) -> Bool {
        // After a break in the connection the storage is listed first.
        reason == nil && !mustCatchUp && !isListingOld(at: now)
    }

    /// Whether sends wait for a listing, because the last one is too old.
    package func isListingOld(at now: Duration) -> Bool {
        listing.map { now - $0.at > limits.recent + pollInterval * 2 } ?? true
    }

    /// Whether Deleted entries that are too old are left out of merges: not before everything was merged once, as the
    /// entry that one of them deletes may come with a later snapshot.
    package var mayLeaveOutDeletions: Bool { isLoaded }

    /// From when on something may be swept, nil when that is not known yet.
    package func sweepsFrom(at now: Duration) -> Duration? {
        reason == nil && !owesSweepWait && !isListingOld(at: now) ? sweepHold : nil
    }

    /// What the LMDB should remember, nil while what it does remember will do.
    package func recordDue(at now: Duration) -> SyncRecord? {
        guard reason == nil else { return nil }
        if let retryAt, now < retryAt { return nil }
        var next = recorded
        next.sweepAfter = sweepAfter
        guard let lastSync else { return next == recorded ? nil : next }
        let time = min(lastSync, ceiling)
        if let known = recorded.lastSync, lastSync >= known {
            // In one transaction with the other.
            let age = next == recorded ? limits.recordAge : .zero
            if Self.lies(known, before: time, by: age) { next.lastSync = time }
        } else {
            next.lastSync = time
        }
        return next == recorded ? nil : next
    }

    private func isAhead(_ now: UInt64) -> Bool {
        lastSync.map { Self.lies(now, before: $0, by: limits.skew) } ?? false
    }

    static func time(_ time: UInt64, after duration: Duration) -> UInt64 {
        let (sum, overflows) = time.addingReportingOverflow(UInt64(max(0, duration / .nanoseconds(1))))
        return overflows ? .max : sum
    }

    /// Whether a time lies before another one by more than a duration.
    static func lies(_ time: UInt64, before other: UInt64, by duration: Duration) -> Bool {
        other > time && Double(other - time) > duration / .nanoseconds(1)
    }
}

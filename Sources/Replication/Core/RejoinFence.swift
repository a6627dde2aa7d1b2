import Snapshots
import Support

/// Keeps a database from restoring deleted entries after a long absence.
///
/// Deletions are removed after the retention time. A database that has not received one until then still has the entry,
/// and no instance can recognise it as outdated. So a database records when it was last in sync, and sends nothing
/// after too long an absence; and snapshots from before such an absence are not loaded. docs/deletions.md explains the
/// limits.
///
/// A pure state machine. Points in time are nanoseconds since the UNIX epoch by the storage's clock, if it has one;
/// durations are since a fixed moment of the process.
package struct RejoinFence {
    /// The limits that follow from the retention.
    ///
    /// Twice the absence, plus the maximum age of a loaded snapshot, plus the interval of forced snapshots must stay
    /// below the retention, with a margin for clocks: see docs/deletions.md.
    package struct Limits: Sendable {
        /// How long a database may be out of sync: two fifths of the retention.
        package var absence: Duration
        /// How much older than the newest snapshot a loaded one may be: nine twentieths.
        package var snapshotAge: Duration
        /// The age of a recent snapshot: a twentieth. Snapshots are stored at least as often.
        package var recent: Duration
        /// After this time a snapshot that cannot be loaded no longer blocks sending: a minute at most.
        package var patience: Duration
        /// The age from which a record is replaced by a newer one.
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

    /// Why sending is blocked.
    package enum Reason: Sendable, Equatable {
        /// Not in sync since that time, while another instance was in sync.
        case absent(since: UInt64, other: SnapshotName)
        /// The recorded time of the last sync is in the future, so the record is unusable.
        case recordAhead(of: UInt64, record: UInt64)
    }

    private struct Listing {
        var began: UInt64
        var at: Duration
    }

    /// The limits that follow from the retention.
    package let limits: Limits
    private let own: String
    /// The age from which a listing is too old for a send.
    private let oldListing: Duration
    /// The record in the LMDB.
    private var recorded: SyncRecord
    /// When the database was last in sync, if known.
    package private(set) var lastSync: UInt64?
    /// Why sending is blocked; nil if it is not.
    package private(set) var reason: Reason?
    /// Whether everything has to be merged once before the first send.
    package private(set) var mustCatchUp = false
    /// Whether everything has been merged since the start or since the last absence.
    private var isLoaded = false
    /// When everything was merged last, except snapshots that cannot be loaded.
    private var caughtUp: UInt64?
    /// The latest time that may be recorded: a server's time is limited by our own clock.
    private var ceiling = UInt64.max
    /// How long sweeping pauses after an absence.
    private let sweepWait: Duration
    /// Whether there was an absence, and not everything has been merged since.
    private var isSweepWaitPending = false
    /// Until when sweeping pauses: since a fixed moment of the process, and as recorded.
    private var sweepHold = Duration.zero
    private var sweepAfter: UInt64?
    /// The last listing.
    private var listing: Listing?
    /// Whether the last listing is known to be incomplete.
    private var isIncomplete = false
    /// When everything was merged last.
    private var settledAt: Duration?
    /// Snapshots of the first listing that had been merged in an earlier run.
    private var passed: Set<SnapshotName> = []
    /// The snapshots in the last listing that are too old to be loaded.
    package private(set) var outdated: Set<SnapshotName> = []
    /// The other instances all of whose snapshots are too old to be loaded.
    package private(set) var outdatedInstances: Set<String> = []
    private var retryAt: Duration?
    /// The ends of the deltas of others that were read, by instance: their names show only where they begin.
    private var ends: [String: SnapshotName] = [:]
    /// The last position of another instance in the last listing, as far as it is known.
    private var other: SnapshotName?
    /// The time of the newest object in the last listing.
    private var newestListed: UInt64 = 0

    /// - Parameters:
    ///   - own: this instance's name.
    ///   - retention: how long Deleted entries are kept.
    ///   - pollInterval: how often the storage is listed.
    ///   - firstInterval: the time before the first run of the sweeper.
    ///   - record: the record in the LMDB of this database.
    package init(
        own: String, retention: Duration, pollInterval: Duration, firstInterval: Duration = .zero, record: SyncRecord
    ) {
        limits = Limits(retention: retention)
        self.own = own
        oldListing = limits.recent + pollInterval * 2
        sweepWait = limits.recent + firstInterval
        recorded = record
        lastSync = record.lastSync
        caughtUp = record.lastSync
        sweepAfter = record.sweepAfter
    }

    // MARK: What happened

    /// Reports a listing of the storage.
    ///
    /// - Parameters:
    ///   - names: all full snapshots of the database.
    ///   - deltas: all deltas. The time of a delta is the one at which it begins; ``reached(_:)`` tells where it ends.
    ///   - began: when the listing began.
    ///   - ceiling: the latest time that may be recorded, by our own clock.
    /// - Returns: the full snapshots that may be loaded.
    package mutating func listed(
        _ names: [SnapshotName], deltas: [SnapshotName] = [], began: UInt64, ceiling: UInt64 = .max, at now: Duration
    ) -> [SnapshotName] {
        let isFirst = listing == nil
        self.ceiling = ceiling
        listing = Listing(began: began, at: now)
        isIncomplete = false
        if isAhead(began), let settledAt, now - settledAt <= limits.recent {
            // The clock was wrong: the database was in sync just before.
            lastSync = began
            caughtUp = began
        }
        let latest = max(began, lastSync ?? 0)
        // A clock that is ahead must not make all other instances look old.
        let all = deltas.isEmpty ? names : names + deltas
        if !ends.isEmpty {
            let listed = Set(deltas.map(\.instance))
            ends = ends.filter { listed.contains($0.key) }
        }
        let newest: UInt64
        (newest, other) = self.newest(of: ends.isEmpty ? all : all + ends.values)
        if isFirst, let lastSync, !isAhead(began) {
            // Everything listed at that time is merged. The margin allows for late uploads and for clocks.
            passed = Set(names.filter { Self.lies($0.timestamp, before: lastSync, by: limits.recent) })
        }
        newestListed = min(newest, latest)
        outdated = Set(
            all.lazy.filter { [limits, newestListed] in
                Self.lies($0.timestamp, before: newestListed, by: limits.snapshotAge)
            })
        if !passed.isEmpty { outdated.formUnion(passed.intersection(names)) }
        let loadable = outdated.isEmpty ? names : names.filter { !outdated.contains($0) }
        outdatedInstances = Set(outdated.map(\.instance)).subtracting([own])
        if !outdatedInstances.isEmpty {
            outdatedInstances.subtract(loadable.map(\.instance))
            outdatedInstances.subtract(deltas.filter { !outdated.contains($0) }.map(\.instance))
        }
        noteReason(began)
        if lastSync.map({ Self.lies($0, before: began, by: limits.recent) }) ?? true { mustCatchUp = true }
        noteAbsence(began, hasOthers: other != nil, isFirst: isFirst, at: now)
        return loadable
    }

    private mutating func noteReason(_ began: UInt64) {
        reason = nil
        if isAhead(began), let lastSync {
            reason = .recordAhead(of: began, record: lastSync)
        } else if let lastSync, let other,
            Self.lies(lastSync, before: min(other.timestamp, max(began, lastSync)), by: limits.absence)
        {
            reason = .absent(since: lastSync, other: other)
        }
    }

    /// Reports the end of a delta of the last listing, or of a later version of it. Everything is read before anything is sent after an
    /// absence, so all ends are known by then.
    package mutating func reached(_ position: SnapshotName) {
        guard position.instance != own, let listing else { return }
        ends[position.instance] = max(ends[position.instance] ?? position, position)
        guard other.map({ $0.timestamp < position.timestamp }) ?? true else { return }
        other = position
        noteReason(listing.began)
    }

    /// The greatest time in names, 0 if there are none, and the newest name of another instance.
    private func newest(of names: [SnapshotName]) -> (time: UInt64, other: SnapshotName?) {
        var newest: UInt64 = 0
        var other: SnapshotName?
        for name in names {
            newest = max(newest, name.timestamp)
            if name.timestamp > other?.timestamp ?? 0 || other == nil, name.instance != own { other = name }
        }
        return (newest, other)
    }

    /// Keeps deletions after an absence until everything has been merged, and for some time after that: hosts that
    /// return at the same time may have deletions that no other instance has received.
    private mutating func noteAbsence(_ began: UInt64, hasOthers: Bool, isFirst: Bool, at now: Duration) {
        if isFirst, let end = recorded.sweepAfter {
            // Limit a recorded time from a wrong clock to one wait.
            let rest = Duration.nanoseconds(Int64(clamping: end.elapsed(since: began)))
            sweepHold = now + min(rest, sweepWait)
        }
        let isBack = caughtUp.map { Self.lies($0, before: began, by: limits.recent) }
        guard isBack ?? (hasOthers && recorded.sweepAfter == nil) else { return }
        isSweepWaitPending = true
        isLoaded = false
    }

    /// Whether an object may be read before a listing shows it. One that is old may be too old to be loaded by then.
    func mayReadUnlisted(_ name: SnapshotName) -> Bool {
        listing != nil && !Self.lies(name.timestamp, before: newestListed, by: limits.snapshotAge / 2)
    }

    /// Reports that a snapshot of the last listing is gone: there is a newer one that is not in the listing.
    package mutating func vanished() { isIncomplete = true }

    /// Reports that everything loadable in the last listing is merged.
    ///
    /// - Parameters:
    ///   - loading: whether some snapshots cannot be loaded.
    ///   - unsentSince: when the first unsent local change was seen; nil if there is none.
    package mutating func settled(_ loading: Receiver.Progress = .settled, unsentSince: Duration?, at now: Duration) {
        guard let listing, !isIncomplete else { return }
        var time = listing.began
        switch loading {
        case .loading: return
        case .settled: isLoaded = true
        // Changes that another running instance has merged arrive with its snapshot.
        case .failing(let through):
            time = Self.lies(through, before: time, by: limits.recent) ? 0 : min(time, through)
        }
        mustCatchUp = false
        guard reason == nil else { return }
        if isSweepWaitPending {
            isSweepWaitPending = false
            sweepHold = now + sweepWait
            sweepAfter = Self.time(min(listing.began, ceiling), after: now - listing.at + sweepWait)
        }
        caughtUp = max(caughtUp ?? 0, listing.began)
        guard time > 0 else { return }
        if loading == .settled { settledAt = now }
        if let unsentSince, unsentSince < listing.at {
            let age = UInt64((listing.at - unsentSince).wholeNanoseconds)
            time = age < time ? time - age : 0
        }
        lastSync = max(lastSync ?? 0, time)
    }

    /// When sending will be blocked if the snapshots that cannot be loaded stay the only ones missing; nil if no last
    /// sync is known, or if it does not matter.
    ///
    /// - Parameter time: up to when the changes of the missing snapshots have arrived through other instances.
    package func pendingBlock(loadedThrough time: UInt64) -> (lastSync: UInt64, fencedFrom: UInt64)? {
        guard reason == nil, let listing, let lastSync, Self.lies(time, before: listing.began, by: limits.recent)
        else { return nil }
        return (lastSync, Self.time(lastSync, after: limits.absence))
    }

    /// Takes the record in the LMDB, or its absence: the database may have been rebuilt.
    ///
    /// - Returns: whether it has been rebuilt.
    @discardableResult package mutating func found(_ record: SyncRecord) -> Bool {
        guard record != recorded else { return false }
        recorded = record
        lastSync = record.lastSync
        caughtUp = record.lastSync
        sweepAfter = record.sweepAfter
        return true
    }

    /// Reports a written record.
    package mutating func recorded(_ record: SyncRecord) { recorded = record }

    /// Reports a record that could not be written.
    package mutating func recordFailed(retryAt time: Duration) { retryAt = time }

    // MARK: What may be done

    /// Whether sending is allowed.
    package func maySend(at now: Duration) -> Bool {
        // After an interruption of the connection the storage is listed first.
        reason == nil && !mustCatchUp && !isListingOld(at: now)
    }

    /// Whether sending waits for a listing because the last one is too old.
    package func isListingOld(at now: Duration) -> Bool {
        listing.map { now - $0.at > oldListing } ?? true
    }

    /// Whether merges may omit Deleted entries that are too old. Not before everything has been merged once: a later
    /// snapshot may contain the entry that one of them deletes.
    package var mayLeaveOutDeletions: Bool { isLoaded }

    /// When sweeping may begin; nil while that is unknown.
    package func sweepsFrom(at now: Duration) -> Duration? {
        reason == nil && !isSweepWaitPending && !isListingOld(at: now) ? sweepHold : nil
    }

    /// The record to write; nil while the existing one is sufficient.
    package func recordDue(at now: Duration) -> SyncRecord? {
        guard reason == nil else { return nil }
        if let retryAt, now < retryAt { return nil }
        var next = recorded
        next.sweepAfter = sweepAfter
        guard let lastSync else { return next == recorded ? nil : next }
        let time = min(lastSync, ceiling)
        if let known = recorded.lastSync, lastSync >= known {
            // Both times are written in one transaction.
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
        let (sum, overflows) = time.addingReportingOverflow(UInt64(max(0, duration.wholeNanoseconds)))
        return overflows ? .max : sum
    }

    /// Whether a time is earlier than another by more than a duration.
    static func lies(_ time: UInt64, before other: UInt64, by duration: Duration) -> Bool {
        other > time && other - time > UInt64(max(0, duration.wholeNanoseconds))
    }
}

/// When the sweeper works, and for how long at a time.
///
/// A pure state machine: times are durations since a fixed moment of the process. A run goes through the LMDB in
/// slices (``Sweep``). One that has taken the write lock is followed by a pause.
package struct SweeperMachine {
    /// What the sweeper goes by.
    package struct Settings: Sendable {
        /// How long Deleted entries are kept.
        package var retention: Duration
        /// The time before the first run.
        package var firstInterval: Duration
        /// The time from the beginning of a run to that of the next one.
        package var interval: Duration
        /// About how long the write lock is held at most.
        package var lockDuration: Duration
        /// The pause before it is taken again.
        package var releaseDuration: Duration

        /// See the properties of the same names.
        package init(
            retention: Duration, firstInterval: Duration, interval: Duration, lockDuration: Duration,
            releaseDuration: Duration
        ) {
            self.retention = retention
            self.firstInterval = firstInterval
            self.interval = interval
            self.lockDuration = lockDuration
            self.releaseDuration = releaseDuration
        }
    }

    private let settings: Settings
    /// When the next slice is due, while none is under way.
    package private(set) var due: Duration
    /// When the run under way began; nil between two runs.
    private var begin: Duration?
    /// How long the next slice may delete.
    package private(set) var deletionTime: Duration

    /// - Parameter now: from when on the time before the first run counts.
    package init(settings: Settings, at now: Duration = .zero) {
        self.settings = settings
        due = now + settings.firstInterval
        // Nothing is known yet of how long a commit takes.
        deletionTime = settings.lockDuration / 4
    }

    /// A slice begins.
    package mutating func started(at now: Duration) { begin = begin ?? now }

    /// A slice ended.
    ///
    /// - Parameter isLast: whether it was the last one of its run.
    package mutating func ended(_ lock: SweepLock?, isLast: Bool, at now: Duration) {
        if let lock { learn(lock) }
        due = lock == nil ? now : now + settings.releaseDuration
        guard isLast, let begin else { return }
        self.begin = nil
        due = max(due, begin + settings.interval)
    }

    /// A slice failed; the run is over.
    package mutating func failed(at now: Duration) {
        begin = nil
        due = now + settings.interval
    }

    // The part of the lock's time that goes to deleting, the rest being the commit's, is about the same from slice to
    // slice. A fixed cost of commits makes that an estimate on the safe side, which gets better slice by slice.
    private mutating func learn(_ lock: SweepLock) {
        let total = lock.deleting + lock.committing
        guard total > .zero else { return }
        let share = settings.lockDuration * (lock.deleting / total)
        // One lucky commit says little.
        deletionTime = min(share, deletionTime * 2, settings.lockDuration)
    }
}

/// How long a slice of the sweeper held the write lock.
package struct SweepLock: Sendable, Equatable {
    /// Up to the commit.
    package var deleting: Duration
    /// From there until the lock was free.
    package var committing: Duration

    /// See the properties of the same names.
    package init(deleting: Duration, committing: Duration) {
        self.deleting = deleting
        self.committing = committing
    }
}

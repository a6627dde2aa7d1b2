/// Decides when the sweeper works, and for how long at a time.
///
/// A pure state machine; times are durations since a fixed moment of the process. A run consists of slices (``Sweep``).
/// A slice that has taken the write lock is followed by a pause.
package struct SweeperMachine {
    /// Configuration.
    package struct Settings: Sendable {
        /// How long Deleted entries are kept.
        package var retention: Duration
        /// The time before the first run.
        package var firstInterval: Duration
        /// The time between the starts of two runs.
        package var interval: Duration
        /// The approximate maximum time for which the write lock is held.
        package var lockDuration: Duration
        /// The pause before the write lock is taken again.
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
    /// When the next slice is due. Only meaningful while none is running.
    package private(set) var due: Duration
    /// When the current run began; nil between runs.
    private var begin: Duration?
    /// For how long the next slice may delete.
    package private(set) var deletionTime: Duration

    /// - Parameter now: when the time before the first run begins.
    package init(settings: Settings, at now: Duration = .zero) {
        self.settings = settings
        due = now + settings.firstInterval
        // The duration of a commit is unknown yet.
        deletionTime = settings.lockDuration / 4
    }

    /// Reports the begin of a slice.
    package mutating func started(at now: Duration) { begin = begin ?? now }

    /// Reports the end of a slice.
    ///
    /// - Parameter isLast: whether it was the last one of its run.
    package mutating func ended(_ lock: SweepLock?, isLast: Bool, at now: Duration) {
        if let lock { learn(lock) }
        due = lock == nil ? now : now + settings.releaseDuration
        guard isLast, let begin else { return }
        self.begin = nil
        due = max(due, begin + settings.interval)
    }

    /// Reports a failed slice, which ends the run.
    package mutating func failed(at now: Duration) {
        begin = nil
        due = now + settings.interval
    }

    // Deleting and committing divide the lock time in about the same ratio from slice to slice. If commits have a fixed
    // cost, the estimate is too low, and improves with each slice.
    private mutating func learn(_ lock: SweepLock) {
        let total = lock.deleting + lock.committing
        guard total > .zero else { return }
        let share = settings.lockDuration * (lock.deleting / total)
        // A single fast commit is not representative.
        deletionTime = min(share, deletionTime * 2, settings.lockDuration)
    }
}

/// How long a slice held the write lock.
package struct SweepLock: Sendable, Equatable {
    /// The time before the commit.
    package var deleting: Duration
    /// The time of the commit.
    package var committing: Duration

    /// See the properties of the same names.
    package init(deleting: Duration, committing: Duration) {
        self.deleting = deleting
        self.committing = committing
    }
}

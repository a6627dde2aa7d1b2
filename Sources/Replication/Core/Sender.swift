/// Decides when to send a snapshot of a database: soon after a local change, and at a low rate without changes.
///
/// A pure state machine over transaction IDs and times; times are durations since a fixed moment of the process.
package struct Sender {
    /// Configuration.
    package struct Settings: Sendable {
        /// The minimum time between the starts of two sends.
        package var minimumInterval: Duration
        /// After this time without a send a snapshot is sent even if nothing has changed; zero for never.
        package var forceInterval: Duration
        /// How long to wait after a failed send.
        package var retryInterval: Duration
        /// How many sends in a row may fail; nil for any number.
        package var retryLimit: Int?

        /// See the properties of the same names.
        package init(
            minimumInterval: Duration, forceInterval: Duration, retryInterval: Duration, retryLimit: Int?
        ) {
            self.minimumInterval = minimumInterval
            self.forceInterval = forceInterval
            self.retryInterval = retryInterval
            self.retryLimit = retryLimit
        }
    }

    /// A burst of changes is sent once it pauses for this long …
    package static let quietTime = Duration.milliseconds(20)
    /// … but at most this long after its first change.
    package static let longestWait = Duration.milliseconds(200)

    private enum Phase: Equatable { case idle, reading, storing }

    private let settings: Settings
    private var phase = Phase.idle
    /// Every transaction up to this one has been sent or was one of our own.
    private var accountedFor: UInt64
    /// Our own later transactions: the application has written before them, or a send in progress has read them.
    private var own: Set<UInt64> = []
    /// The newest transaction of our own.
    private var newestOwn: UInt64 = 0
    /// The newest transaction seen.
    private var newest: UInt64
    /// The newest transaction that a send has read, and that one has stored.
    private var lastRead: UInt64?
    private var lastStored: UInt64?
    /// When the first and the last unsent changes were seen.
    private var changed: (first: Duration, last: Duration)?
    /// When the first change in a snapshot that is not stored yet was seen.
    private var carriedSince: Duration?
    private var lastStart: Duration?
    /// When the last send began, also one of what was sent before.
    private var start: Duration?
    /// When the last send of a full snapshot began.
    private var lastFullStart: Duration?
    private var retryAt: Duration?
    private var failures = 0
    /// Whether the last send that ended has failed.
    package private(set) var isFailing = false
    private var wantsInitial = false
    /// Whether the send in progress includes the initial one.
    private var carriesInitial = false
    /// Whether what was sent last has to be stored again.
    private var wantsAgain = false
    /// Whether the LMDB was empty. The first entries that a merge adds are then sent once, to announce this instance.
    private var wasEmpty = false
    /// Whether the send after start-up has succeeded, or found nothing to send.
    package private(set) var hasSentInitial = false

    /// - Parameter transaction: the newest transaction at start. Its contents are part of the first send.
    package init(settings: Settings, transaction: UInt64) {
        self.settings = settings
        accountedFor = transaction
        newest = transaction
    }

    // MARK: What happened

    /// Reports the newest transaction of the LMDB.
    package mutating func observed(_ transaction: UInt64, at now: Duration) {
        guard transaction > newest else { return }
        newest = transaction
        noteChange(at: now)
    }

    /// Reports a committed transaction of our own, such as a merge; it does not trigger a send. A repetition has no
    /// effect.
    ///
    /// May be called before or after a send that has read it, or has not.
    package mutating func merged(as transaction: UInt64, at now: Duration) {
        guard transaction > accountedFor, own.insert(transaction).inserted else { return }
        newestOwn = max(newestOwn, transaction)
        newest = max(newest, transaction)
        if wasEmpty {
            wasEmpty = false
            wantsInitial = true
        }
        account(for: accountedFor)
        if accountedFor < transaction {
            // The application has written in between. Its changes are still unsent, unless a send in progress has read
            // them.
            noteChange(at: now)
        } else if newest == accountedFor {
            // The merge may have been seen as a change before it was reported.
            changed = nil
        }
    }

    /// Accounts for everything up to this transaction, and for our own that follow it directly.
    private mutating func account(for transaction: UInt64) {
        if transaction > accountedFor {
            accountedFor = transaction
            own = own.filter { $0 > transaction }
        }
        while own.remove(accountedFor &+ 1) != nil { accountedFor += 1 }
        // Without sends the set would grow without bound. Dropping it may cause one unnecessary send.
        if own.count > Self.mostOwn { own = [] }
    }

    private static let mostOwn = 4096

    /// Requests the snapshot after start-up, which is sent even if nothing changes.
    package mutating func requestInitial() { wantsInitial = true }

    /// Requests another send, because the storage does not have what was stored last.
    package mutating func requestAgain() { wantsAgain = true }

    /// Whether there was no transaction since the last send that was stored.
    var isUnchanged: Bool { newest == lastStored && lastRead == lastStored }

    /// Whether a full snapshot is to be sent, as after start-up or after a long time without one.
    package func wantsFull(at now: Duration) -> Bool {
        if wantsInitial { return true }
        guard settings.forceInterval > .zero, let lastFullStart else { return false }
        return lastFullStart + settings.forceInterval <= now
    }

    /// Reports that a send begins to read the LMDB.
    ///
    package mutating func started(at now: Duration, isRepetition: Bool = false) {
        phase = .reading
        carriesInitial = wantsInitial
        wantsAgain = false
        // What follows a delta must not delay the next change.
        if !isRepetition { lastStart = now }
        start = now
        retryAt = nil
    }

    /// Reports that the LMDB has been read as of a transaction. Storing follows.
    package mutating func read(_ transaction: UInt64) {
        phase = .storing
        lastRead = transaction
        account(for: transaction)
        newest = max(newest, transaction)
        carriedSince = carriedSince ?? changed?.first
        if newest == accountedFor { changed = nil }
    }

    /// Reports a stored snapshot.
    ///
    /// - Parameter isFull: whether it is a full one, whatever was intended.
    package mutating func stored(isFull: Bool = true) {
        lastStored = lastRead
        if isFull { wasEmpty = false }
        finish(isFull: isFull)
    }

    /// Reports that the LMDB is empty and there is nothing to send.
    package mutating func foundNothing(_ transaction: UInt64) {
        // A merge during the read may have added entries.
        let isEmpty = newestOwn <= transaction
        wasEmpty = isEmpty
        read(transaction)
        finish(isFull: true)
        if !isEmpty { wantsInitial = true }
    }

    /// Reports that reading or storing failed.
    ///
    /// The retry always comes and reads everything again, so the transactions that this send accounted for stay
    /// accounted for.
    ///
    /// - Parameter counts: whether the failure counts towards the limit.
    package mutating func failed(at now: Duration, counts: Bool = true) {
        phase = .idle
        if counts { failures += 1 }
        isFailing = true
        retryAt = now + settings.retryInterval
    }

    // MARK: What to do

    /// When the next send is due; nil if there is nothing to send or a send is in progress.
    package var due: Duration? { due(full: nil) }

    /// When the next send is due; nil if there is nothing to send or a send is in progress.
    ///
    /// - Parameters:
    ///   - full: when a full snapshot is due in any case.
    ///   - isContinued: whether the last send has a second half.
    package func due(full: Duration?, isContinued: Bool = false) -> Duration? {
        guard phase == .idle else { return nil }
        if let retryAt { return retryAt }
        if isContinued { return .zero }
        var due = full
        if wantsInitial || wantsAgain { due = .zero }
        if let changed {
            let settled = min(changed.last + Self.quietTime, changed.first + Self.longestWait)
            due = min(due ?? settled, settled)
        }
        if settings.forceInterval > .zero, let lastFullStart {
            let forced = lastFullStart + settings.forceInterval
            due = min(due ?? forced, forced)
        }
        guard let due else { return nil }
        return max(due, lastStart.map { $0 + settings.minimumInterval } ?? due)
    }

    /// Whether the limit of failures is exceeded.
    package var hasGivenUp: Bool {
        guard let limit = settings.retryLimit else { return false }
        return failures > limit
    }

    /// Whether there is something to send and no send is in progress.
    package var isWaiting: Bool { phase == .idle && (changed != nil || wantsInitial || wantsAgain || retryAt != nil) }

    /// Whether there is nothing to send and no send is in progress.
    package var isDone: Bool { phase == .idle && !isChanged && !wantsInitial && !wantsAgain && retryAt == nil }

    /// Every transaction up to this one has been stored or was one of our own; nil before the first send, and while a
    /// send is in progress or to be retried.
    package var settledTransaction: UInt64? {
        hasSentInitial && phase == .idle && retryAt == nil ? accountedFor : nil
    }

    /// When the first unsent local change was seen; nil if there is none.
    package var unsentSince: Duration? {
        // Changes from before the start are part of the first send.
        hasSentInitial ? carriedSince ?? changed?.first : .zero
    }

    /// Whether there are unsent changes, or may have been at start.
    package var hasUnsent: Bool { newest > 0 && (!hasSentInitial || isChanged || phase != .idle || retryAt != nil) }

    /// Whether a send is in progress.
    package var isSending: Bool { phase != .idle }

    private var isChanged: Bool { newest > accountedFor }

    private mutating func noteChange(at now: Duration) {
        changed = (changed?.first ?? now, now)
    }

    private mutating func finish(isFull: Bool) {
        phase = .idle
        carriedSince = nil
        failures = 0
        isFailing = false
        guard isFull else { return }
        lastFullStart = start
        guard carriesInitial else { return }
        hasSentInitial = true
        wantsInitial = false
    }
}

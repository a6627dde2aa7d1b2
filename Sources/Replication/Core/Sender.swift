/// When to send a snapshot of a database: soon after a local change, and now and then without one.
///
/// A pure state machine over transaction IDs and times; times are durations since a fixed moment of the process.
package struct Sender {
    /// What the machine goes by.
    package struct Settings: Sendable {
        /// Two sends start at least this far apart.
        package var minimumInterval: Duration
        /// After this long without one a snapshot is sent even when nothing has changed; zero for never.
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

    /// A burst of changes goes out once it pauses for this long …
    package static let quietTime = Duration.milliseconds(20)
    /// … but at the latest this long after its first change.
    package static let longestWait = Duration.milliseconds(200)

    private enum Phase: Equatable { case idle, reading, storing }

    private let settings: Settings
    private var phase = Phase.idle
    /// Every transaction up to this one has been sent or was a merge of ours.
    private var accountedFor: UInt64
    /// Transactions of ours beyond that: others have written before them, or a send that is under way has read that.
    private var own: Set<UInt64> = []
    /// The newest transaction of ours.
    private var newestOwn: UInt64 = 0
    /// The newest transaction seen.
    private var newest: UInt64
    /// When the first and the last of the changes that are still to be sent were noticed.
    private var changed: (first: Duration, last: Duration)?
    /// Since when there have been changes in what was read for a send that is not stored yet.
    private var carriedSince: Duration?
    private var lastStart: Duration?
    private var retryAt: Duration?
    private var failures = 0
    /// Whether the last send that ended has failed.
    package private(set) var isFailing = false
    private var wantsInitial = false
    /// Whether the send under way began after the initial one was asked for.
    private var carriesInitial = false
    /// Whether the LMDB was found empty: what a merge brings first is then sent once, so that others see that it is here.
    private var wasEmpty = false
    /// Whether the send after start-up has been made, or found nothing to send.
    package private(set) var hasSentInitial = false

    /// - Parameter transaction: the newest transaction at start. What it holds goes out with the first send.
    package init(settings: Settings, transaction: UInt64) {
        self.settings = settings
        accountedFor = transaction
        newest = transaction
    }

    // MARK: What happened

    /// Somebody asked for the newest transaction.
    package mutating func observed(_ transaction: UInt64, at now: Duration) {
        guard transaction > newest else { return }
        newest = transaction
        noteChange(at: now)
    }

    /// A merge of ours committed, or another transaction of ours that nobody else need hear of; again does nothing.
    ///
    /// It may be told before or after a send that has read it, or has not.
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
            // Others wrote between: what they wrote is still to be sent, unless a send under way has read it.
            noteChange(at: now)
        } else if newest == accountedFor {
            // The merge may have been noticed as a change before it was reported.
            changed = nil
        }
    }

    /// Everything up to this transaction is accounted for, and what follows of our own.
    private mutating func account(for transaction: UInt64) {
        if transaction > accountedFor {
            accountedFor = transaction
            own = own.filter { $0 > transaction }
        }
        while own.remove(accountedFor &+ 1) != nil { accountedFor += 1 }
        // Where nothing is ever sent they would become ever more. Without them a send too many may follow.
        if own.count > Self.mostOwn { own = [] }
    }

    private static let mostOwn = 4096

    /// One snapshot is to be sent even if nothing changes: the one after start-up.
    package mutating func requestInitial() { wantsInitial = true }

    /// A send begins with reading the LMDB.
    package mutating func started(at now: Duration) {
        phase = .reading
        carriesInitial = wantsInitial
        lastStart = now
        retryAt = nil
    }

    /// The LMDB has been read as of a transaction; storing goes on.
    package mutating func read(_ transaction: UInt64) {
        phase = .storing
        account(for: transaction)
        newest = max(newest, transaction)
        carriedSince = carriedSince ?? changed?.first
        if newest == accountedFor { changed = nil }
    }

    /// The snapshot is stored.
    package mutating func stored() {
        finish()
    }

    /// The LMDB is empty: there is nothing to be sent.
    package mutating func foundNothing(_ transaction: UInt64) {
        // What has been merged while it was read may be in it by now.
        let isEmpty = newestOwn <= transaction
        wasEmpty = isEmpty
        read(transaction)
        finish()
        if !isEmpty { wantsInitial = true }
    }

    /// Reading or storing failed.
    ///
    /// Another try follows whatever happens and reads everything anew, so what this one accounted for stands.
    ///
    /// - Parameter counts: whether it is one of those after which the process gives up.
    package mutating func failed(at now: Duration, counts: Bool = true) {
        phase = .idle
        if counts { failures += 1 }
        isFailing = true
        retryAt = now + settings.retryInterval
    }

    // MARK: What to do

    /// When the next send is due, nil when there is nothing to be sent or one is under way.
    package var due: Duration? {
        guard phase == .idle else { return nil }
        if let retryAt { return retryAt }
        var due: Duration?
        if wantsInitial { due = .zero }
        if let changed {
            let settled = min(changed.last + Self.quietTime, changed.first + Self.longestWait)
            due = min(due ?? settled, settled)
        }
        if due == nil, settings.forceInterval > .zero, let lastStart { due = lastStart + settings.forceInterval }
        guard let due else { return nil }
        return max(due, lastStart.map { $0 + settings.minimumInterval } ?? due)
    }

    /// Whether so many sends have failed that the process should give up.
    package var hasGivenUp: Bool {
        guard let limit = settings.retryLimit else { return false }
        return failures > limit
    }

    /// Whether something is to be sent, and no send is under way.
    package var isWaiting: Bool { phase == .idle && (changed != nil || wantsInitial || retryAt != nil) }

    /// Whether nothing is left to be sent and no send is under way.
    package var isDone: Bool { phase == .idle && !isChanged && !wantsInitial && retryAt == nil }

    /// Everything up to this transaction has been stored or was a merge of ours; nil before the first send, and
    /// while one is under way or to be tried again.
    package var settledTransaction: UInt64? {
        hasSentInitial && phase == .idle && retryAt == nil ? accountedFor : nil
    }

    /// Since when there have been local changes that are not stored; nil when there are none.
    package var unsentSince: Duration? {
        // What was written while nobody was looking goes out with the first send.
        hasSentInitial ? carriedSince ?? changed?.first : .zero
    }

    /// Whether there is, or at start may have been, something that is not stored.
    package var hasUnsent: Bool { newest > 0 && (!hasSentInitial || isChanged || phase != .idle || retryAt != nil) }

    /// Whether a send is under way.
    package var isSending: Bool { phase != .idle }

    private var isChanged: Bool { newest > accountedFor }

    private mutating func noteChange(at now: Duration) {
        changed = (changed?.first ?? now, now)
    }

    private mutating func finish() {
        phase = .idle
        carriedSince = nil
        failures = 0
        isFailing = false
        guard carriesInitial else { return }
        hasSentInitial = true
        wantsInitial = false
    }
}

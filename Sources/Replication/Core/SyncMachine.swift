import Snapshots
import Support

/// The sync loop of one database as a pure state machine: takes events, returns actions.
///
/// It determines the order of start-up, what may run concurrently, and priorities. It performs nothing itself and uses
/// no clock: ``SyncCore`` turns its actions into effects.
package struct SyncMachine {
    /// A stored snapshot of our own that is missing from a listing after this time was removed.
    package static let patienceWithListings = Duration.seconds(60)
    /// After this many merges in a row a pending send comes first.
    package static let mergesInARow = 10
    /// Listings may be early by this fraction of their interval, to coincide with the polls of the LMDB.
    package static let pollTolerance = 0.05
    /// How long the end waits for the positions to be recorded.
    package static let recordingPatience = Duration.seconds(1)
    /// The minimum time between listings for signalled changes.
    package static let shortestListingInterval = Duration.milliseconds(100)

    let settings: Settings
    /// Decides what to download and merge.
    package internal(set) var receiver: Receiver
    /// Decides when to send.
    package internal(set) var sender: Sender
    var sweeper: SweeperMachine?
    var capture: CaptureMachine?
    /// Blocks sending after a long absence.
    package internal(set) var fence: RejoinFence?
    /// Whether ``fence`` allows sending now.
    var fenceIsOpen = true
    /// The obstacle to sending, and since when it exists.
    var obstacle: (what: SendObstacle, since: Duration)?
    /// The numbers of listings, captures and records in a row that have failed; a single run limits them.
    var failures = (listing: 0, capture: 0, record: 0)
    /// When the first event came, and the last one.
    private var begin: Duration?
    private var lastEvent = Duration.zero
    var isListing = false
    /// The work in progress on the LMDB.
    package internal(set) var work: LMDBWork
    /// When the next listing is due; nil while one is in progress and no change was signalled since it began.
    private var listAt: Duration? = .zero
    var lastListing: Duration?
    /// When a snapshot of ours was stored last.
    var storedAt: Duration?
    /// Our own deltas, and when the next full snapshot is due.
    package internal(set) var chain: OwnChain
    /// Whether another host uses our name: then only full snapshots are sent.
    var hasNamesake = false { didSet { if hasNamesake { hasSeenNamesake = true } } }
    /// Whether another host has used our name. Hints of its snapshots look like those of our own, so only listings show them.
    private(set) var hasSeenNamesake = false
    /// The snapshots that were merged when the send in progress began. Later ones need not be in it.
    var covering: [String: SnapshotName] = [:]
    /// The newest snapshot under our name in the last listing.
    var newestOwn: SnapshotName?
    var mergesSinceSend = 0
    /// Decides when to send after another host has written a snapshot under our name.
    package internal(set) var cover = NamesakeCover()
    /// By which way changes of others become known.
    var hints = HintWatch()
    /// Limits how many objects are read because of hints. Beyond that a hint only brings the next listing forward.
    var hintLimit = RateLimit(rate: 50)
    private var isStarted = false
    var hasRequestedInitial = false
    var isShuttingDown = false
    /// Until when the end waits for the positions to be recorded; nil before that begins.
    private var recordingEnds: Duration?
    var hasRecorded = false
    private var isFinished = false

    /// - Parameters:
    ///   - transaction: the newest transaction of the LMDB at start.
    ///   - record: the record in the LMDB of the database.
    package init(settings: Settings, transaction: UInt64, record: SyncRecord = SyncRecord()) {
        var settings = settings
        if let sweeping = settings.sweeper {
            let fence = RejoinFence(
                own: settings.instance, retention: sweeping.retention, pollInterval: settings.storagePollInterval,
                firstInterval: sweeping.firstInterval, record: record)
            self.fence = fence
            // An instance that is in sync must show it.
            let force = settings.sender.forceInterval
            settings.sender.forceInterval = force > .zero ? min(force, fence.limits.recent) : fence.limits.recent
        }
        self.settings = settings
        work = LMDBWork(hasShadows: settings.hasShadows)
        chain = OwnChain(settings: settings.deltas ?? .init())
        // A receiver has no snapshots of its own: those under its name are another host's.
        receiver = Receiver(own: settings.receiveOnly ? nil : settings.instance, settings: settings.receiver)
        sender = Sender(settings: settings.sender, transaction: transaction)
        if settings.hasShadows {
            capture = CaptureMachine(
                minimumInterval: settings.sender.minimumInterval, retryInterval: settings.receiver.retryInterval)
        }
    }

    /// Takes the positions that were recorded in the LMDB, before the first event.
    package mutating func restored(_ positions: RecordedPositions, of database: String) {
        receiver.restored(positions, of: database)
    }

    /// Handles an event.
    ///
    /// - Parameter now: the time since a fixed moment; must not be earlier than in the call before.
    /// - Returns: what to do now, in this order.
    package mutating func handle(_ event: Event, at now: Duration) -> [Action] {
        if begin == nil, let sweeping = settings.sweeper, !settings.receiveOnly, !settings.onlyOnce {
            sweeper = SweeperMachine(settings: sweeping, at: now)
        }
        let begin = begin ?? now
        self.begin = begin
        lastEvent = now
        take(event, at: now)
        receiver.noteStuck(at: now)
        if let patience = fence?.limits.patience {
            let unsentSince = settings.receiveOnly ? nil : sender.unsentSince.map { max($0, begin) }
            fence?.settled(
                receiver.progress(of: settings.instance, patience: patience, at: now), unsentSince: unsentSince, at: now
            )
        }
        fenceIsOpen = fence?.maySend(at: now) ?? true
        let actions = decide(at: now)
        noteObstacle(at: now)
        return actions
    }

    /// Which snapshots are merged here, and which of them are sent on.
    package var progress: SyncProgress { receiver.progress }

    /// When ``handle(_:at:)`` needs a tick at the latest; nil if only events matter.
    package var nextTick: Duration? {
        if isFinished { return nil }
        if isShuttingDown { return hasRecorded ? nil : recordingEnds }
        var next = receiver.nextRetry
        next.bringForward(to: receiver.nextGap)
        if let obstacle, sendObstacle(at: lastEvent) == nil {
            next.bringForward(to: obstacle.since + SendObstacle.reportedAfter)
        }
        if !isListing { next.bringForward(to: listAt) }
        next.bringForward(to: cover.due)
        // Work that the LMDB is too busy for waits for an event. Before the first capture everything else does.
        if let readsFrom = work.readsFrom, isCaptured {
            if maySend { next.bringForward(to: sendDue.map { max($0, readsFrom) }) }
            if mayCompare { next.bringForward(to: readsFrom) }
        }
        if work.isIdle {
            next.bringForward(to: capture?.due)
            if isCaptured { next.bringForward(to: sweepDue(at: lastEvent)) }
        }
        return next
    }

    /// Whether start-up is complete: listed, loaded, and one snapshot sent or not needed.
    package var isStartComplete: Bool {
        guard receiver.isStartLoaded, isCaptured else { return false }
        return settings.receiveOnly || isFenced || (hasRequestedInitial && sender.hasSentInitial)
    }

    private mutating func take(_ event: Event, at now: Duration) {
        switch event {
        case .listed(let listing): listed(listing, at: now)
        case .listingFailed: listingFailed(at: now)
        case .hint(let name, let version, let source): hinted(name, version, source, at: now)
        case .stateHint(let instance, let source):
            hints.reached(instance, source, isKnown: receiver.others.contains(instance))
        case .feed(let isUp): feed(isUp: isUp, at: now)
        case .observed(let transaction, let isOurs): observed(transaction, isOurs: isOurs, at: now)
        case .downloaded(let name, let version): receiver.downloaded(name, version: version)
        case .vanished(let name): vanished(name, at: now)
        case .downloadFailed(let name): downloadFailed(name, at: now)
        case .compared(let name): work.compared(name)
        case .merged(let name, let merged): self.merged(name, merged, at: now)
        case .refused(let name, let isOpened): refused(name, isOpened: isOpened)
        case .mergeFailed(let name): mergeFailed(name, at: now)
        case .read(let transaction): read(transaction)
        case .foundNothing(let transaction): foundNothing(transaction)
        case .captured(let through, let transaction): captured(through: through, transaction, at: now)
        case .captureFailed: captureFailed(at: now)
        case .stored(let object): stored(object, at: now)
        case .widened(let object): chain.widened(object, at: now)
        case .wideningFailed: chain.wideningFailed(retryAt: now + settings.receiver.retryInterval * 10)
        case .entriesLost: receiver.requireFulls()
        case .deltasAreWrong: sender.requestInitial()
        case .sendFailed: sendFailed(at: now)
        case .unsendable: sendFailed(counts: settings.onlyOnce, at: now)
        case .swept(let transaction, let lock, let isLast): swept(transaction, lock, isLast: isLast, at: now)
        case .sweepFailed: sweepFailed(at: now)
        case .foundRecord(let record): foundRecord(record)
        case .recorded(let record, let transaction): recorded(record, transaction, at: now)
        case .recordFailed: recordFailed(at: now)
        case .recordedPositions(let transaction): recordedPositions(transaction, at: now)
        case .tick: break
        case .shutDown: isShuttingDown = true
        }
    }

    mutating func bringForwardListing(to time: Duration) { listAt.bringForward(to: time) }

    private mutating func decide(at now: Duration) -> [Action] {
        guard !isFinished else { return [] }
        var actions: [Action] = []
        if !isShuttingDown {
            if !isListing, let due = listAt, due <= now {
                isListing = true
                lastListing = now
                listAt = nil
                actions.append(.list)
            }
            while let name = receiver.nextDownload(at: now) { actions.append(.download(name)) }
            requestInitialWhenLoaded()
            if let due = cover.due, due <= now {
                cover.answered()
                sender.requestInitial()
            }
            while let action = nextLMDBAction(at: now) { actions.append(action) }
            if let deltas = chain.nextWidening(at: now) { actions.append(.widen(deltas)) }
            if sender.hasGivenUp {
                isFinished = true
                return [.giveUp]
            }
            if hasGivenUpLoading {
                isFinished = true
                return [.giveUpLoading]
            }
            if !isStarted && isStartComplete {
                isStarted = true
                actions.append(.started)
            }
            if settings.onlyOnce && isStarted && isIdle(at: now) {
                guard !isFenced else {
                    isFinished = true
                    return actions + [.endFenced]
                }
                isShuttingDown = true
            }
        }
        // A compared snapshot that is not applied is loaded again with the next start.
        if isShuttingDown { work.dropPlanned() }
        if isShuttingDown && work.isIdle && !sender.isSending { actions += end(at: now) }
        return actions
    }

    /// The end. Positions that no merge of a daemon has recorded are recorded before it, unless that has to wait for the write lock.
    private mutating func end(at now: Duration) -> [Action] {
        if recordingEnds == nil, settings.deltas != nil, isStarted, !settings.onlyOnce {
            recordingEnds = now + Self.recordingPatience
            return [.recordPositions]
        }
        guard hasRecorded || (recordingEnds ?? now) <= now else { return [] }
        isFinished = true
        return [.finish]
    }

    /// Whether the application's changes from before the start are in the shadows; true without shadows.
    var isCaptured: Bool { capture?.hasStarted ?? true }

    /// A wiped LMDB must not replace our own earlier snapshots: they are loaded first.
    var maySend: Bool { !settings.receiveOnly && receiver.isOwnLoaded && fenceIsOpen }

    /// Whether a single run has failed too often. Otherwise there is no limit.
    private var hasGivenUpLoading: Bool {
        guard settings.onlyOnce, let limit = settings.sender.retryLimit else { return false }
        return max(failures.listing, failures.capture, failures.record, receiver.mostFailures) > limit
    }

    var isFenced: Bool { fence?.reason != nil }

    // The snapshot after start-up contains everything that was loaded, so it waits for that, but not for an instance
    // whose snapshot cannot be loaded.
    private mutating func requestInitialWhenLoaded() {
        guard !settings.receiveOnly, !hasRequestedInitial, receiver.isStartLoadedOrFailing else { return }
        hasRequestedInitial = true
        sender.requestInitial()
    }

    private func isIdle(at now: Duration) -> Bool {
        guard work.isIdle && !receiver.hasReady && fence?.recordDue(at: now) == nil, !chain.fullFollows else {
            return false
        }
        return settings.receiveOnly || isFenced || sender.isDone
    }
}

extension Duration? {
    /// Replaces the time by an earlier one; nil is later than any time.
    mutating func bringForward(to other: Duration?) {
        guard let other else { return }
        self = map { min($0, other) } ?? other
    }
}

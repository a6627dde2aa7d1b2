import Snapshots

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
    /// The minimum time between listings for signalled changes.
    package static let shortestListingInterval = Duration.milliseconds(100)

    let settings: Settings
    /// Decides what to download and merge.
    package private(set) var receiver: Receiver
    /// Decides when to send.
    package private(set) var sender: Sender
    private var sweeper: SweeperMachine?
    private var capture: CaptureMachine?
    /// Blocks sending after a long absence.
    package private(set) var fence: RejoinFence?
    /// Whether ``fence`` allows sending now.
    var fenceIsOpen = true
    /// The obstacle to sending, and since when it exists.
    var obstacle: (what: SendObstacle, since: Duration)?
    /// The numbers of listings, captures and records in a row that have failed; a single run limits them.
    private var failures = (listing: 0, capture: 0, record: 0)
    /// When the first event came, and the last one.
    private var begin: Duration?
    private var lastEvent = Duration.zero
    private var isListing = false
    /// The work in progress on the LMDB.
    package private(set) var work: LMDBWork
    /// When the next listing is due; nil while one is in progress and no change was signalled since it began.
    private var listAt: Duration? = .zero
    private var lastListing: Duration?
    /// When a snapshot of ours was stored last.
    private var storedAt: Duration?
    /// The snapshots that were merged when the send in progress began. Later ones need not be in it.
    private var covering: [String: SnapshotName] = [:]
    /// The newest snapshot under our name in the last listing.
    private var newestOwn: SnapshotName?
    private var mergesSinceSend = 0
    /// Decides when to send after another host has written a snapshot under our name.
    package private(set) var cover = NamesakeCover()
    private var isStarted = false
    private var hasRequestedInitial = false
    var isShuttingDown = false
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
        // A receiver has no snapshots of its own: those under its name are another host's.
        receiver = Receiver(own: settings.receiveOnly ? nil : settings.instance, settings: settings.receiver)
        sender = Sender(settings: settings.sender, transaction: transaction)
        if settings.hasShadows {
            capture = CaptureMachine(
                minimumInterval: settings.sender.minimumInterval, retryInterval: settings.receiver.retryInterval)
        }
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
        if isShuttingDown || isFinished { return nil }
        var next = receiver.nextRetry
        if let obstacle, sendObstacle(at: lastEvent) == nil {
            next.bringForward(to: obstacle.since + SendObstacle.reportedAfter)
        }
        if !isListing { next.bringForward(to: listAt) }
        next.bringForward(to: cover.due)
        // Work that the LMDB is too busy for waits for an event. Before the first capture everything else does.
        if let readsFrom = work.readsFrom, isCaptured {
            if maySend { next.bringForward(to: sender.due.map { max($0, readsFrom) }) }
            if receiver.hasReady, work.planned == nil { next.bringForward(to: readsFrom) }
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
        case .listed(let names, let began, let ceiling, let strangers):
            isListing = false
            failures.listing = 0
            let interval = settings.storagePollInterval * (1 - Self.pollTolerance)
            bringForwardListing(to: max(now + interval / 2, (lastListing ?? now) + interval))
            receiver.listed(
                fence?.listed(names, began: began, ceiling: ceiling, at: lastListing ?? now) ?? names,
                strangers: strangers, horizon: SnapshotHorizon(now: max(began, ceiling)))
            replaceWhatHasGone(names)
        case .listingFailed:
            isListing = false
            failures.listing += 1
            bringForwardListing(to: now + max(settings.storagePollInterval, settings.receiver.retryInterval))
        case .storageChanged:
            bringForwardListing(to: soonestListing(now))
        case .observed(let transaction, let isOurs):
            if isOurs { ownCommitted(transaction, at: now) } else { sender.observed(transaction, at: now) }
            capture?.observed(transaction, at: now)
        case .downloaded(let name):
            receiver.downloaded(name)
        case .vanished(let name):
            // A snapshot that stays in the listings counts as a failure.
            if receiver.vanished(name, at: now) {
                fence?.vanished()
                bringForwardListing(to: soonestListing(now))
            }
        case .downloadFailed(let name):
            receiver.failed(name, at: now)
        case .compared(let name):
            work.compared(name)
        case .merged(let name, let transaction, let isWhole):
            work.merged(name)
            receiver.merged(name, isWhole: isWhole)
            if name.instance == settings.instance, hasRequestedInitial {
                cover.merged(hasNews: transaction != nil, at: now)
            }
            if let transaction { ownCommitted(transaction, at: now) }
        case .refused(let name):
            work.merged(name)
            receiver.refused(name)
        case .mergeFailed(let name):
            work.merged(name)
            receiver.failed(name, at: now)
        case .read(let transaction):
            work.scanned()
            sender.read(transaction)
        case .foundNothing(let transaction):
            work.scanned()
            sender.foundNothing(transaction)
        case .captured(let through, let transaction):
            let isFirst = !isCaptured
            work.wrote(.capturing)
            failures.capture = 0
            capture?.captured(through: through, at: now)
            // Contents from before the start are part of the first send, whatever their transactions.
            if let transaction {
                if isFirst { sender.merged(as: transaction, at: now) } else { sender.observed(transaction, at: now) }
            }
        case .captureFailed:
            work.wrote(.capturing)
            capture?.failed(at: now)
            failures.capture += 1
        case .stored(let name):
            sender.stored()
            storedAt = now
            receiver.stored(name, covering: covering)
        case .sendFailed:
            work.scanned()
            sender.failed(at: now)
        case .unsendable:
            work.scanned()
            sender.failed(at: now, counts: settings.onlyOnce)
        case .swept(let transaction, let lock, let isLast):
            work.wrote(.sweeping)
            sweeper?.ended(lock, isLast: isLast, at: now)
            if let transaction { ownCommitted(transaction, at: now) }
        case .sweepFailed:
            work.wrote(.sweeping)
            sweeper?.failed(at: now)
        case .foundRecord(let record):
            // Snapshots merged before may be missing from the rebuilt database.
            if fence?.found(record) == true { receiver.forgetMerged() }
        case .recorded(let record, let transaction):
            work.wrote(.recording)
            failures.record = 0
            fence?.recorded(record)
            ownCommitted(transaction, at: now)
        case .recordFailed:
            work.wrote(.recording)
            failures.record += 1
            fence?.recordFailed(retryAt: now + settings.receiver.retryInterval)
        case .tick:
            break
        case .shutDown:
            isShuttingDown = true
        }
    }

    /// Reports a transaction of our own, which does not trigger a send.
    private mutating func ownCommitted(_ transaction: UInt64, at now: Duration) {
        sender.merged(as: transaction, at: now)
        capture?.ownCommitted(transaction)
    }

    /// Sends again if our snapshots were removed: changes that only they contained would be missing until the next
    /// change.
    private mutating func replaceWhatHasGone(_ names: [SnapshotName]) {
        let newest = names.filter { $0.instance == settings.instance }.max()
        defer { newestOwn = newest }
        guard let storedAt, let lastListing else { return }
        // A snapshot that has been listed stays listed. Before that, listings may lag.
        let hasGone = newestOwn.map { shown in newest.map { $0 < shown } ?? true } ?? false
        let isMissing = newest == nil && lastListing > storedAt + Self.patienceWithListings
        if hasGone || isMissing { sender.requestInitial() }
    }

    private func soonestListing(_ now: Duration) -> Duration {
        lastListing.map { max(now, $0 + Self.shortestListingInterval) } ?? now
    }

    private mutating func bringForwardListing(to time: Duration) { listAt.bringForward(to: time) }

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
        if isShuttingDown && work.isIdle && !sender.isSending {
            isFinished = true
            actions.append(.finish)
        }
        return actions
    }

    /// The next action on the LMDB that ``LMDBWork`` allows: merges first, then sends, then the sweeper. After
    /// ``mergesInARow`` merges a due send comes first.
    private mutating func nextLMDBAction(at now: Duration) -> Action? {
        if work.mayApply, let name = work.planned {
            work.begin(.applying(name), at: now)
            return .apply(name)
        }
        let sendIsDue = maySend && (sender.due.map { $0 <= now } ?? false)
        // A send captures by itself.
        if let due = capture?.due, due <= now, work.isIdle, !(isCaptured && sendIsDue) {
            capture?.started()
            work.begin(.capturing, at: now)
            return .capture
        }
        guard isCaptured, work.mayRead(at: now) else { return nil }
        if work.planned == nil, receiver.hasReady && !(sendIsDue && mergesSinceSend >= Self.mergesInARow) {
            if let name = receiver.nextMerge() {
                work.begin(.comparing(name))
                mergesSinceSend += 1
                return .compare(name)
            }
        }
        if sendIsDue {
            mergesSinceSend = 0
            cover.answered()
            work.begin(.scanning)
            covering = progress.merged
            sender.started(at: now)
            return .send
        }
        guard work.isIdle else { return nil }
        if let record = fence?.recordDue(at: now) {
            work.begin(.recording, at: now)
            return .record(record)
        }
        return sweep(at: now)
    }

    private mutating func sweep(at now: Duration) -> Action? {
        guard let sweeper, let due = sweepDue(at: now), due <= now else { return nil }
        self.sweeper?.started(at: now)
        work.begin(.sweeping, at: now)
        return .sweep(deletionTime: sweeper.deletionTime)
    }

    /// When the sweeper may continue; nil while that takes an event.
    private func sweepDue(at now: Duration) -> Duration? {
        guard let due = sweeper?.due, let begin = fence?.sweepsFrom(at: now) else { return nil }
        return max(due, begin)
    }

    /// Whether the application's changes from before the start are in the shadows; true without shadows.
    var isCaptured: Bool { capture?.hasStarted ?? true }

    /// A wiped LMDB must not replace our own earlier snapshots: they are loaded first.
    private var maySend: Bool { !settings.receiveOnly && receiver.isOwnLoaded && fenceIsOpen }

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
        guard work.isIdle && !receiver.hasReady && fence?.recordDue(at: now) == nil else { return false }
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

import Snapshots

/// The sync loop of one database as a pure state machine: what happened goes in, what to do comes out.
///
/// It knows the order of start-up, what may overlap, and who goes first. It does nothing itself and never asks
/// for the time: ``DatabaseSyncer`` performs its actions in the world, the tests perform them in a simulated one.
package struct SyncMachine {
    /// A snapshot of ours that a listing does not show this long after it was stored has gone.
    package static let patienceWithListings = Duration.seconds(60)
    /// After so many merges in a row a local change goes out first.
    package static let mergesInARow = 10
    /// Listings come by this part of their interval earlier, so that they fall together with the polls of the LMDB.
    package static let pollTolerance = 0.05
    /// Listings for signalled changes are at least this far apart.
    package static let shortestListingInterval = Duration.milliseconds(100)

    private let settings: Settings
    /// What is to be downloaded and merged.
    package private(set) var receiver: Receiver
    /// What is to be sent.
    package private(set) var sender: Sender
    private var sweeper: SweeperMachine?
    private var capture: CaptureMachine?
    /// What keeps a database from sending that has been away for too long.
    package private(set) var fence: StaleFence?
    /// Whether that lets anything be sent now.
    private var fenceIsOpen = true
    /// Since when something has kept changes from being sent.
    private var obstacle: (what: SendObstacle, since: Duration)?
    /// How many listings, captures and records in a row have failed, for single runs: those end some time.
    private var failures = (listing: 0, capture: 0, record: 0)
    /// When the first event came, and the last one.
    private var begin: Duration?
    private var lastEvent = Duration.zero
    private var isListing = false
    /// What is under way with the LMDB.
    package private(set) var work: LMDBWork
    /// When the next listing is due; nil while one is under way and no change was signalled since it began.
    private var listAt: Duration? = .zero
    private var lastListing: Duration?
    /// When a snapshot of ours was stored last.
    private var storedAt: Duration?
    /// What was merged when the send under way began: what is merged later need not be in it.
    private var covering: [String: SnapshotName] = [:]
    /// The newest one under our name in the last listing.
    private var newestOwn: SnapshotName?
    private var mergesSinceSend = 0
    /// When one of ours follows a snapshot that another host has written under our name.
    package private(set) var cover = NamesakeCover()
    private var isStarted = false
    private var hasRequestedInitial = false
    private var isShuttingDown = false
    private var isFinished = false

    /// - Parameters:
    ///   - transaction: the newest transaction of the LMDB at start.
    ///   - record: what the LMDB of the database remembers.
    package init(settings: Settings, transaction: UInt64, record: SyncRecord = SyncRecord()) {
        var settings = settings
        if let sweeping = settings.sweeper {
            let fence = StaleFence(
                own: settings.instance, retention: sweeping.retention, pollInterval: settings.storagePollInterval,
                firstInterval: sweeping.firstInterval, record: record)
            self.fence = fence
            // Whoever is in sync must be seen to be.
            let force = settings.sender.forceInterval
            settings.sender.forceInterval = force > .zero ? min(force, fence.limits.recent) : fence.limits.recent
        }
        self.settings = settings
        work = LMDBWork(hasShadows: settings.hasShadows)
        // Who never sends has no snapshots of its own: those under its name are somebody else's.
        receiver = Receiver(own: settings.receiveOnly ? nil : settings.instance, settings: settings.receiver)
        sender = Sender(settings: settings.sender, transaction: transaction)
        if settings.hasShadows {
            capture = CaptureMachine(
                minimumInterval: settings.sender.minimumInterval, retryInterval: settings.receiver.retryInterval)
        }
    }

    /// Takes in what happened.
    ///
    /// - Parameter now: the time since a fixed moment; never earlier than in the call before.
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

    /// What has been merged here, and what of that is sent on.
    package var progress: SyncProgress { receiver.progress }

    /// What keeps changes from being sent that wait for that, once it has lasted for a moment.
    package func sendObstacle(at now: Duration) -> SendObstacle? {
        obstacle.flatMap { now - $0.since >= SendObstacle.reportedAfter ? $0.what : nil }
    }

    private mutating func noteObstacle(at now: Duration) {
        guard let what = currentObstacle(at: now) else {
            obstacle = nil
            return
        }
        obstacle = (what, obstacle?.since ?? now)
    }

    private func currentObstacle(at now: Duration) -> SendObstacle? {
        guard !settings.receiveOnly, !isFenced, !isShuttingDown else { return nil }
        // While the next try is under way as well.
        guard sender.isWaiting else { return sender.isFailing ? .sendFails : nil }
        if !receiver.hasListing { return .notListed }
        if !isCaptured { return .notCaptured }
        if !receiver.isOwnLoaded { return .ownNotLoaded }
        guard let fence, !fenceIsOpen else { return sender.isFailing ? .sendFails : nil }
        if fence.isListingOld(at: now) { return .listingIsOld }
        let unsettled = receiver.unsettled
        return .catchingUp(waiting: unsettled.count, failing: unsettled.filter(\.isFailing).map(\.instance))
    }

    /// The instances because of which the database is not in sync; nil while it is, and when it is fenced already.
    package func lag(at now: Duration) -> SyncLag? {
        guard let fence, !isShuttingDown,
            case .failing(let time) = receiver.progress(
                of: settings.instance, patience: SendObstacle.reportedAfter, at: now),
            let (lastSync, fencedFrom) = fence.comesUp(loadedThrough: time)
        else { return nil }
        let failing = receiver.unsettled.map(\.instance)
        return SyncLag(failing: failing, since: lastSync, fencedFrom: fencedFrom)
    }

    /// When ``handle(_:at:)`` wants a tick at the latest, nil when only events can bring anything.
    package var nextTick: Duration? {
        if isShuttingDown || isFinished { return nil }
        var times: [Duration?] = [receiver.nextRetry]
        if let obstacle, sendObstacle(at: lastEvent) == nil {
            times.append(obstacle.since + SendObstacle.reportedAfter)
        }
        if !isListing { times.append(listAt) }
        times.append(cover.due)
        // What the LMDB is too busy for waits for the end of that, which wakes the loop. Before the first capture everything
        // else waits for that.
        if let readsFrom = work.readsFrom, isCaptured {
            if maySend { times.append(sender.due.map { max($0, readsFrom) }) }
            if receiver.hasReady, work.planned == nil { times.append(readsFrom) }
        }
        if work.isIdle {
            times.append(capture?.due)
            if isCaptured { times.append(sweepDue(at: lastEvent)) }
        }
        return times.compactMap(\.self).min()
    }

    /// Whether start-up is complete: listed, loaded, and one snapshot sent or not needed.
    package var isStartComplete: Bool {
        guard receiver.isStartLoaded, isCaptured else { return false }
        return settings.receiveOnly || isFenced || (hasRequestedInitial && sender.hasSentInitial)
    }

    private mutating func take(_ event: Event, at now: Duration) {
        switch event {
        case .listed(let names, let began, let ceiling, let stranger):
            isListing = false
            failures.listing = 0
            let interval = settings.storagePollInterval * (1 - Self.pollTolerance)
            bringForwardListing(to: max(now + interval / 2, (lastListing ?? now) + interval))
            receiver.listed(
                fence?.listed(names, began: began, ceiling: ceiling, at: lastListing ?? now) ?? names,
                stranger: stranger, horizon: SnapshotHorizon(now: max(began, ceiling)))
            replaceWhatHasGone(names)
        case .listingFailed:
            isListing = false
            failures.listing += 1
            bringForwardListing(to: now + max(settings.storagePollInterval, settings.receiver.retryInterval))
        case .storageChanged:
            bringForwardListing(to: soonestListing(now))
        case .observed(let transaction, let isOurs):
            if isOurs { noteOwn(transaction, at: now) } else { sender.observed(transaction, at: now) }
            capture?.observed(transaction, at: now)
        case .downloaded(let name):
            receiver.downloaded(name)
        case .vanished(let name):
            // One that stays in the listings counts as a failure.
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
            if let transaction { noteOwn(transaction, at: now) }
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
            // What was there before is sent with the first snapshot, whatever its transaction.
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
            if let transaction { noteOwn(transaction, at: now) }
        case .sweepFailed:
            work.wrote(.sweeping)
            sweeper?.failed(at: now)
        case .foundRecord(let record):
            // What was merged before need not be there any more.
            if fence?.found(record) == true { receiver.forgetMerged() }
        case .recorded(let record, let transaction):
            work.wrote(.recording)
            failures.record = 0
            fence?.recorded(record)
            noteOwn(transaction, at: now)
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

    /// A transaction of ours that nobody else need hear of.
    private mutating func noteOwn(_ transaction: UInt64, at now: Duration) {
        sender.merged(as: transaction, at: now)
        capture?.noteOwn(transaction)
    }

    /// Somebody removed our snapshots: what only they held must not be missing until something changes here.
    private mutating func replaceWhatHasGone(_ names: [SnapshotName]) {
        let newest = names.filter { $0.instance == settings.instance }.max()
        defer { newestOwn = newest }
        guard let storedAt, let lastListing else { return }
        // What a listing has shown it does not lose; until then it may be late.
        let hasGone = newestOwn.map { shown in newest.map { $0 < shown } ?? true } ?? false
        let isMissing = newest == nil && lastListing > storedAt + Self.patienceWithListings
        if hasGone || isMissing { sender.requestInitial() }
    }

    private func soonestListing(_ now: Duration) -> Duration {
        lastListing.map { max(now, $0 + Self.shortestListingInterval) } ?? now
    }

    private mutating func bringForwardListing(to time: Duration) { listAt = min(listAt ?? time, time) }

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
        // What has been compared and is not applied is loaded again with the next start.
        if isShuttingDown { work.dropPlanned() }
        if isShuttingDown && work.isIdle && !sender.isSending {
            isFinished = true
            actions.append(.finish)
        }
        return actions
    }

    /// What the LMDB does next, as far as ``LMDBWork`` lets it: merge what is ready, then send, and sweep when there is nothing
    /// else to do; but a send that is due is not kept waiting by ever more merges.
    private mutating func nextLMDBAction(at now: Duration) -> Action? {
        if work.mayApply, let name = work.planned {
            work.begin(.applying(name), at: now)
            return .apply(name)
        }
        let sendIsDue = maySend && (sender.due.map { $0 <= now } ?? false)
        // A send captures, too.
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

    /// When the sweeper may go on, nil when only an event can bring that.
    private func sweepDue(at now: Duration) -> Duration? {
        guard let due = sweeper?.due, let begin = fence?.sweepsFrom(at: now) else { return nil }
        return max(due, begin)
    }

    /// Whether what the application had written before the start is in the shadows, where there are any.
    private var isCaptured: Bool { capture?.hasStarted ?? true }

    /// A wiped LMDB must not replace the own snapshots of before: those come first.
    private var maySend: Bool { !settings.receiveOnly && receiver.isOwnLoaded && fenceIsOpen }

    /// Whether a single run has failed too often; others go on for ever.
    private var hasGivenUpLoading: Bool {
        guard settings.onlyOnce, let limit = settings.sender.retryLimit else { return false }
        return max(failures.listing, failures.capture, failures.record, receiver.mostFailures) > limit
    }

    private var isFenced: Bool { fence?.reason != nil }

    // The snapshot after start-up shows everything that was loaded, so it waits for that, but not for ever on an
    // instance whose snapshot can't be had.
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

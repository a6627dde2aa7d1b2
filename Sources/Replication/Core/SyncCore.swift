import BlobStorage
import Logging
import Snapshots

/// The sync loop of one database as a value: an event and the time go in, the effects of it come out.
///
/// Everything that decides anything about the database is in here: ``SyncMachine`` decides what is done next, the other
/// properties what is logged, reported and remembered. The core does nothing itself and knows no clock, no thread and no
/// storage. ``SyncEngine`` has its effects performed, in the world or in a simulation.
package struct SyncCore {
    let settings: SyncSettings
    /// What to do next.
    package private(set) var machine: SyncMachine
    /// What was reported about the state of the machine.
    private var notices: SyncNotices
    /// Why something failed last.
    var errors = SyncErrors()
    /// The last listing.
    var catalog: Catalog?
    /// What listings show besides the snapshots to load.
    var listings: ListingWatch
    /// Downloaded snapshots that wait to be merged, and since when.
    var downloaded: [SnapshotName: (order: MergeOrder, since: Duration)] = [:]
    /// Snapshots that have been compared and wait to be applied.
    var planned: [SnapshotName: MergeInHand] = [:]
    /// Snapshots that the map could not hold.
    var unfit = UnfitSnapshots()
    /// Snapshots in the last listing that were damaged when they were downloaded once.
    var suspects: Set<SnapshotName> = []
    /// Snapshots in the last listing that could not be found once.
    var vanished: Set<SnapshotName> = []
    /// The last of our transactions that has merged something.
    var lastMerge: UInt64 = 0
    /// The send under way.
    var send: SendInHand?
    /// The run of the sweeper under way, and when it began.
    var sweeping: (run: Sweep, begin: Duration)?
    /// The cleaner; nil where snapshots are not removed.
    private var cleaning: CleaningLoop?
    private let random: @Sendable () -> Double
    /// The progress that was reported last.
    private var progress = SyncProgress()
    var isStarted = false
    /// Whether ``Effect/end(_:)`` has come. Nothing happens any more.
    package private(set) var hasEnded = false
    var now = Duration.zero
    var wallTime: UInt64 = 0
    private var effects: [Effect] = []

    /// - Parameters:
    ///   - transaction: the newest transaction of the LMDB.
    ///   - record: the record in the LMDB.
    ///   - random: returns another number of 0..<1 each time.
    package init(
        settings: SyncSettings, transaction: UInt64, record: SyncRecord,
        random: @escaping @Sendable () -> Double = { .random(in: 0..<1) }
    ) {
        self.settings = settings
        self.random = random
        machine = SyncMachine(settings: settings.machine, transaction: transaction, record: record)
        notices = SyncNotices(database: settings.identity.database, instance: settings.machine.instance)
        listings = ListingWatch(instance: settings.machine.instance, tolerance: settings.clockSkewTolerance)
    }

    /// Takes in an event.
    ///
    /// - Parameter moment: its uptime is never earlier than in the call before.
    /// - Returns: what to do now, in this order.
    package mutating func handle(_ event: Event, at moment: SyncClock.Moment) -> [Effect] {
        guard !hasEnded else { return [] }
        (now, wallTime) = (moment.uptime, moment.wall)
        effects.removeAll(keepingCapacity: true)
        take(event)
        clean(event)
        for notice in notices.look(at: machine, now: now, errors: errors) { report(notice) }
        return effects
    }

    /// When a ``Event/tick`` is due at the latest; nil when only other events bring anything.
    package var nextTick: Duration? {
        if hasEnded { return nil }
        return [machine.nextTick, cleaning?.due].compactMap(\.self).min()
    }

    /// Why nothing is sent because of an absence; nil where something is.
    var fenceText: String? { notices.fenceText }

    /// For how long the download of a snapshot has waited for others.
    func waited(for name: SnapshotName) -> Duration { notices.waited(for: name, at: now) }

    // MARK: Effects

    mutating func emit(_ effect: Effect) { if !hasEnded { effects.append(effect) } }

    mutating func log(_ level: Logger.Level, _ text: String, _ metadata: Logger.Metadata = [:]) {
        emit(.log(level, text, metadata))
    }

    mutating func observe(_ event: SyncEvent) { emit(.observe(event)) }

    mutating func report(_ notice: SyncNotice) {
        switch notice {
        case .log(let level, let text, let metadata): log(level, text, metadata)
        case .event(let event): observe(event)
        }
    }

    /// Reports an error after which the same is tried again. Contents that do not fit the configuration end the process at
    /// start-up.
    mutating func report(_ error: any Error, _ what: String, _ metadata: Logger.Metadata = [:]) {
        if error is LocalContentError && !isStarted { return end(error) }
        log(.error, what, metadata.merging(["error": "\(error)"]) { old, _ in old })
    }

    mutating func end(_ error: (any Error)? = nil) {
        guard !hasEnded else { return }
        for merge in planned.values {
            if let inspection = merge.inspection { emit(.endInspection(inspection, nil)) }
        }
        if let inspection = send?.inspection { emit(.endSendInspection(inspection, nil)) }
        emit(.end(error))
        hasEnded = true
    }

    /// Explains which changes are only here, where the loop has ended.
    ///
    /// - Parameter transaction: the newest one of the LMDB.
    package func unsent(_ transaction: UInt64, at now: Duration) -> Effect? {
        guard !settings.machine.receiveOnly else { return nil }
        var sender = machine.sender
        sender.observed(transaction, at: now)
        guard sender.hasUnsent else { return nil }
        var reason = errors.send.isEmpty ? "the end came first" : errors.send
        if sender.isSending { reason = "the upload under way took too long" }
        return .log(
            .warning, "local changes have not been sent; they are sent at the next start",
            ["reason": "\(fenceText ?? reason)", "txnID": .stringConvertible(transaction)])
    }

    // MARK: The machine

    /// Lets the machine take in an event, and begins what it decides.
    mutating func step(_ event: SyncMachine.Event) {
        let actions = machine.handle(event, at: now)
        // Before anything else: the last of them may be the end.
        if machine.progress != progress {
            progress = machine.progress
            observe(.progressed(progress))
        }
        listings.namesakes.quietTime = machine.cover.quietTime
        for action in actions { begin(action) }
    }

    private mutating func begin(_ action: SyncMachine.Action) {
        switch action {
        case .list:
            observe(.listStarted)
            emit(.list(readsRecord: fenceText != nil))
        case .download(let name): beginDownload(name)
        case .compare(let name): beginMerge(name)
        case .apply(let name): applyMerge(name)
        case .send: beginSend()
        case .capture: emit(.capture)
        case .sweep(let deletionTime): beginSweep(deletionTime)
        case .record(let record): emit(.record(record))
        case .started:
            isStarted = true
            log(.info, "start-up is complete")
            observe(.started)
        case .giveUp:
            observe(.sendingGivenUp(errors.send))
            end(SendingGaveUp(tries: (settings.machine.sender.retryLimit ?? 0) + 1, last: errors.send))
        case .giveUpLoading: end(LoadingGaveUp(last: errors.load))
        case .endFenced: end(DatabaseIsStale(description: fenceText ?? ""))
        case .finish: end()
        }
    }

    private mutating func take(_ event: Event) {
        switch event {
        case .tick: step(.tick)
        case .shutDown: step(.shutDown)
        case .storageChanged: step(.storageChanged)
        case .observed(let transaction, let isOurs): step(.observed(transaction: transaction, isOurs: isOurs))
        case .lost(let error): end(error)
        case .freedReaders(let count):
            log(.info, "freed reader slots of dead processes", ["slots": .stringConvertible(count)])
        case .listed(let listing): listed(listing)
        case .listingFailed(let text): listingFailed(text)
        case .foundRecord(let record): step(.foundRecord(record))
        case .recordNotRead(let text):
            log(.error, "cannot read when this database was last in sync; it is tried again", ["error": "\(text)"])
        case .measuredMap(let name, let size, let grows): measured(name, size, grows)
        case .downloaded(let name, let body, let time): downloaded(name, body, time)
        case .downloadFailed(let name, let error, let time): downloadFailed(name, error, time)
        case .compared(let merge):
            planned[merge.name] = merge
            step(.compared(merge.name))
        case .merged(let merge, let report, let newest): merged(merge, report, newest)
        case .mergeFailed(let name, let failure): mergeFailed(name, failure)
        case .captured(let outcome, let time): captured(outcome, time)
        case .captureFailed(let error): captureFailed(error)
        case .scanned(let scan): scanned(scan)
        case .foundNothing(let transaction):
            send = nil
            step(.foundNothing(transaction: transaction))
        case .scanFailed(let error), .storeFailed(let error): sendFailed(error)
        case .stored: stored()
        case .swept(let run, let transaction, let lock): swept(run, transaction, lock)
        case .sweepFailed(let error): sweepFailed(error)
        case .recorded(let record, let transaction): step(.recorded(record, transaction: transaction))
        case .recordFailed(let error): recordFailed(error)
        case .listedForCleaner, .cleanerListingFailed, .removed, .removalFailed, .removedLeftovers, .leftoversFailed:
            break
        }
    }

    // MARK: The cleaner

    private mutating func clean(_ event: Event) {
        guard let settings = settings.cleaner, !self.settings.machine.receiveOnly, !self.settings.machine.onlyOnce
        else { return }
        var cleaning = cleaning ?? CleaningLoop(settings: settings, random: random, at: now)
        for effect in cleaning.handle(event, progress, at: now) { emit(effect) }
        self.cleaning = cleaning
    }
}

/// A send under way.
struct SendInHand {
    /// When it began to read.
    var begin: Duration
    /// What was merged of other hosts of our name when it began.
    var strangers: Set<SnapshotName>
    /// What was read, and when that ended; nil while it is being read.
    var scan: SyncCore.Scan?
    var readAt = Duration.zero

    var inspection: (any SendInspection)? { scan?.inspection }
}

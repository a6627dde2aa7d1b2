import BlobStorage
import Logging
import Snapshots
import Support

/// The sync loop of one database as a value: takes an event and the time, returns effects.
///
/// It contains all state that affects decisions about the database: ``SyncMachine`` decides what to do next, the other
/// properties what is logged, reported and remembered. The core performs nothing itself and uses no clock, thread or
/// storage. ``SyncEngine`` has its effects performed, live or in a simulation.
package struct SyncCore {
    let settings: SyncSettings
    /// Decides what to do next.
    package private(set) var machine: SyncMachine
    /// The reported state of the machine.
    private var notices: SyncNotices
    /// The last errors.
    var errors = SyncErrors()
    /// Detects problems in listings.
    var listings: ListingWatch
    /// Downloaded snapshots that wait to be merged, and since when.
    var downloaded: [SnapshotName: (body: Spool, time: Duration, since: Duration)] = [:]
    /// Compared snapshots that wait to be applied.
    var planned: [SnapshotName: MergeInHand] = [:]
    /// Snapshots that do not fit the map.
    var unfit = UnfitSnapshots()
    /// Snapshots in the last listing that were damaged in one download.
    var suspects: Set<SnapshotName> = []
    /// Snapshots in the last listing that were not found once.
    var vanished: Set<SnapshotName> = []
    /// The last transaction of a merge.
    var lastMerge: UInt64 = 0
    /// The send in progress.
    var send: SendInHand?
    /// The inspections of changes in a delta that is not stored yet: the next send reads only later changes.
    var carried: [any SendInspection] = []
    /// The run of the sweeper in progress, and when it began.
    var sweeping: (run: Sweep, begin: Duration)?
    /// The cleaner; nil if snapshots are not removed.
    private var cleaning: CleaningLoop?
    let random: @Sendable () -> Double
    private let isLogging: Bool
    /// The progress that was reported last.
    private var progress = SyncProgress()
    private var hearing = Hearing()
    var isStarted = false
    /// Whether ``Effect/end(_:)`` was returned. Further events have no effect.
    package private(set) var hasEnded = false
    var now = Duration.zero
    var wallTime: UInt64 = 0
    private var effects: [Effect] = []

    /// - Parameters:
    ///   - transaction: the newest transaction of the LMDB.
    ///   - record: the record in the LMDB.
    ///   - positions: the positions recorded in the LMDB.
    ///   - isLogging: whether to return ``Effect/log``; a simulation has no use for most of them.
    ///   - random: returns a new random number of 0..<1 with each call.
    package init(
        settings: SyncSettings, transaction: UInt64, record: SyncRecord,
        positions: RecordedPositions = RecordedPositions(), isLogging: Bool = true,
        random: @escaping @Sendable () -> Double = { .random(in: 0..<1) }
    ) {
        self.isLogging = isLogging
        self.settings = settings
        self.random = random
        machine = SyncMachine(settings: settings.machine, transaction: transaction, record: record)
        if settings.machine.deltas != nil { machine.restored(positions, of: settings.identity.database) }
        notices = SyncNotices(
            instance: settings.machine.instance, rebuild: settings.cure(.rebuild(settings.identity.database)))
        listings = ListingWatch(instance: settings.machine.instance, tolerance: settings.clockSkewTolerance)
    }

    /// Handles an event.
    ///
    /// - Parameter moment: its uptime must not be earlier than in the call before.
    /// - Returns: what to do now, in this order.
    package mutating func handle(_ event: Event, at moment: Moment) -> [Effect] {
        guard !hasEnded else { return [] }
        (now, wallTime) = (moment.uptime, UInt64(moment.wall))
        effects.removeAll(keepingCapacity: true)
        take(event)
        clean(event)
        for notice in notices.update(from: machine, now: now, errors: errors) { report(notice) }
        return effects
    }

    /// When the next ``Event/tick`` is due at the latest; nil if only other events matter.
    package var nextTick: Duration? {
        if hasEnded { return nil }
        var next = machine.nextTick
        next.bringForward(to: cleaning?.due)
        return next
    }

    /// Why sending is blocked after an absence; nil if it is not.
    var fenceText: String? { notices.fenceText }

    /// For how long the download of a snapshot has waited for others.
    func waited(for name: SnapshotName) -> Duration { notices.waited(for: name, at: now) }

    // MARK: Effects

    mutating func emit(_ effect: Effect) { if !hasEnded { effects.append(effect) } }

    mutating func log(
        _ level: Logger.Level, _ text: @autoclosure () -> String, _ metadata: @autoclosure () -> Logger.Metadata = [:]
    ) {
        if isLogging { emit(.log(level, text(), metadata())) }
    }

    mutating func observe(_ event: SyncEvent) { emit(.observe(event)) }

    mutating func report(_ notice: SyncNotice) {
        switch notice {
        case .log(let level, let text, let metadata): log(level, text, metadata)
        case .event(let event): observe(event)
        }
    }

    /// Reports a temporary error. At start-up, contents that do not fit the configuration end the process.
    mutating func report(_ error: any Error, _ what: String, _ metadata: Logger.Metadata = [:]) {
        if error is LocalContentError && !isStarted { return end(error) }
        let text = settings.text(of: error)
        log(.error, what, metadata.merging(["error": "\(text)"]) { old, _ in old })
    }

    mutating func end(_ error: (any Error)? = nil) {
        guard !hasEnded else { return }
        for merge in planned.values {
            if let inspection = merge.inspection { emit(.endInspection(inspection, nil)) }
        }
        for inspection in carried + [send?.inspection].compactMap(\.self) { emit(.endSendInspection(inspection, nil)) }
        emit(.end(error))
        hasEnded = true
    }

    /// Reports unsent local changes after the end of the loop.
    ///
    /// - Parameter transaction: the newest transaction of the LMDB.
    package func unsent(_ transaction: UInt64, at now: Duration) -> Effect? {
        guard !settings.machine.receiveOnly else { return nil }
        var sender = machine.sender
        sender.observed(transaction, at: now)
        guard sender.hasUnsent else { return nil }
        var reason = errors.send.isEmpty ? "the process ended first" : errors.send
        if sender.isSending { reason = "the upload in progress took too long" }
        return .log(
            .warning, "local changes have not been sent; they will be sent after the next start",
            ["reason": "\(fenceText ?? reason)", "txnID": .stringConvertible(transaction)])
    }

    // MARK: The machine

    /// Passes an event to the machine, and begins its actions.
    mutating func step(_ event: SyncMachine.Event) {
        let actions = machine.handle(event, at: now)
        // First, as the last of the actions may end the loop.
        if machine.progress.revision.number != progress.revision.number {
            progress = machine.progress
            observe(.progressed(progress))
        }
        if machine.hearing != hearing {
            hearing = machine.hearing
            observe(.hearing(hearing))
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
        case .apply(let names): applyMerges(names)
        case .send(let kind): beginSend(kind)
        case .widen(let deltas): emit(.widen(deltas))
        case .capture: emit(.capture)
        case .sweep(let deletionTime): beginSweep(deletionTime)
        case .record(let record): emit(.record(record))
        case .recordPositions: emit(.recordPositions(positions(of: machine.receiver)))
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
        case .hint(let hint): hinted(hint)
        case .feed(let isUp): step(.feed(isUp: isUp))
        case .observed(let transaction, let isOurs): step(.observed(transaction: transaction, isOurs: isOurs))
        case .lost(let error): end(error)
        case .freedReaders(let count):
            log(.info, "freed reader slots of dead processes", ["slots": .stringConvertible(count)])
        case .listed(let listing): listed(listing)
        case .listingFailed(let text): listingFailed(text)
        case .foundRecord(let record): step(.foundRecord(record))
        case .recordNotRead(let text):
            log(.error, "cannot read when this database was last in sync; will retry", ["error": "\(text)"])
        case .measuredMap(let name, let size, let grows): measured(name, size, grows)
        case .downloaded(let name, let body, let version, let time): downloaded(name, body, version, time)
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
        case .stored(let version): stored(version)
        case .widened(let object):
            log(
                .debug, "merged several deltas into one",
                ["snapshot_name": "\(object.name)", "snapshot_size": .stringConvertible(object.size)])
            step(.widened(object))
        case .wideningFailed(let error):
            report(error, "cannot merge several deltas into one; will retry")
            step(.wideningFailed)
        case .proved(let proof): proved(proof)
        case .notProved(let error): report(error, "cannot check a comparison of pages; will retry")
        case .swept(let run, let transaction, let lock): swept(run, transaction, lock)
        case .sweepFailed(let error): sweepFailed(error)
        case .recorded(let record, let transaction): step(.recorded(record, transaction: transaction))
        case .recordFailed(let error): recordFailed(error)
        case .recordedPositions(let transaction): step(.recordedPositions(transaction: transaction))
        case .positionsNotRecorded(let text):
            log(.warning, "cannot record what is merged; the next start reads it again", ["error": "\(text)"])
            step(.recordedPositions(transaction: nil))
        case .listedForCleaner, .cleanerListingFailed, .removed, .removalFailed, .removedLeftovers, .leftoversFailed:
            break
        }
    }

    // MARK: The cleaner

    private mutating func clean(_ event: Event) {
        guard let settings = settings.cleaner, !self.settings.machine.receiveOnly, !self.settings.machine.onlyOnce
        else { return }
        if cleaning == nil { cleaning = CleaningLoop(settings: settings, random: random, at: now) }
        for effect in cleaning?.handle(event, progress, at: now) ?? [] { emit(effect) }
    }
}

/// A send in progress.
struct SendInHand {
    /// What it stores.
    var kind: OwnChain.Send
    /// When it began to read.
    var begin: Duration
    /// The snapshots of other hosts with our name that were merged when it began.
    var strangers: Set<SnapshotName>
    /// The result of reading; nil while reading.
    var scan: SyncCore.Scan?
    var readAt = Duration.zero

    var inspection: (any SendInspection)? { scan?.inspection }
}

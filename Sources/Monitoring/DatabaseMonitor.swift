import BlobStorage
import LMDB
import Logging
import Observability
import Replication
import Snapshots
import Support
import Synchronization

/// Monitors one database: converts its events to metrics, health checks, and its part of the report.
final class DatabaseMonitor: Sendable {
    /// State shared by the monitors of all databases.
    struct Shared: Sendable {
        var settings: MonitorSettings
        var clock: @Sendable () -> Moment
        var metrics: SyncMetrics
        var cleaning: CleaningMetrics
        var board: HealthBoard
        var logger: Logger
        /// Records a problem.
        var noteProblem: @Sendable (_ text: String, _ database: String, Moment) -> Void
    }

    struct State {
        var record: DatabaseRecord
        var log = TransactionLog()
        var health: SyncHealth
        /// What the state object may say of others.
        var published = PublishedPositions()
        /// What the state object last said of others.
        var shown = PublishedPositions.Positions(applied: [:], covered: nil)
        /// Called when the state object has changed.
        var changed: @Sendable () -> Void = {}

        /// The positions of others that are merged.
        var positions: PublishedPositions.Positions { .init(applied: record.applied, covered: record.covered) }

        /// Whether the state object has to say something else of others than before.
        mutating func hasNews() -> Bool {
            let before = shown
            shown = published.positions(positions)
            return shown != before
        }
    }

    /// The positions after a listing or a progress.
    private struct Positions {
        /// Those reached, with the age of those that a delta has reached.
        var reached: [(position: SnapshotName, age: Duration?)] = []
        /// See ``DatabaseRecord/positionLags``.
        var lags: [String: Double]
        /// Whether the state object says something else.
        var areNews = false

        /// Nil after other events.
        init?(_ event: SyncEvent, _ state: inout State) {
            lags = state.record.positionLags
            if case .listed = event { return }
            guard case .progressed = event else { return nil }
            reached = state.record.reached
            areNews = state.hasNews()
        }
    }

    let settings: MonitorSettings.Database
    let states: OtherStates
    /// Who is in the storage, for ``Monitor/complete(_:_:except:)``.
    let listing: CurrentListing
    private let shared: Shared
    let state: Mutex<State>
    private let lmdb: OpenLMDB

    init(_ settings: MonitorSettings.Database, _ shared: Shared) {
        self.settings = settings
        self.shared = shared
        let name = settings.name
        let now = shared.clock()
        state = Mutex(
            State(
                record: DatabaseRecord(
                    name: name, own: shared.settings.instance, receiveOnly: shared.settings.receiveOnly,
                    keyID: shared.settings.keyID, at: now),
                health: SyncHealth(name, shared.settings.health, at: now.uptime)))
        var logger = shared.logger
        logger[metadataKey: "db"] = "\(name)"
        let states = OtherStates(
            database: name, own: shared.settings.instance, logger: logger,
            areAuthentic: shared.settings.statesAreAuthentic)
        self.states = states
        listing = CurrentListing(
            database: name, oldest: shared.settings.pollInterval, trustsSyncer: !shared.settings.hasUpdateMarker,
            now: { [clock = shared.clock] in clock().uptime }, listed: { states.listed($0.states) })
        lmdb = OpenLMDB(name)
        shared.metrics.begin(name, downloads: settings.downloads)
        shared.cleaning.begin(name)
        if shared.settings.health.notesStart { shared.board.note("startup_\(name)", false) }
        showHealth()
    }

    /// Handles an event. Fast, on any thread.
    func observe(_ event: SyncEvent) {
        let now = shared.clock()
        let (changed, positions, own) = state.withLock { state in
            state.record.handle(event, at: now)
            state.log.handle(event)
            state.health.handle(event, at: now.uptime)
            return (state.changed, Positions(event, &state), state.record.receiveOnly ? nil : state.record.own)
        }
        shared.metrics.count(event, of: settings.name, own: own, at: now)
        if let positions {
            shared.metrics.show(positions.reached, lags: positions.lags, of: settings.name)
            if positions.areNews { changed() }
        }
        listing.observe(event)
        shared.cleaning.count(event, of: settings.name)
        noteProblem(event, now)
        switch event {
        case .opened(let environment): lmdb.opened(environment)
        case .ended: lmdb.ended()
        case .listed(let catalog):
            states.listed(catalog.states.merging(listing.states) { _, found in found })
            listen(at: catalog.time)
        case .started:
            if shared.settings.health.notesStart { shared.board.note("startup_\(settings.name)", true) }
            changed()
        case .stored: changed()
        case .listStarted, .listFailed, .downloadStarted, .downloaded, .downloadVanished, .downloadFailed,
            .downloadsWaiting, .mergesWaiting, .mergeStarted, .mergeFailed, .refused, .storing, .compared,
            .proved, .pinned,
            // What a merge has reached is known with the progress.
            .merged, .progressed,
            .sendFailed, .sendingGivenUp, .settled, .swept, .fenced, .sendBlocked, .notInSync, .namesake, .clockSkew,
            .ownClock, .hinted, .hintMerged, .hearing,
            .cleanerListed, .cleanerListFailed, .cleanerDeleted, .cleanerDeleteFailed:
            break
        }
        switch event {
        case .listStarted:
            shared.board.update { checks, _ in state.withLock { $0.health.showListing(in: &checks) } }
        case .listed, .listFailed, .merged, .mergeFailed, .downloadVanished, .downloadFailed, .refused,
            .stored,
            .settled, .fenced, .sendBlocked, .notInSync, .proved, .sendFailed, .sendingGivenUp, .started, .namesake,
            .clockSkew, .ownClock:
            showHealth()
        case .opened, .downloadStarted, .downloaded, .downloadsWaiting, .mergesWaiting, .mergeStarted, .progressed,
            .storing, .compared, .hinted, .hintMerged, .hearing, .pinned, .swept, .cleanerListed, .cleanerListFailed,
            .cleanerDeleted,
            .cleanerDeleteFailed, .ended:
            break
        }
    }

    /// Detects silent instances.
    ///
    /// - Parameter now: the end of the listing, by the storage's clock.
    private func listen(at now: UInt64) {
        let (known, senseless) = states.latest
        let (stateTimes, isUnknown) = state.withLock { state in
            let isUnknown = state.record.listen(to: known, at: now, senseless: Set(senseless.keys))
            return (state.record.stateTimes, isUnknown)
        }
        let promised = stateTimes.filter { known[$0.key]?.interval != 0 && senseless[$0.key] == nil }
        shared.metrics.stateTimes(promised, of: settings.name)
        // The state object tells whether more is expected. The next listing uses it.
        if isUnknown { Task { [states] in _ = await states.value() } }
    }

    private func showHealth() {
        shared.board.update { checks, _ in
            state.withLock { $0.health.show($0.record, in: &checks) }
        }
    }

    private func noteProblem(_ event: SyncEvent, _ now: Moment) {
        let text: String? =
            switch event {
            case .listFailed(let error): "cannot list the snapshots: \(error)"
            case .downloadFailed(let name, let error, _): "cannot download \(name): \(error)"
            case .mergeFailed(let name, let error, _): "cannot merge \(name): \(error)"
            case .refused(let name, _, let error, _): "\(name) is rejected: \(error)"
            case .sendFailed(let error): "cannot send a snapshot: \(error)"
            case .sendingGivenUp(let error): "gave up sending: \(error)"
            case .namesake(let name): name.map { "another host uses this instance's name: it wrote \($0)" }
            case .proved(let proof): proof.isSound ? nil : SyncHealth.wrongDiff
            case .fenced(let reason), .sendBlocked(let reason), .notInSync(let reason): reason
            case .cleanerListFailed(let error): "cannot list the snapshots to clean up: \(error)"
            case .cleanerDeleteFailed(let name, let error): "cannot remove \(name): \(error)"
            case .swept(let report): report.problem.map { "the sweeper skipped entries: \($0)" }
            case .ownClock(let ahead, true): OwnClock.text(ahead: ahead)
            case .clockSkew(let instance, let ahead, true):
                "the clock of \(instance) is \(LastingTrouble.text(ahead)) ahead"
            case .opened, .listStarted, .listed, .downloadStarted, .downloaded, .downloadVanished, .downloadsWaiting,
                .mergesWaiting, .mergeStarted, .merged, .progressed, .storing, .stored, .compared, .hinted, .hintMerged,
                .hearing, .pinned, .settled,
                .started, .cleanerListed, .cleanerDeleted, .ended, .ownClock, .clockSkew:
                nil
            }
        if let text { shared.noteProblem(text, settings.name, now) }
    }

    // MARK: Asking

    /// The facts about the LMDB; nil while it is not open, or has not answered yet.
    func facts() async -> StatusReport.LMDBFacts? { await lmdb.facts.value() }

    /// The database's part of the report.
    func report() async -> StatusReport.Database {
        async let facts = lmdb.facts.value()
        async let others = states.value()
        let (lmdbFacts, states) = await (facts, others)
        let transaction = lmdb.lastTransaction
        return state.withLock { state in
            StatusReport.Database(
                &state.record, path: settings.path, lmdb: lmdbFacts, lastTransaction: transaction, states: states,
                at: shared.clock())
        }
    }

    /// Sets the storage.
    ///
    /// - Parameter store: the storage without its update marker.
    func attach(_ store: any BlobStore) {
        states.attach(store)
        listing.attach(store)
    }

    /// Sets the function to call when the state object has changed.
    func onChange(_ action: @escaping @Sendable () -> Void) { state.withLock { $0.changed = action } }

    /// A merge has ended that is not visible to everybody yet: the state object keeps the positions before it until the returned function
    /// is called, or until the time expires.
    func holdPositions(atMost limit: Duration) -> @Sendable () -> Void {
        let number = state.withLock { $0.published.hold($0.positions) }
        let release: @Sendable () -> Void = { [weak self] in self?.releasePositions(number) }
        Task {
            try? await Task.sleep(for: limit)
            release()
        }
        return release
    }

    private func releasePositions(_ number: UInt64) {
        let changed = state.withLock { state -> (@Sendable () -> Void)? in
            state.published.release(number) && state.hasNews() ? state.changed : nil
        }
        changed?()
    }

    /// The contents of the state object; nil if there are none.
    ///
    /// - Parameter isLast: whether the process ends.
    func ownState(isLast: Bool) -> InstanceState? {
        let settings = shared.settings
        let status = shared.board.report().outcome.status.rawValue
        let time = shared.clock().wall
        return state.withLock { state in
            // Without a listing this process must not publish: it may be the second daemon on one LMDB.
            guard !isLast || (settings.onlyOnce ? state.record.isStarted : state.record.listing != nil) else {
                return nil
            }
            // After a single run nothing is published any more.
            let positions = isLast && settings.onlyOnce ? state.positions : state.published.positions(state.positions)
            return InstanceState(
                state.record, positions: positions, hostname: settings.hostname, software: settings.software, at: time,
                health: isLast && !settings.onlyOnce ? InstanceState.stopped : status,
                interval: settings.onlyOnce ? 0 : 300, url: settings.advertisedURL)
        }
    }
}

/// The LMDB of a database while it is open.
private final class OpenLMDB: Sendable {
    private final class Slot: Sendable {
        let environment = Mutex<Environment?>(nil)
    }

    private let slot = Slot()
    let facts: OnDemand<StatusReport.LMDBFacts>

    init(_ name: String) {
        // A separate pool, because a read may wait for the disk.
        let pool = BlockingPool(label: "monitor-\(name)", width: 1)
        facts = OnDemand { [slot] in
            guard slot.environment.withLock({ $0 != nil }) else { return nil }
            return try? await pool.run { _ in
                guard let environment = slot.environment.withLock(\.self) else { return nil }
                return try StatusReport.LMDBFacts(environment)
            } ?? nil
        }
    }

    func opened(_ environment: Environment) { slot.environment.withLock { $0 = environment } }

    func ended() { slot.environment.withLock { $0 = nil } }

    /// Does not wait for transactions.
    var lastTransaction: UInt64? { slot.environment.withLock(\.self)?.info.lastTransactionID }
}

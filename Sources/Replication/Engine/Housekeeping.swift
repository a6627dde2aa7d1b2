import LMDB
import Support
import Synchronization

/// Polls the LMDB for its newest transaction, checks its file and its reader table, and sends the ticks.
///
/// What is due at about the same time is done together, so that an idle daemon wakes up once per interval.
final class Housekeeping: Sendable {
    private struct State {
        var lastReaderCheck: Duration
        /// The newest transaction, and the last reported one.
        var newest: UInt64 = 0
        var reported: UInt64?
        /// When the next poll is due.
        var poll: Duration
        /// When the next tick is due, and whether it may be sent with a poll a little later.
        var tick: (time: Duration, mayWait: Bool)?
        var isLost = false
        /// The last reported age of the oldest pinned transaction.
        var pinAge: UInt64 = 0
    }

    /// The next call of the thread.
    struct Alarm {
        var time: Duration
        /// Whether to poll.
        var polls = false
        /// Whether to send a tick.
        var ticks = false

        /// - Parameters:
        ///   - poll: when the next poll is due.
        ///   - tick: when the next tick is due, and whether it may be sent with a poll a little later.
        ///   - interval: between polls.
        init(poll: Duration, tick: (time: Duration, mayWait: Bool)?, interval: Duration) {
            time = poll
            polls = true
            guard let tick, tick.time - poll <= interval / 10 else { return }
            ticks = true
            if tick.time >= poll {
                time = tick.time
            } else if !tick.mayWait || poll - tick.time > interval / 10 {
                time = tick.time
                polls = false
            }
        }
    }

    /// How often reader slots of dead processes are freed.
    static let readerCheckInterval = Duration.seconds(60)

    private let database: SyncedDatabase
    private let interval: Duration
    /// Whether to report the newest transaction.
    private let observes: Bool
    private let clock: SyncClock
    private let observer: any SyncObserver
    private let thread: LoopThread
    private let post: AsyncStream<SyncCore.Event>.Continuation
    private let state: Mutex<State>

    /// - Parameter thread: the loop's, which calls it.
    init(
        _ database: SyncedDatabase, interval: Duration, observes: Bool, clock: SyncClock, observer: any SyncObserver,
        thread: LoopThread, post: AsyncStream<SyncCore.Event>.Continuation
    ) {
        self.database = database
        self.interval = interval
        self.observes = observes
        self.clock = clock
        self.observer = observer
        self.thread = thread
        self.post = post
        let now = clock.uptime()
        state = Mutex(State(lastReaderCheck: now, poll: now + interval))
    }

    /// Sets the time of the next tick; nil for none. The polls begin with the first call.
    func wake(at time: Duration?) {
        let now = clock.uptime()
        state.withLock { state in
            // Nobody notices whether something that happens every few seconds happens a little later.
            state.tick = time.map { ($0, mayWait: $0 - now > interval / 2) }
        }
        setAlarm(now)
    }

    /// Ends polls and ticks.
    func stop() { thread.cancelAlarm() }

    private func setAlarm(_ now: Duration) {
        let alarm = state.withLock { Alarm(poll: $0.poll, tick: $0.tick, interval: interval) }
        thread.setAlarm(after: alarm.time - now) { [weak self] in self?.ring(alarm) }
    }

    private func ring(_ alarm: Alarm) {
        let now = clock.uptime()
        if alarm.polls { poll(now) }
        if alarm.ticks {
            state.withLock { $0.tick = nil }
            post.yield(.tick)
        }
        setAlarm(now)
    }

    private func poll(_ now: Duration) {
        let environment = database.environment
        let transaction = environment.info.lastTransactionID
        let isInPlace = environment.isInPlace
        let (observation, checksReaders, isLost) = state.withLock { state -> (Bool, Bool, Bool) in
            state.poll = now + interval
            guard !state.isLost else { return (false, false, false) }
            // Transaction IDs decrease only if a backup was copied over the open file. Later changes would be missed
            // until their IDs exceed the old ones.
            state.isLost = !isInPlace || transaction < state.newest
            let isNews = observes && state.reported != transaction
            if isNews { state.reported = transaction }
            state.newest = max(state.newest, transaction)
            let checksReaders = now - state.lastReaderCheck >= Self.readerCheckInterval
            if checksReaders { state.lastReaderCheck = now }
            return (isNews, checksReaders, state.isLost)
        }
        if observation { post.yield(database.observation) }
        database.checkPins()
        reportPin()
        if checksReaders {
            let freed = environment.clearStaleReaders()
            if freed > 0 { post.yield(.freedReaders(freed)) }
        }
        guard isLost else { return }
        post.yield(
            .lost(
                LocalContentError(
                    "the LMDB \(environment.options.dataFile) was removed or replaced while it was open; "
                        + "restart to use the new one")))
    }
    /// Reports the age of the oldest pinned transaction if it has changed.
    private func reportPin() {
        let age = database.pinAge
        let isNews = state.withLock { state in
            defer { state.pinAge = age }
            return state.pinAge != age
        }
        if isNews { observer.observe(.pinned(age: age), of: database.settings.identity.database) }
    }
}

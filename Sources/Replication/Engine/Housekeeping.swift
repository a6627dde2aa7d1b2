import LMDB
import Support
import Synchronization

/// Polls the LMDB for its newest transaction, and checks its file and its reader table.
///
/// Ticks that are due at about the same time are sent with the poll, so that an idle daemon wakes up once per interval.
final class Housekeeping: Sendable {
    private struct State {
        var lastReaderCheck: Duration
        /// The newest transaction, and the last reported one.
        var newest: UInt64 = 0
        var reported: UInt64?
        /// When the next poll is due.
        var next: Duration
        /// When a tick is due that is sent with a poll.
        var tick: Duration?
        var isLost = false
    }

    /// How often reader slots of dead processes are freed.
    static let readerCheckInterval = Duration.seconds(60)

    private let database: SyncedDatabase
    private let interval: Duration
    /// Whether to report the newest transaction.
    private let observes: Bool
    private let clock: SyncClock
    private let post: AsyncStream<SyncCore.Event>.Continuation
    private let state: Mutex<State>

    init(
        _ database: SyncedDatabase, interval: Duration, observes: Bool, clock: SyncClock,
        post: AsyncStream<SyncCore.Event>.Continuation
    ) {
        self.database = database
        self.interval = interval
        self.observes = observes
        self.clock = clock
        self.post = post
        let now = clock.uptime()
        state = Mutex(State(lastReaderCheck: now, next: now + interval))
    }

    /// Polls until the returned pulse is stopped.
    func start() -> Pulse {
        Pulse(every: interval, label: "poll-\(database.settings.identity.database)") { [weak self] in self?.poll() }
    }

    /// Accepts a tick that is due shortly before the next poll.
    ///
    /// - Returns: false if the tick needs a timer of its own.
    func takesOver(tick time: Duration) -> Bool {
        state.withLock { state in
            guard time <= state.next, state.next - time <= interval / 10 else {
                state.tick = nil
                return false
            }
            state.tick = time
            return true
        }
    }

    private func poll() {
        let environment = database.environment
        let (now, transaction) = (clock.uptime(), environment.info.lastTransactionID)
        let isInPlace = environment.isInPlace
        let (observation, isDue, checksReaders) = state.withLock { state -> (Bool, Bool, Bool) in
            guard !state.isLost else { return (false, false, false) }
            // Transaction IDs decrease only if a backup was copied over the open file. Later changes would be missed
            // until their IDs exceed the old ones.
            state.isLost = !isInPlace || transaction < state.newest
            let isNews = observes && state.reported != transaction
            if isNews { state.reported = transaction }
            state.newest = max(state.newest, transaction)
            state.next = now + interval
            let isDue = state.tick.map { $0 <= now } ?? false
            if isDue { state.tick = nil }
            let checksReaders = now - state.lastReaderCheck >= Self.readerCheckInterval
            if checksReaders { state.lastReaderCheck = now }
            return (isNews, isDue, checksReaders)
        }
        if observation { post.yield(database.observation) }
        if isDue { post.yield(.tick) }
        if checksReaders {
            let freed = environment.clearStaleReaders()
            if freed > 0 { post.yield(.freedReaders(freed)) }
        }
        guard state.withLock(\.isLost) else { return }
        post.yield(
            .lost(
                LocalContentError(
                    "the LMDB \(environment.options.dataFile) was removed or replaced while it was open; "
                        + "restart to use the new one")))
    }
}

import Glibc
import LMDB
import Logging
import Monitoring
import Observability
import Replication
import Support
import Synchronization

/// A sync loop whose liveness can be checked.
protocol WatchedLoop: Sendable {
    /// Increases soon after ``probe()`` unless the loop is stuck.
    var turns: Int { get }
    /// Makes it turn once.
    func probe()
}

extension DatabaseSyncer: WatchedLoop {}

/// Notifies the service manager (systemd) of the daemon's state: READY, STATUS, WATCHDOG, STOPPING.
///
/// Messages that could not be sent are repeated with the next check, so that none is lost if the service manager is busy.
final class ServiceNotifier: SyncObserver {
    private struct State {
        let socket: NotifySocket
        var status: ServiceStatus
        var watch = LoopWatch()
        var loops: [String: any WatchedLoop] = [:]
        var environments: [String: Environment] = [:]
        var sentReady = false
        var sentText = ""
        var isStopping = false
        /// Number of consecutive checks with an inactive loop.
        var silences = 0
        var loggedFailure = false

        /// The current samples of all loops.
        var signs: [String: LoopWatch.Sign] {
            var signs: [String: LoopWatch.Sign] = [:]
            for (name, loop) in loops {
                // Before it opens its LMDB and after it has closed it, a loop has no activity.
                guard let environment = environments[name] else { continue }
                signs[name] = LoopWatch.Sign(turns: loop.turns, activity: environment.activity)
            }
            return signs
        }
    }

    /// The settings of notifications and watchdog.
    struct Settings: Sendable, Equatable {
        /// The address of the socket.
        var address: String
        /// The time limit for activity of a loop, in microseconds.
        var limit: Int64
        /// Whether the service manager uses the watchdog.
        var hasWatchdog: Bool
    }

    private let settings: Settings
    private let clock: @Sendable () -> WallTime
    private let logger: Logger
    /// The first failing health check.
    private let problem: @Sendable () -> String?
    private let state: Mutex<State>

    /// - Parameter problem: the current problem in one line, nil if there is none.
    init(
        _ settings: Settings, status: ServiceStatus, logger: Logger, clock: @escaping @Sendable () -> WallTime,
        problem: @escaping @Sendable () -> String?
    ) throws {
        self.settings = settings
        self.clock = clock
        self.logger = logger
        self.problem = problem
        state = Mutex(State(socket: try NotifySocket(settings.address), status: status))
    }

    // MARK: Events

    /// See `SyncObserver`.
    func observe(_ event: SyncEvent, of database: String) {
        state.withLock { state in
            switch event {
            case .opened(let environment): state.environments[database] = environment
            case .ended: state.environments[database] = nil
            case .listStarted, .listed, .listFailed, .downloadStarted, .downloaded, .downloadVanished, .downloadFailed,
                .downloadsWaiting, .mergesWaiting, .mergeStarted, .merged, .progressed, .mergeFailed, .refused,
                .storing, .stored, .compared, .hinted, .hintMerged, .hearing, .proved, .pinned, .sendFailed,
                .sendingGivenUp, .settled, .swept, .fenced,
                .sendBlocked, .notInSync,
                .started, .namesake, .clockSkew, .ownClock, .cleanerListed, .cleanerListFailed, .cleanerDeleted,
                .cleanerDeleteFailed:
                break
            }
            state.status.handle(event, of: database, at: clock())
            // Other units may wait for READY.
            if state.status.isReady && !state.sentReady { deliver(&state) }
        }
    }

    /// The loop of a database is about to start.
    func watch(_ loop: any WatchedLoop, of database: String) { state.withLock { $0.loops[database] = loop } }

    /// Shutdown has started.
    func stopping(_ text: String) {
        state.withLock { state in
            guard !state.isStopping else { return }
            state.isStopping = true
            send(["STOPPING=1", "STATUS=\(ServiceStatus.line(text))"], &state)
        }
    }

    // MARK: Running

    /// Sends notifications until it is cancelled.
    func run() async {
        let (pause, updates) = settings.rhythm
        var count = 0
        while !Task.isCancelled {
            if count % updates == 0 { check() }
            count += 1
            refresh(problem())
            try? await Task.sleep(for: pause)
        }
    }

    /// Checks whether all loops are alive, notifies the service manager, and requests the next activity.
    func check() {
        let loops = state.withLock { state in
            if !state.isStopping { notify(state.watch.evaluate(state.signs), &state) }
            return state.loops
        }
        for loop in loops.values { loop.probe() }
    }

    /// Updates the status text.
    private func refresh(_ problem: String?) {
        state.withLock { state in
            let (silent, waiting) = (state.watch.silent, state.watch.waiting(state.signs))
            state.status.problem = problem
            state.status.obstacle =
                if !silent.isEmpty {
                    "no activity of \(silent.joined(separator: ", "))"
                } else if !waiting.isEmpty {
                    "\(waiting.joined(separator: ", ")) waits for the write lock of another process"
                } else {
                    nil
                }
            if !state.isStopping { deliver(&state) }
        }
    }

    private func notify(_ allLive: Bool, _ state: inout State) {
        guard allLive else {
            state.silences += 1
            // Half of the time has passed.
            if state.silences == Self.checksWithinLimit / 2 {
                logger.error(
                    "a sync loop hangs; watchdog notifications have stopped, and the service manager may restart the process",
                    metadata: ["db": "\(state.watch.silent.joined(separator: ", "))"])
            }
            return
        }
        state.silences = 0
        var lines = settings.hasWatchdog ? ["WATCHDOG=1"] : []
        // An unavailable storage may delay start-up without limit.
        if !state.sentReady { lines.append("EXTEND_TIMEOUT_USEC=\(settings.limit)") }
        if !lines.isEmpty { send(lines, &state) }
    }

    private func deliver(_ state: inout State) {
        var lines: [String] = []
        let (isReady, text) = (state.status.isReady, state.status.text)
        if isReady && !state.sentReady { lines.append("READY=1") }
        if text != state.sentText { lines.append("STATUS=\(text)") }
        guard !lines.isEmpty, send(lines, &state) else { return }
        state.sentReady = isReady
        state.sentText = text
    }

    @discardableResult
    private func send(_ lines: [String], _ state: inout State) -> Bool {
        do throws(SystemError) {
            try state.socket.send(lines)
            return true
        } catch {
            if error.code != EAGAIN && !state.loggedFailure {
                state.loggedFailure = true
                logger.warning("cannot notify the service manager", metadata: ["error": "\(error)"])
            }
            return false
        }
    }

    /// Number of checks within the time limit: enough that one late check does no harm.
    fileprivate static let checksWithinLimit = 4
}

extension ServiceNotifier.Settings {
    /// Without a watchdog only start-up has a time limit, which is extended by this many microseconds at a time.
    static let startExtension: Int64 = 60_000_000

    /// The settings in the environment; nil if no service manager expects notifications.
    init?(environment: [String: String], pid: Int) {
        guard let address = environment["NOTIFY_SOCKET"], !address.isEmpty else { return nil }
        self.address = address
        // The watchdog may be meant for another process of the service.
        let isMeant = environment["WATCHDOG_PID"].map { Int($0) == pid } ?? true
        let microseconds = environment["WATCHDOG_USEC"].flatMap { Int64($0) } ?? 0
        hasWatchdog = isMeant && microseconds > 0
        limit = hasWatchdog ? microseconds : Self.startExtension
    }

    /// The pause between two status texts, and their number between two checks.
    fileprivate var rhythm: (pause: Duration, updates: Int) {
        let interval = Duration.microseconds(limit) / ServiceNotifier.checksWithinLimit
        let updates = max(1, Int(interval / .seconds(1)))
        return (interval / updates, updates)
    }
}

extension ServiceNotifier {
    /// Creates a notifier for the service manager in the environment; nil if there is none, or it is unreachable.
    static func make(
        for databases: [String], receiveOnly: Bool, _ monitor: Monitor, _ logger: Logger, _ context: CommandContext
    ) -> ServiceNotifier? {
        guard let settings = Settings(environment: context.environment, pid: Int(getpid())) else { return nil }
        do {
            return try ServiceNotifier(
                settings, status: ServiceStatus(databases: databases, receiveOnly: receiveOnly), logger: logger,
                clock: context.clock
            ) {
                let health = monitor.health()
                return [health.failures, health.warnings].lazy.compactMap { checks in
                    checks.min { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
                }.first
            }
        } catch {
            logger.warning("cannot notify the service manager", metadata: ["error": "\(error)"])
            return nil
        }
    }
}

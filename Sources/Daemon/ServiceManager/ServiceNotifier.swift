import Glibc
import LMDB
import Logging
import Monitoring
import Observability
import Replication
import Support
import Synchronization

/// A sync loop that can be asked whether it lives.
protocol WatchedLoop: Sendable {
    /// Grows soon after ``probe()`` unless the loop is stuck.
    var turns: Int { get }
    /// Has it turn once more.
    func probe()
}

extension DatabaseSyncer: WatchedLoop {}

/// Tells the service manager (systemd) how the daemon is: READY, STATUS, WATCHDOG, STOPPING.
///
/// What could not be sent is sent with the next look, so that nothing is lost when the service manager is busy.
final class ServiceNotifier: SyncObserver {
    private struct State {
        let socket: NotifySocket
        var status: ServiceStatus
        var watch = LoopWatch()
        var loops: [String: any WatchedLoop] = [:]
        var environments: [String: Environment] = [:]
        var toldReady = false
        var toldText = ""
        var isStopping = false
        /// How many looks in a row have found a loop that is silent.
        var silences = 0
        var toldFailure = false

        /// What each loop has shown by now.
        var signs: [String: LoopWatch.Sign] {
            var signs: [String: LoopWatch.Sign] = [:]
            for (name, loop) in loops {
                // Before it opens its LMDB and after it has closed it, a loop has nothing to show.
                guard let environment = environments[name] else { continue }
                signs[name] = LoopWatch.Sign(turns: loop.turns, activity: environment.activity)
            }
            return signs
        }
    }

    /// How the daemon is watched.
    struct Settings: Sendable, Equatable {
        /// Where to send to.
        var address: String
        /// Within how many microseconds a loop must show that it lives.
        var limit: Int64
        /// Whether the service manager wants to be told so.
        var hasWatchdog: Bool
    }

    private let settings: Settings
    private let clock: @Sendable () -> WallTime
    private let logger: Logger
    /// The first of the failing health checks.
    private let problem: @Sendable () -> String?
    private let state: Mutex<State>

    /// - Parameter problem: one line on what is wrong now, nil when all is well.
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

    // MARK: Being told

    /// See `SyncObserver`.
    func observe(_ event: SyncEvent, of database: String) {
        state.withLock { state in
            switch event {
            case .opened(let environment): state.environments[database] = environment
            case .ended: state.environments[database] = nil
            default: break
            }
            state.status.handle(event, of: database, at: clock())
            // Others may wait for that.
            if state.status.isReady && !state.toldReady { deliver(&state) }
        }
    }

    /// The loop of a database is about to begin.
    func watch(_ loop: any WatchedLoop, of database: String) { state.withLock { $0.loops[database] = loop } }

    /// The end has begun.
    func stopping(_ text: String) {
        state.withLock { state in
            guard !state.isStopping else { return }
            state.isStopping = true
            send(["STOPPING=1", "STATUS=\(ServiceStatus.line(text))"], &state)
        }
    }

    // MARK: Running

    /// Tells until it is cancelled.
    func run() async {
        let (pause, looks) = settings.rhythm
        var count = 0
        while !Task.isCancelled {
            if count % looks == 0 { look() }
            count += 1
            refresh(problem())
            try? await Task.sleep(for: pause)
        }
    }

    /// Looks whether all loops live, tells so, and asks them for the next sign of life.
    func look() {
        let loops = state.withLock { state in
            if !state.isStopping { tell(state.watch.look(state.signs), &state) }
            return state.loops
        }
        for loop in loops.values { loop.probe() }
    }

    /// Brings the text up to date.
    private func refresh(_ problem: String?) {
        state.withLock { state in
            let (silent, waiting) = (state.watch.silent, state.watch.waiting(state.signs))
            state.status.problem = problem
            state.status.obstacle =
                if !silent.isEmpty {
                    "no sign of life from \(silent.joined(separator: ", "))"
                } else if !waiting.isEmpty {
                    "\(waiting.joined(separator: ", ")) waits for the write lock of another process"
                } else {
                    nil
                }
            if !state.isStopping { deliver(&state) }
        }
    }

    private func tell(_ allLive: Bool, _ state: inout State) {
        guard allLive else {
            state.silences += 1
            // Half of the time is over.
            if state.silences == Self.looksWithinLimit / 2 {
                logger.error(
                    "a sync loop hangs; the service manager is not told any more that all is well, and may restart the process",
                    metadata: ["db": "\(state.watch.silent.joined(separator: ", "))"])
            }
            return
        }
        state.silences = 0
        var lines = settings.hasWatchdog ? ["WATCHDOG=1"] : []
        // A storage that is down may hold up the start-up for as long as it likes.
        if !state.toldReady { lines.append("EXTEND_TIMEOUT_USEC=\(settings.limit)") }
        if !lines.isEmpty { send(lines, &state) }
    }

    private func deliver(_ state: inout State) {
        var lines: [String] = []
        let (isReady, text) = (state.status.isReady, state.status.text)
        if isReady && !state.toldReady { lines.append("READY=1") }
        if text != state.toldText { lines.append("STATUS=\(text)") }
        guard !lines.isEmpty, send(lines, &state) else { return }
        state.toldReady = isReady
        state.toldText = text
    }

    @discardableResult
    private func send(_ lines: [String], _ state: inout State) -> Bool {
        do throws(SystemError) {
            try state.socket.send(lines)
            return true
        } catch {
            if error.code != EAGAIN && !state.toldFailure {
                state.toldFailure = true
                logger.warning("cannot tell the service manager how things are", metadata: ["error": "\(error)"])
            }
            return false
        }
    }

    /// How often is looked within the time limit: often enough that one late look does no harm.
    fileprivate static let looksWithinLimit = 4
}

extension ServiceNotifier.Settings {
    /// Without a watchdog only the start-up has a time limit, which is extended by so many microseconds at a time.
    static let startExtension: Int64 = 60_000_000

    /// What the environment says; nil where no service manager wants to be told.
    init?(environment: [String: String], pid: Int) {
        guard let address = environment["NOTIFY_SOCKET"], !address.isEmpty else { return nil }
        self.address = address
        // Another process of the service may be the one that is watched.
        let isMeant = environment["WATCHDOG_PID"].map { Int($0) == pid } ?? true
        let microseconds = environment["WATCHDOG_USEC"].flatMap { Int64($0) } ?? 0
        hasWatchdog = isMeant && microseconds > 0
        limit = hasWatchdog ? microseconds : Self.startExtension
    }

    /// How long to pause between two texts, and how many of these there are from one look to the next.
    fileprivate var rhythm: (pause: Duration, looks: Int) {
        let interval = Duration.microseconds(limit) / ServiceNotifier.looksWithinLimit
        let looks = max(1, Int(interval / .seconds(1)))
        return (interval / looks, looks)
    }
}

extension ServiceNotifier {
    /// Tells the service manager that the environment names; nil where there is none, or none that can be reached.
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
            logger.warning("cannot tell the service manager how things are", metadata: ["error": "\(error)"])
            return nil
        }
    }
}

import Dispatch
import Logging
import Support
import Synchronization

/// The health checks of the process, shared by the components that update and query them.
///
/// Event-driven: a timer runs only for checks that change with time.
package final class HealthBoard: Sendable {
    /// A snapshot of the checks.
    package struct Report: Sendable, Equatable {
        /// The results.
        package var outcome: HealthChecks.Outcome
        /// The time of the query.
        package var time: WallTime
        /// The time since which the status is unchanged.
        package var since: WallTime
        /// Additional truth values by name.
        package var notes: [String: Bool]
    }

    private struct State {
        var checks = HealthChecks()
        var notes: [String: Bool] = [:]
        var status = HealthChecks.Status.ok
        var since: WallTime
        var timer: (time: Duration, item: DispatchWorkItem)?
        var changed: @Sendable () -> Void = {}
    }

    private let clock: @Sendable () -> Moment
    private let logger: Logger
    private let state: Mutex<State>
    private let queue = DispatchQueue(label: "health")

    /// - Parameter logger: logs changes of the status.
    package init(clock: @escaping @Sendable () -> Moment, logger: Logger) {
        self.clock = clock
        self.logger = logger
        state = Mutex(State(since: clock().wall))
    }

    /// Updates the checks.
    ///
    /// - Parameter change: changes the checks; the time is that of ``Moment/uptime``.
    package func update(_ change: (inout HealthChecks, Duration) -> Void) {
        let now = clock()
        settle(at: now) { change(&$0.checks, now.uptime) }
    }

    /// Records a value that is not a check.
    package func note(_ name: String, _ value: Bool) { state.withLock { $0.notes[name] = value } }

    /// Sets the function to call when the status has changed.
    package func onChange(_ action: @escaping @Sendable () -> Void) { state.withLock { $0.changed = action } }

    /// The current results.
    package func report() -> Report {
        let now = clock()
        let outcome = settle(at: now) { _ in }
        return state.withLock { state in
            Report(outcome: outcome, time: now.wall, since: state.since, notes: state.notes)
        }
    }

    @discardableResult
    private func settle(at now: Moment, _ change: (inout State) -> Void) -> HealthChecks.Outcome {
        let (outcome, before, changed) = state.withLock { state in
            change(&state)
            let outcome = state.checks.outcome(at: now.uptime)
            let before = state.status
            if outcome.status != before {
                state.status = outcome.status
                state.since = now.wall
            }
            setTimer(state.checks.nextChange(after: now.uptime), now.uptime, &state)
            return (outcome, before, state.changed)
        }
        if outcome.status != before {
            log(outcome)
            changed()
        }
        return outcome
    }

    private func setTimer(_ time: Duration?, _ now: Duration, _ state: inout State) {
        guard let time else { return }
        // An early timer finds no change and sets the next one: polls postpone the time with each success, and cancelling
        // a timer would wake the process as well.
        if let timer = state.timer, timer.time <= time { return }
        state.timer?.item.cancel()
        let item = DispatchWorkItem { [weak self] in
            guard let self else { return }
            self.state.withLock { $0.timer = nil }
            self.settle(at: self.clock()) { _ in }
        }
        state.timer = (time, item)
        queue.asyncAfter(deadline: .now() + Double((time - now) / .seconds(1)), execute: item)
    }

    private func log(_ outcome: HealthChecks.Outcome) {
        let checks = outcome.failures.merging(outcome.warnings) { failure, _ in failure }
        let metadata = Logger.Metadata(uniqueKeysWithValues: checks.map { ($0.key, "\($0.value)") })
        switch outcome.status {
        case .ok: logger.info("health is OK again")
        case .warning: logger.warning("health is Warning", metadata: metadata)
        case .unavailable: logger.error("health is Unavailable", metadata: metadata)
        }
    }
}

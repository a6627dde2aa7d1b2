import Dispatch
import Logging
import Support
import Synchronization

/// The health checks of the process, kept by all who know something, asked by all who want to know.
///
/// Nothing runs while nothing can change: what changes with time alone is looked at when that time has come.
package final class HealthBoard: Sendable {
    /// What the checks say now.
    package struct Report: Sendable, Equatable {
        /// What they say.
        package var outcome: HealthChecks.Outcome
        /// When they were asked.
        package var time: WallTime
        /// Since when the status is what it is.
        package var since: WallTime
        /// What else there is to know: a truth value for each name.
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

    /// - Parameter logger: is told when the status changes.
    package init(clock: @escaping @Sendable () -> Moment, logger: Logger) {
        self.clock = clock
        self.logger = logger
        state = Mutex(State(since: clock().wall))
    }

    /// Tells of something.
    ///
    /// - Parameter change: changes the checks; the time is that of ``Moment/uptime``.
    package func update(_ change: (inout HealthChecks, Duration) -> Void) {
        let now = clock()
        settle(at: now) { change(&$0.checks, now.uptime) }
    }

    /// Notes something that is no check.
    package func note(_ name: String, _ value: Bool) { state.withLock { $0.notes[name] = value } }

    /// Sets who is told when the status has changed.
    package func onChange(_ action: @escaping @Sendable () -> Void) { state.withLock { $0.changed = action } }

    /// What the checks say now.
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
        // One that comes too early finds nothing and sets the next: a poll puts the time off with each success, and a timer
        // that is called off wakes the process nevertheless.
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

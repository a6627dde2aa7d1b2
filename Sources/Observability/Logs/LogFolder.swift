import Dispatch
import Support
import Synchronization

/// Summarises repeated lines of all loggers of a process, using ``LogFolding``.
///
/// A timer runs only while there are unreported repetitions.
package final class LogFolder: Sendable {
    private struct State {
        var folding = LogFolding()
        var hasTimer = false
    }

    private let start = ContinuousClock.now
    private let write: @Sendable (LogRecord) -> Void
    private let clock: @Sendable () -> WallTime
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "log-folding")

    /// - Parameters:
    ///   - settings: the format of lines.
    ///   - clock: the time of a line.
    ///   - output: receives the lines.
    package init(
        _ settings: LogSettings, clock: @escaping @Sendable () -> WallTime = WallTime.now, output: any LogOutput
    ) {
        self.clock = clock
        write = { record in output.write(line: settings.format.line(record, settings)) }
    }

    /// Writes the unreported repetitions; must be called before the process ends.
    package func flush() {
        let lines = state.withLock { $0.folding.flush(at: .now - start) }
        report(lines)
    }

    func log(_ record: LogRecord) {
        let now = ContinuousClock.now - start
        let (summaries, isNew, timer) = state.withLock { state in
            let (summaries, isNew) = state.folding.take(record, at: now)
            let timer = state.hasTimer ? nil : state.folding.nextDue
            if timer != nil { state.hasTimer = true }
            return (summaries, isNew, timer)
        }
        report(summaries)
        if isNew { write(record) }
        if let timer { setTimer(timer - now) }
    }

    private func setTimer(_ pause: Duration) {
        queue.asyncAfter(deadline: .now() + max(0, pause / .seconds(1))) { [weak self] in self?.summarize() }
    }

    private func summarize() {
        let now = ContinuousClock.now - start
        let (lines, timer) = state.withLock { state in
            let lines = state.folding.due(at: now)
            let timer = state.folding.nextDue
            state.hasTimer = timer != nil
            return (lines, timer)
        }
        report(lines)
        if let timer { setTimer(timer - now) }
    }

    /// Writes summaries. Their time is the current one, not that of the last repetition.
    private func report(_ lines: [LogRecord]) {
        for var line in lines {
            line.time = clock()
            write(line)
        }
    }
}

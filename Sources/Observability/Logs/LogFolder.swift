import Dispatch
import Support
import Synchronization

/// Folds the lines of all loggers of a process, as ``LogFolding`` says.
///
/// A timer runs only while there is something that was counted and not told.
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
    ///   - settings: how lines look.
    ///   - clock: gives the time of a line.
    ///   - output: takes the lines.
    package init(
        _ settings: LogSettings, clock: @escaping @Sendable () -> WallTime = WallTime.now, output: any LogOutput
    ) {
        self.clock = clock
        write = { record in output.write(line: settings.format.line(record, settings)) }
    }

    /// Writes what was counted and not told; to be called before the process ends.
    package func flush() {
        let lines = state.withLock { $0.folding.flush(at: .now - start) }
        tell(lines)
    }

    func log(_ record: LogRecord) {
        let now = ContinuousClock.now - start
        let (summaries, isNew, timer) = state.withLock { state in
            let (summaries, isNew) = state.folding.take(record, at: now)
            let timer = state.hasTimer ? nil : state.folding.nextDue
            if timer != nil { state.hasTimer = true }
            return (summaries, isNew, timer)
        }
        tell(summaries)
        if isNew { write(record) }
        if let timer { setTimer(timer - now) }
    }

    private func setTimer(_ pause: Duration) {
        queue.asyncAfter(deadline: .now() + max(0, pause / .seconds(1))) { [weak self] in self?.look() }
    }

    private func look() {
        let now = ContinuousClock.now - start
        let (lines, timer) = state.withLock { state in
            let lines = state.folding.due(at: now)
            let timer = state.folding.nextDue
            state.hasTimer = timer != nil
            return (lines, timer)
        }
        tell(lines)
        if let timer { setTimer(timer - now) }
    }

    /// Writes summaries, which are of now and not of when the last of their events was.
    private func tell(_ lines: [LogRecord]) {
        for var line in lines {
            line.time = clock()
            write(line)
        }
    }
}

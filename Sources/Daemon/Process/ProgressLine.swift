import Glibc
import Observability
import Support
import Synchronization

/// A terminal that shows progress.
package struct Terminal: Sendable {
    /// The output for the line.
    var output: any LogOutput
    /// Whether standard output is a terminal, too.
    var showsResults: Bool
    /// The number of columns.
    var columns: @Sendable () -> Int

    /// The terminal of standard error; nil if it is not one, or cannot overwrite a line.
    package static func ofProcess(environment: [String: String]) -> Terminal? {
        guard isatty(STDERR_FILENO) == 1, environment["TERM"] != "dumb" else { return nil }
        return Terminal(
            output: FileDescriptorLogOutput(descriptor: STDERR_FILENO), showsResults: isatty(STDOUT_FILENO) == 1,
            columns: {
                var size = winsize()
                guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
                return Int(size.ws_col)
            })
    }
}

/// A line on a terminal that is overwritten during a long operation, at most five times a second.
///
/// Nothing is drawn for short operations. The caller must end the line before other output.
package final class ProgressLine: Sendable {
    private struct State {
        var progress: Progress
        var lastDrawn: ContinuousClock.Instant?
        var isDrawn = false
        var isEnded = false
    }

    private static let interval = Duration.milliseconds(200)
    private static let firstAfter = Duration.milliseconds(500)

    private let terminal: Terminal
    private let start: ContinuousClock.Instant
    private let state: Mutex<State>

    init(_ progress: Progress, on terminal: Terminal, start: ContinuousClock.Instant = .now) {
        self.terminal = terminal
        self.start = start
        state = Mutex(State(progress: progress))
    }

    /// Adds to the progress. Cheap; may be called from any thread.
    package func add(bytes: Int = 0, entries: Int = 0, now: ContinuousClock.Instant = .now) {
        update(now: now) { progress in
            progress.bytes &+= bytes
            progress.entries &+= entries
        }
    }

    /// Changes the progress.
    package func update(now: ContinuousClock.Instant = .now, _ change: (inout Progress) -> Void) {
        state.withLock { state in
            change(&state.progress)
            let elapsed = start.duration(to: now)
            guard !state.isEnded, elapsed >= Self.firstAfter else { return }
            if let last = state.lastDrawn, last.duration(to: now) < Self.interval { return }
            // The last column is not used: some terminals wrap when it is.
            let text = PrintableText.line(state.progress.line(elapsed: elapsed)).prefix(max(1, terminal.columns() - 1))
            terminal.output.write(line: Array("\r\(text)\u{1b}[K".utf8))
            state.lastDrawn = now
            state.isDrawn = true
        }
    }

    /// Clears the line, and draws no more.
    package func end() {
        state.withLock { state in
            if state.isDrawn, !state.isEnded { terminal.output.write(line: Array("\r\u{1b}[K".utf8)) }
            state.isEnded = true
        }
    }
}

extension CommandContext {
    /// Runs `body` with a progress line, or with nil if it would not be visible.
    ///
    /// - Parameter writesResults: whether `body` writes to standard output, which must not be a terminal then.
    package func withProgress<Result>(
        _ progress: Progress, writesResults: Bool, _ body: (ProgressLine?) throws -> Result
    ) rethrows -> Result {
        guard let terminal, !(writesResults && terminal.showsResults) else { return try body(nil) }
        let line = ProgressLine(progress, on: terminal)
        defer { line.end() }
        return try body(line)
    }
}

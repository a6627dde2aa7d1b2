import Glibc
import Observability
import Support

/// The outside world of a command, replaceable so that tests can run it in their process.
package struct CommandContext: Sendable {
    /// Receives results.
    package var standardOutput: any ByteOutput
    /// Receives log lines and errors.
    package var standardError: any LogOutput
    /// The environment variables.
    package var environment: [String: String]
    /// The time of log lines.
    package var clock: @Sendable () -> WallTime
    /// Sleeps; throws `CancellationError` if the task is cancelled.
    package var sleep: @Sendable (Duration) async throws -> Void
    /// Whether log lines may have colours.
    package var usesColour: Bool
    /// Whether log lines are shown on a terminal.
    package var logsToTerminal: Bool
    /// Whether results are shown on a terminal.
    package var showsToTerminal: Bool
    /// Whether the command owns the process: its signals, its ID and its exit.
    package var ownsProcess: Bool
    /// The terminal for the progress of long work; nil if standard error is not one.
    package var terminal: Terminal?

    /// See the properties of the same names.
    package init(
        standardOutput: any ByteOutput, standardError: any LogOutput,
        environment: [String: String], clock: @escaping @Sendable () -> WallTime,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
        usesColour: Bool, logsToTerminal: Bool = true, showsToTerminal: Bool = true, ownsProcess: Bool,
        terminal: Terminal? = nil
    ) {
        self.standardOutput = standardOutput
        self.standardError = standardError
        self.environment = environment
        self.clock = clock
        self.sleep = sleep
        self.usesColour = usesColour
        self.logsToTerminal = logsToTerminal
        self.showsToTerminal = showsToTerminal
        self.ownsProcess = ownsProcess
        self.terminal = terminal
    }

    /// The context of a real process.
    package static func process() -> CommandContext {
        let environment = ProcessEnvironment.variables
        return CommandContext(
            standardOutput: FileDescriptorOutput(descriptor: STDOUT_FILENO),
            standardError: FileDescriptorLogOutput(descriptor: STDERR_FILENO), environment: environment,
            clock: WallTime.now,
            usesColour: LogSettings.wantsColour(descriptor: STDERR_FILENO, environment: { environment[$0] }),
            logsToTerminal: isatty(STDERR_FILENO) == 1, showsToTerminal: isatty(STDOUT_FILENO) == 1, ownsProcess: true,
            terminal: .ofProcess(environment: environment))
    }

    /// Writes one line to stderr. Control characters are escaped.
    package func report(_ text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "; ")
        standardError.write(line: Array("lightningstream: \(PrintableText.line(lines))\n".utf8))
    }
}

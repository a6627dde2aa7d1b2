import Glibc
import Observability
import Support

/// Everything that a command touches outside of itself, so that tests can run it within their process.
package struct CommandContext: Sendable {
    /// Where results go.
    package var standardOutput: any ByteOutput
    /// Where log lines and errors go.
    package var standardError: any LogOutput
    /// The environment variables.
    package var environment: [String: String]
    /// Gives the time of log lines.
    package var clock: @Sendable () -> WallTime
    /// Waits for a time; throws `CancellationError` when the task is cancelled meanwhile.
    package var sleep: @Sendable (Duration) async throws -> Void
    /// Whether log lines may have colours.
    package var usesColour: Bool
    /// Whether a person reads log lines as they come, on a terminal.
    package var logsToTerminal: Bool
    /// Whether results go to a terminal, and not to a program or file.
    package var showsToTerminal: Bool
    /// Whether the command has the process for itself: its signals, its ID and its end.
    package var ownsProcess: Bool
    /// The terminal that shows how far long work has come; nil where standard error is none.
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

    /// Writes one line to stderr, whatever the text holds.
    package func report(_ text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "; ")
        standardError.write(line: Array("lightningstream: \(PrintableText.line(lines))\n".utf8))
    }
}

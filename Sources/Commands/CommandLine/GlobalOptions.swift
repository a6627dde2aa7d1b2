import ArgumentParser
import Telemetry

/// The flags that every command takes, before and after its name.
struct GlobalOptions: ParsableArguments {
    @Option(
        name: [.customShort("c", allowingJoined: true), .long],
        help: ArgumentHelp("Configuration file.", valueName: "file"))
    var config = "lightningstream.yaml"

    @Option(
        name: [.customShort("i", allowingJoined: true), .long],
        help: ArgumentHelp("Name of this instance, instead of the configured one.", valueName: "name"))
    var instance: String?

    @Flag(help: "Log everything: the same as --log-level debug, and stronger than it.")
    var debug = false

    @Option(help: ArgumentHelp("Lowest level to log, instead of the configured one.", valueName: "level"))
    var logLevel: LogLevelArgument?

    @Option(help: ArgumentHelp("Form of log lines, instead of the configured one.", valueName: "format"))
    var logFormat: LogFormatArgument?

    @Option(help: ArgumentHelp("Time in log lines, instead of the configured one.", valueName: "style"))
    var logTimestamp: LogTimestampArgument?

    @Flag(help: "Log the effective configuration, secrets masked.")
    var logConfig = false

    @Option(
        help: ArgumentHelp(
            "Use up process IDs until the own one is at least this (at most \(GlobalOptions.greatestMinimumPID)).",
            discussion: """
                Two containers that share an LMDB must not use the same process ID, because LMDB's reader table \
                can't tell them apart. The environment variable \(PIDSupervisor.skipVariable) switches this off.
                """, valueName: "n"))
    var minimumPid: Int?

    @Option(
        help: ArgumentHelp("End with exit code 75 after this time, such as 90s or 1h30m.", valueName: "duration"))
    var timeout: TimeoutArgument?

    /// Few enough that using them up takes no time worth noticing.
    static let greatestMinimumPID = 200

    func validate() throws {
        if let minimumPid, !(0...Self.greatestMinimumPID).contains(minimumPid) {
            throw ValidationError(
                "--minimum-pid must be between 0 and \(Self.greatestMinimumPID), not \(minimumPid)")
        }
    }
}

/// The value of `--log-level`.
enum LogLevelArgument: String, ExpressibleByArgument, CaseIterable {
    case trace, debug, info, warning, error, fatal
}

/// The value of `--log-format`.
enum LogFormatArgument: String, ExpressibleByArgument, CaseIterable {
    case human, logfmt, json
}

/// The value of `--log-timestamp`.
enum LogTimestampArgument: String, ExpressibleByArgument, CaseIterable {
    case short, disable, full
}

/// The value of `--timeout`.
struct TimeoutArgument: ExpressibleByArgument {
    /// As it was written.
    var text: String
    var duration: Duration

    init?(argument: String) {
        text = argument
        duration = .zero
    }
}

import ArgumentParser
import Config
import Daemon

/// The flags of every command, before or after its name.
struct GlobalOptions: ParsableArguments {
    @Option(
        name: [.short, .long],
        help: ArgumentHelp(
            """
            Configuration file; by default \(SessionOptions.configurationFiles[0]) in the working directory, and where there \
            is none, \(SessionOptions.configurationFiles[1]).
            """, valueName: "file"), completion: .file())
    var config: String?

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("Name of this instance, instead of the configured one.", valueName: "name"),
        transform: Self.instanceName)
    var instance: String?

    @Flag(help: "Log everything: the same as --log-level debug, which it overrides.")
    var debug = false

    @Option(
        help: ArgumentHelp(
            "Lowest level to log: debug, info, warning, error or fatal; instead of the configured one.",
            valueName: "level"),
        transform: LogLevel.parse)
    var logLevel: LogLevel?

    @Option(
        help: ArgumentHelp(
            "Format of log lines: human, logfmt or json; instead of the configured one.", valueName: "format"),
        transform: LogFormat.parse)
    var logFormat: LogFormat?

    @Option(
        help: ArgumentHelp(
            "Time in log lines: short, disable or full; instead of the configured one.", valueName: "style"),
        transform: LogTimestamp.parse)
    var logTimestamp: LogTimestamp?

    @Flag(help: "Log the effective configuration, secrets masked.")
    var logConfig = false

    @Option(
        help: ArgumentHelp(
            "Ensure a process ID of at least this number, at most \(SessionOptions.greatestMinimumPID).",
            discussion: """
                Two containers that share an LMDB must not use the same process ID, because LMDB's reader table \
                cannot distinguish them. The environment variable \(PIDSupervisor.skipVariable) disables this.
                """, valueName: "n"))
    var minimumPid: Int?

    @Option(
        help: ArgumentHelp("End with exit code 75 after this time, such as 90s or 1h30m.", valueName: "duration"),
        transform: Self.timeLimit)
    var timeout: Duration?

    /// Their spellings, and whether they take a value: as in ``CommandDescription``, but available at once.
    static let takesValue = [
        "-c": true, "--config": true, "-i": true, "--instance": true, "--debug": false, "--log-level": true,
        "--log-format": true, "--log-timestamp": true, "--log-config": false, "--minimum-pid": true, "--timeout": true,
    ]

    /// The heading above them in usage texts.
    static let title = "Global options"

    /// The options of a session.
    var session: SessionOptions {
        var options = SessionOptions()
        (options.config, options.instance) = (config, instance)
        options.logLevel = debug ? .debug : logLevel
        (options.logFormat, options.logTimestamp) = (logFormat, logTimestamp)
        (options.logsConfiguration, options.minimumPID, options.timeout) = (logConfig, minimumPid, timeout)
        return options
    }
}

extension Session {
    /// Loads the configuration and runs `body`; see the function of this name that takes ``SessionOptions``.
    static func run(
        _ global: GlobalOptions, in context: CommandContext, _ body: (Session) throws -> Int32
    ) throws -> Int32 {
        try run(global.session, in: context, body)
    }
}

extension GlobalOptions {
    @Sendable private static func instanceName(_ text: String) throws -> String {
        guard !text.isEmpty else { throw ValidationError(CommandFault.emptyValue.description) }
        return try InstanceName.parse(text)
    }

    @Sendable private static func timeLimit(_ text: String) throws -> Duration {
        let duration = try DurationText.parse(text)
        guard duration > .zero else { throw ValidationError(CommandFault.noDuration.description) }
        return duration
    }
}

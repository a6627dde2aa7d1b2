import Config
import Glibc
import Logging
import Observability

/// The start of every command that uses the configuration.
package struct Session {
    /// The options of the command line.
    package let options: SessionOptions
    /// The environment of the command.
    package let context: CommandContext
    /// The timer of `--timeout`.
    package let timeLimit: TimeLimit
    /// The name of this host.
    package let hostname: String
    /// The configuration of the file, with the flags of the command line applied.
    package private(set) var configuration: Configuration
    /// Warnings about the file.
    package let warnings: [ConfigurationProblem]
    /// Summarises repeated log lines.
    let folder: LogFolder

    /// Loads the configuration and runs `body`, in a child process if `--minimum-pid` requires it.
    ///
    /// - Returns: the exit code: that of `body`, or of the child.
    package static func run(
        _ options: SessionOptions, in context: CommandContext, _ body: (Session) throws -> Int32
    ) throws -> Int32 {
        if let minimum = options.wantedPID, context.ownsProcess,
            PIDSupervisor.isNeeded(minimum: minimum, own: Int(getpid()), environment: context.environment)
        {
            return try PIDSupervisor.run(minimum: minimum, arguments: CommandLine.arguments)
        }
        let session = try Session(options, context, startTimeLimit(options, in: context))
        defer { session.folder.flush() }
        if let asked = options.minimumPID, asked > SessionOptions.greatestMinimumPID {
            session.logger().warning(
                "--minimum-pid is lowered to its maximum",
                metadata: [
                    "asked": .stringConvertible(asked),
                    "minimum_pid": .stringConvertible(SessionOptions.greatestMinimumPID),
                ])
        }
        return try body(session)
    }

    /// Starts the timer of `--timeout`, if given.
    @discardableResult
    package static func startTimeLimit(_ options: SessionOptions, in context: CommandContext) -> TimeLimit {
        let timeLimit = TimeLimit()
        if let timeout = options.timeout, context.ownsProcess { timeLimit.start(timeout, in: context) }
        return timeLimit
    }

    private init(_ options: SessionOptions, _ context: CommandContext, _ timeLimit: TimeLimit) throws {
        self.options = options
        self.context = context
        self.timeLimit = timeLimit
        hostname = Self.readHostname()
        let loaded = try options.loadConfiguration(environment: context.environment, hostname: hostname)
        configuration = loaded.configuration
        warnings = loaded.warnings
        if let instance = options.instance { configuration.instance = instance }
        if let level = options.logLevel { configuration.log.level = level }
        if let format = options.logFormat { configuration.log.format = format }
        if let timestamp = options.logTimestamp { configuration.log.timestamp = timestamp }
        folder = LogFolder(
            LogSettings(
                configuration, usesColour: context.usesColour, isOnTerminal: context.logsToTerminal),
            clock: context.clock,
            output: context.standardError)
    }

    /// The configured databases with these names; all of them if empty.
    package func databases(named names: [String], flag: String) throws(CommandFailure) -> [DatabaseConfiguration] {
        let known = configuration.databases.map(\.name)
        if let unknown = names.first(where: { !known.contains($0) }) {
            throw CommandFailure(
                .unknownDatabase(unknown, flag: flag, file: options.configurationFile, known: known))
        }
        return names.isEmpty ? configuration.databases : configuration.databases.filter { names.contains($0.name) }
    }

    private static func readHostname() -> String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

// MARK: Logging

extension Session {
    /// The logger of syncing: `instance` is in every line, as well as `snapshot_instance` for that of a snapshot.
    package func instanceLogger() -> Logger {
        var logger = logger()
        logger[metadataKey: "instance"] = "\(configuration.instance)"
        return logger
    }

    /// The configured logger.
    package func logger() -> Logger {
        let settings = LogSettings(
            configuration, usesColour: context.usesColour, isOnTerminal: context.logsToTerminal)
        let (clock, output, folder) = (context.clock, context.standardError, folder)
        return Logger(label: "lightningstream") { _ in
            LineLogHandler(settings: settings, clock: clock, output: output, folder: folder)
        }
    }

    /// Logs the configuration with `--log-config`, one key per line, without secrets.
    package func logConfiguration(_ logger: Logger) {
        guard options.logsConfiguration else { return }
        for line in configuration.maskedYAML().split(separator: "\n") {
            // Requested explicitly, so logged at any level.
            logger.log(level: max(.info, logger.logLevel), "configuration: \(line)")
        }
    }
}

extension LogSettings {
    init(_ configuration: Configuration, usesColour: Bool, isOnTerminal: Bool = true) {
        let log = configuration.log
        let level: Logger.Level =
            switch log.level {
            case .debug: .debug
            case .info: .info
            case .warning: .warning
            case .error: .error
            case .fatal: .critical
            }
        self.init(
            format: Observability.LogFormat(rawValue: log.format.rawValue) ?? .human,
            timestamp: Observability.LogTimestamp(rawValue: log.timestamp.rawValue) ?? .short, level: level,
            usesColour: usesColour, isOnTerminal: isOnTerminal,
            databaseWidth: configuration.databases.map(\.name.count).max() ?? 0)
    }
}

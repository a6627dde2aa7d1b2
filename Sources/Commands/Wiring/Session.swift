import Config
import Glibc
import Logging
import Telemetry

/// What every command that uses the configuration begins with.
struct Session {
    let global: GlobalOptions
    let context: CommandContext
    /// What `--timeout` has started.
    let timeLimit: TimeLimit
    /// The name of this host.
    let hostname: String
    /// What the file says, with the flags of the command line applied.
    private(set) var configuration: Configuration
    /// What the operator should know about the file.
    let warnings: [ConfigurationProblem]
    /// Folds what is logged again and again.
    let folder: LogFolder

    /// Loads the configuration and runs `body`, in a child process where `--minimum-pid` wants that.
    ///
    /// - Returns: the exit code: that of `body`, or of the child.
    static func run(
        _ global: GlobalOptions, in context: CommandContext, _ body: (Session) throws -> Int32
    ) throws -> Int32 {
        if let minimum = global.wantedPID, context.ownsProcess,
            PIDSupervisor.isNeeded(minimum: minimum, own: Int(getpid()), environment: context.environment)
        {
            return try PIDSupervisor.run(minimum: minimum, arguments: CommandLine.arguments)
        }
        let session = try Session(global, context, startTimeLimit(global, in: context))
        defer { session.folder.flush() }
        if let asked = global.minimumPid, asked > GlobalOptions.greatestMinimumPID {
            session.logger().warning(
                "--minimum-pid is lowered to the most that is used up",
                metadata: [
                    "asked": .stringConvertible(asked),
                    "minimum_pid": .stringConvertible(GlobalOptions.greatestMinimumPID),
                ])
        }
        return try body(session)
    }

    /// Starts the time of `--timeout`, where it is given.
    @discardableResult
    static func startTimeLimit(_ global: GlobalOptions, in context: CommandContext) -> TimeLimit {
        let timeLimit = TimeLimit()
        if let timeout = global.timeout, context.ownsProcess { timeLimit.start(timeout, in: context) }
        return timeLimit
    }

    private init(_ global: GlobalOptions, _ context: CommandContext, _ timeLimit: TimeLimit) throws {
        self.global = global
        self.context = context
        self.timeLimit = timeLimit
        hostname = Self.readHostname()
        let loaded = try global.loadConfiguration(environment: context.environment, hostname: hostname)
        configuration = loaded.configuration
        warnings = loaded.warnings
        if let instance = global.instance { configuration.instance = instance }
        if let level = global.logLevel { configuration.log.level = level }
        if global.debug { configuration.log.level = .debug }
        if let format = global.logFormat { configuration.log.format = format }
        if let timestamp = global.logTimestamp { configuration.log.timestamp = timestamp }
        folder = LogFolder(
            LogSettings(
                configuration, usesColour: context.usesColour, isOnTerminal: context.logsToTerminal),
            clock: context.clock,
            output: context.standardError)
    }

    /// The configured databases with these names, all of them when there are none.
    func databases(named names: [String], flag: String) throws(CommandFailure) -> [DatabaseConfiguration] {
        let known = configuration.databases.map(\.name)
        if let unknown = names.first(where: { !known.contains($0) }) {
            throw .usage(
                "\(flag): there is no database \"\(unknown)\" in \(global.configurationFile); there are: "
                    + known.joined(separator: ", "))
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
    /// The logger of what syncs: `instance` is in every line, beside that of a snapshot (`snapshot_instance`).
    func instanceLogger() -> Logger {
        var logger = logger()
        logger[metadataKey: "instance"] = "\(configuration.instance)"
        return logger
    }

    /// The logger that the configuration asks for.
    func logger() -> Logger {
        let settings = LogSettings(
            configuration, usesColour: context.usesColour, isOnTerminal: context.logsToTerminal)
        let (clock, output, folder) = (context.clock, context.standardError, folder)
        return Logger(label: "lightningstream") { _ in
            LineLogHandler(settings: settings, clock: clock, output: output, folder: folder)
        }
    }

    /// Logs the configuration where `--log-config` asks for it, each key in a line of its own, secrets masked.
    func logConfiguration(_ logger: Logger) {
        guard global.logConfig else { return }
        for line in configuration.maskedYAML().split(separator: "\n") {
            // Asked for, so at any level.
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
            format: Telemetry.LogFormat(rawValue: log.format.rawValue) ?? .human,
            timestamp: Telemetry.LogTimestamp(rawValue: log.timestamp.rawValue) ?? .short, level: level,
            usesColour: usesColour, isOnTerminal: isOnTerminal,
            databaseWidth: configuration.databases.map(\.name.count).max() ?? 0)
    }
}

import ArgumentParser
import Config
import Glibc

/// The flags that every command takes, before and after its name.
struct GlobalOptions: ParsableArguments {
    @Option(
        name: [.short, .long],
        help: ArgumentHelp(
            """
            Configuration file; by default \(GlobalOptions.configurationFiles[0]) in the working directory, and where there \
            is none, \(GlobalOptions.configurationFiles[1]).
            """, valueName: "file"), completion: .file())
    var config: String?

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("Name of this instance, instead of the configured one.", valueName: "name"),
        transform: Self.instanceName)
    var instance: String?

    @Flag(help: "Log everything: the same as --log-level debug, and stronger than it.")
    var debug = false

    @Option(
        help: ArgumentHelp(
            "Lowest level to log: debug, info, warning, error or fatal; instead of the configured one.",
            valueName: "level"),
        transform: LogLevel.parse)
    var logLevel: LogLevel?

    @Option(
        help: ArgumentHelp(
            "Form of log lines: human, logfmt or json; instead of the configured one.", valueName: "format"),
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
            "Use up process IDs until the own one is at least this; more than \(GlobalOptions.greatestMinimumPID) is taken as that.",
            discussion: """
                Two containers that share an LMDB must not use the same process ID, because LMDB's reader table \
                can't tell them apart. The environment variable \(PIDSupervisor.skipVariable) switches this off.
                """, valueName: "n"))
    var minimumPid: Int?

    @Option(
        help: ArgumentHelp("End with exit code 75 after this time, such as 90s or 1h30m.", valueName: "duration"),
        transform: Self.timeLimit)
    var timeout: Duration?

    /// How they are spelled, and whether they take a value: what ``CommandDescription`` tells, too, but not as soon.
    static let takesValue = [
        "-c": true, "--config": true, "-i": true, "--instance": true, "--debug": false, "--log-level": true,
        "--log-format": true, "--log-timestamp": true, "--log-config": false, "--minimum-pid": true, "--timeout": true,
    ]

    /// Where the configuration is looked for when nobody says where it is.
    static let configurationFiles = ["lightningstream.yaml", "/etc/lightningstream/lightningstream.yaml"]

    /// The configuration file: as given, or the first one that there is.
    var configurationFile: String { config ?? Self.first(of: Self.configurationFiles) }

    /// The first file that there is, otherwise the first one.
    static func first(of files: [String]) -> String { files.first { access($0, F_OK) == 0 } ?? files.first ?? "" }

    /// Loads the configuration file.
    ///
    /// - Throws: ``CommandFailure`` when nobody says where it is and there is none, `ConfigurationErrors` for its problems.
    func loadConfiguration(environment: [String: String], hostname: String) throws -> LoadedConfiguration {
        if config == nil, let failure = Self.missing(of: Self.configurationFiles) { throw failure }
        return try Configuration.load(file: configurationFile, environment: environment, hostname: hostname)
    }

    /// What is said when there is none of these files; nil when there is one.
    static func missing(of files: [String]) -> CommandFailure? {
        guard !files.contains(where: { access($0, F_OK) == 0 }) else { return nil }
        return .failed(
            "there is no configuration file: neither \(files.joined(separator: " in the working directory nor ")); "
                + "name it with --config")
    }

    /// The heading above them in usage texts.
    static let title = "Global options"

    /// Few enough that using them up takes no time worth noticing.
    static let greatestMinimumPID = 200

    /// The process ID that is wanted: release 1.0 takes any number, too.
    var wantedPID: Int? { minimumPid.map { min($0, Self.greatestMinimumPID) } }
}

extension GlobalOptions {
    @Sendable private static func instanceName(_ text: String) throws -> String {
        guard !text.isEmpty else { throw ValidationError("it must not be empty") }
        return try InstanceName.parse(text)
    }

    @Sendable private static func timeLimit(_ text: String) throws -> Duration {
        let duration = try DurationText.parse(text)
        guard duration > .zero else { throw ValidationError("it must be longer than 0") }
        return duration
    }
}

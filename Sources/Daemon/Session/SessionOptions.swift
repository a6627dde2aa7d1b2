import Config
import Glibc

/// What a command line says whatever its command is.
package struct SessionOptions: Sendable {
    /// The configuration file; nil for one of ``configurationFiles``.
    package var config: String?
    /// The name of this instance, instead of the configured one.
    package var instance: String?
    /// The lowest level to log, instead of the configured one.
    package var logLevel: LogLevel?
    /// The form of log lines, instead of the configured one.
    package var logFormat: LogFormat?
    /// The time in log lines, instead of the configured one.
    package var logTimestamp: LogTimestamp?
    /// Whether the effective configuration is logged.
    package var logsConfiguration = false
    /// The least process ID.
    package var minimumPID: Int?
    /// When the process ends, whatever it has done until then.
    package var timeout: Duration?

    /// Nothing but defaults.
    package init() {}

    /// Where the configuration is looked for when nobody says where it is.
    package static let configurationFiles = ["lightningstream.yaml", "/etc/lightningstream/lightningstream.yaml"]

    /// The configuration file: as given, or the first one that there is.
    package var configurationFile: String { config ?? Self.first(of: Self.configurationFiles) }

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
        return CommandFailure(.noConfiguration(lookedFor: files))
    }

    /// Few enough that using them up takes no time worth noticing.
    package static let greatestMinimumPID = 200

    /// The process ID that is wanted: release 1.0 takes any number, too.
    var wantedPID: Int? { minimumPID.map { min($0, Self.greatestMinimumPID) } }
}

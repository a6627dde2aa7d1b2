import Config
import Glibc

/// The options common to all commands.
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
    /// Whether to log the effective configuration.
    package var logsConfiguration = false
    /// The minimum process ID.
    package var minimumPID: Int?
    /// The time after which the process ends.
    package var timeout: Duration?

    /// The defaults.
    package init() {}

    /// The default paths of the configuration file.
    package static let configurationFiles = ["lightningstream.yaml", "/etc/lightningstream/lightningstream.yaml"]

    /// The configuration file: as given, or the first existing default.
    package var configurationFile: String { config ?? Self.first(of: Self.configurationFiles) }

    /// The first existing file, otherwise the first one.
    static func first(of files: [String]) -> String { files.first { access($0, F_OK) == 0 } ?? files.first ?? "" }

    /// Loads the configuration file.
    ///
    /// - Throws: ``CommandFailure`` if no path is given and no default exists, `ConfigurationErrors` for its problems.
    func loadConfiguration(environment: [String: String], hostname: String) throws -> LoadedConfiguration {
        if config == nil, let failure = Self.missing(of: Self.configurationFiles) { throw failure }
        return try Configuration.load(file: configurationFile, environment: environment, hostname: hostname)
    }

    /// The error if none of these files exists; nil if one does.
    static func missing(of files: [String]) -> CommandFailure? {
        guard !files.contains(where: { access($0, F_OK) == 0 }) else { return nil }
        return CommandFailure(.noConfiguration(lookedFor: files))
    }

    /// Small enough that using them up takes negligible time.
    package static let greatestMinimumPID = 200

    /// The requested process ID; larger numbers, which release 1.0 accepts, are limited.
    var wantedPID: Int? { minimumPID.map { min($0, Self.greatestMinimumPID) } }
}

import Glibc
import Logging

/// The format of log lines.
package enum LogFormat: String, Sendable, CaseIterable {
    /// For people: aligned columns, colours on a terminal.
    case human
    /// `key=value` pairs.
    case logfmt
    /// One JSON object a line.
    case json
}

/// The time in log lines; all times are UTC.
package enum LogTimestamp: String, Sendable, CaseIterable {
    /// Milliseconds; on a terminal, the human format has the time of day only.
    case short
    /// None, for a log collector that adds its own.
    case disable
    /// Date and time; with nanoseconds in logfmt and json.
    case full
}

/// The settings of logging.
package struct LogSettings: Sendable, Equatable {
    /// The format of a line.
    package var format: LogFormat
    /// The time in a line.
    package var timestamp: LogTimestamp
    /// The lowest level that is logged.
    package var level: Logger.Level
    /// Whether the human format uses ANSI colours.
    package var usesColour: Bool
    /// Whether the output is a terminal: the human format then omits the date and the name of the instance.
    package var isOnTerminal: Bool
    /// The width of the column of database names in the human format, in characters.
    package var databaseWidth: Int

    /// Creates settings; the defaults are those of the configuration file.
    package init(
        format: LogFormat = .human, timestamp: LogTimestamp = .short, level: Logger.Level = .info,
        usesColour: Bool = false, isOnTerminal: Bool = true, databaseWidth: Int = 0
    ) {
        self.format = format
        self.timestamp = timestamp
        self.level = level
        self.usesColour = usesColour
        self.isOnTerminal = isOnTerminal
        self.databaseWidth = databaseWidth
    }

    /// Whether a file descriptor is a terminal with colours that the user has not disabled.
    ///
    /// - Parameter environment: looks up an environment variable; NO_COLOR (no-color.org) and TERM are used.
    package static func wantsColour(descriptor: Int32, environment: (String) -> String?) -> Bool {
        guard isatty(descriptor) == 1 else { return false }
        if let refused = environment("NO_COLOR"), !refused.isEmpty { return false }
        return environment("TERM") != "dumb"
    }
}

extension Logger.Level {
    /// The name of the level in log lines and in the configuration, where `critical` is `fatal`.
    package var logName: String { self == .critical ? "fatal" : rawValue }
}

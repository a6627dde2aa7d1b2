import Glibc
import Logging

/// How log lines look.
package enum LogFormat: String, Sendable, CaseIterable {
    /// For people: aligned columns, colours on a terminal.
    case human
    /// `key=value` pairs.
    case logfmt
    /// One JSON object a line.
    case json
}

/// Which time a log line carries; all times are UTC.
package enum LogTimestamp: String, Sendable, CaseIterable {
    /// Milliseconds; on a terminal, the human format has the time of day only.
    case short
    /// None at all, for a log collector that adds its own.
    case disable
    /// Date and time; with nanoseconds in logfmt and json.
    case full
}

/// What is logged and how.
package struct LogSettings: Sendable, Equatable {
    /// How a line is built.
    package var format: LogFormat
    /// Which time it carries.
    package var timestamp: LogTimestamp
    /// The lowest level that is logged.
    package var level: Logger.Level
    /// Whether the human format uses ANSI colours.
    package var usesColour: Bool
    /// Whether a person reads the lines as they come: the human format has no date then, and no name of the instance.
    package var isOnTerminal: Bool
    /// How wide the column of database names is in the human format, in characters.
    package var databaseWidth: Int

    /// The defaults of the configuration file, but for what is given.
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

    /// Whether a file descriptor is a terminal that shows colours and whose user has not declined them.
    ///
    /// - Parameter environment: looks up an environment variable; NO_COLOR (no-color.org) and TERM count.
    package static func wantsColour(descriptor: Int32, environment: (String) -> String?) -> Bool {
        guard isatty(descriptor) == 1 else { return false }
        if let refused = environment("NO_COLOR"), !refused.isEmpty { return false }
        return environment("TERM") != "dumb"
    }
}

extension Logger.Level {
    /// The name of the level in log lines and in the configuration: `critical` is called `fatal` there.
    package var logName: String { self == .critical ? "fatal" : rawValue }
}

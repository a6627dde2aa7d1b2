/// Lowest level that is logged.
package enum LogLevel: String, Sendable, CaseIterable {
    case debug
    case info
    case warning
    case error
    case fatal

    static let allowed = "one of " + allCases.map(\.rawValue).joined(separator: ", ")

    /// Reads a level in any case; `trace` is taken as debug, `warn` as warning and `panic` as fatal.
    package static func parse(_ text: String) throws(ValueProblem) -> LogLevel {
        switch text.lowercased() {
        case "trace": return .debug
        case "warn": return .warning
        case "panic": return .fatal
        case let name:
            guard let level = LogLevel(rawValue: name) else { throw ValueProblem(allowed: allowed) }
            return level
        }
    }
}

/// Form of a log line.
package enum LogFormat: String, Sendable, CaseIterable {
    case human
    case logfmt
    case json

    /// Reads a format by its name.
    package static func parse(_ text: String) throws(ValueProblem) -> LogFormat { try parseChoice(text) }
}

/// Timestamp of a log line in the human format.
package enum LogTimestamp: String, Sendable, CaseIterable {
    case short
    case disable
    case full

    /// Reads a kind of timestamp by its name.
    package static func parse(_ text: String) throws(ValueProblem) -> LogTimestamp { try parseChoice(text) }
}

/// Where snapshots are kept; raw values are those of `storage.type`.
package enum StorageType: String, Sendable, CaseIterable {
    case s3
    case fileSystem = "fs"
    case memory
    case azure
}

/// The case with this raw value, exactly as written.
func parseChoice<Choice: CaseIterable & RawRepresentable<String>>(_ text: String) throws(ValueProblem) -> Choice {
    guard let choice = Choice(rawValue: text) else { throw ValueProblem(allowed: allowedChoices(Choice.self)) }
    return choice
}

/// `one of a, b, c`.
func allowedChoices<Choice: CaseIterable & RawRepresentable<String>>(_: Choice.Type) -> String {
    "one of " + Choice.allCases.map(\.rawValue).joined(separator: ", ")
}

/// Lowest level that is logged.
package enum LogLevel: String, Sendable, CaseIterable {
    /// Everything.
    case debug
    /// Normal operation.
    case info
    /// Conditions that may need attention.
    case warning
    /// Failures.
    case error
    /// The error that ends the program.
    case fatal

    static let allowed = "one of " + allCases.map(\.rawValue).joined(separator: ", ")

    /// Parses a level in any case; `trace` means debug, `warn` warning and `panic` fatal.
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

/// Format of a log line.
package enum LogFormat: String, Sendable, CaseIterable {
    /// Aligned, for people.
    case human
    /// `key=value` pairs.
    case logfmt
    /// One JSON object a line.
    case json

    /// Parses a format by its name.
    package static func parse(_ text: String) throws(ValueProblem) -> LogFormat { try parseChoice(text) }
}

/// Timestamp of a log line in the human format.
package enum LogTimestamp: String, Sendable, CaseIterable {
    /// Time of day.
    case short
    /// None.
    case disable
    /// Date and time.
    case full

    /// Parses a timestamp style by its name.
    package static func parse(_ text: String) throws(ValueProblem) -> LogTimestamp { try parseChoice(text) }
}

/// Where snapshots are kept; raw values are those of `storage.type`.
package enum StorageType: String, Sendable, CaseIterable {
    /// A bucket of an S3 service.
    case s3
    /// A directory.
    case fileSystem = "fs"
    /// This process's memory, for tests.
    case memory
    /// A container of Azure Blob Storage.
    case azure

    /// The implemented types.
    static let offered = "one of s3, fs, memory"
}

/// The case with exactly this raw value.
func parseChoice<Choice: CaseIterable & RawRepresentable<String>>(_ text: String) throws(ValueProblem) -> Choice {
    guard let choice = Choice(rawValue: text) else { throw ValueProblem(allowed: allowedChoices(Choice.self)) }
    return choice
}

/// `one of a, b, c`.
func allowedChoices<Choice: CaseIterable & RawRepresentable<String>>(_: Choice.Type) -> String {
    "one of " + Choice.allCases.map(\.rawValue).joined(separator: ", ")
}

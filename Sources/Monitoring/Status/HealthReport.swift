import Observability

/// What `/healthz` says.
///
/// The JSON form is described in docs/monitoring.md.
package struct HealthReport: Codable, Sendable, Equatable {
    /// Whether nothing fails.
    package var ok: Bool
    /// Whether something is worth a look.
    package var hasWarnings: Bool
    /// `OK`, `Warning` or `Unavailable`.
    package var status: String
    /// When it was asked: RFC 3339, UTC.
    package var time: String
    /// Since when the status is what it is.
    package var since: String
    /// The process.
    package var runtime: Runtime
    /// Host, version, and which databases have started.
    package var metadata: [String: Value]
    /// What fails: name of the check and one line.
    package var failures: [String: String]
    /// What is worth a look: name of the check and one line.
    package var warnings: [String: String]

    /// What the system knows of the process.
    package struct Runtime: Codable, Sendable, Equatable {
        /// Its ID.
        package var pid: Int
        /// For how many seconds it has been running.
        package var uptimeSeconds: Double
        /// How many processors it may use.
        package var cpus: Int
        /// How many threads it has.
        package var threads: Int
        /// Memory in use.
        package var residentMemoryBytes: Int
    }

    /// A value of ``metadata``.
    package enum Value: Codable, Sendable, Equatable {
        /// A text.
        case text(String)
        /// A truth value.
        case flag(Bool)

        /// Reads either.
        package init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let flag = try? container.decode(Bool.self) {
                self = .flag(flag)
            } else {
                self = .text(try container.decode(String.self))
            }
        }

        /// Writes the bare value.
        package func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .text(let text): try container.encode(text)
            case .flag(let flag): try container.encode(flag)
            }
        }
    }
}

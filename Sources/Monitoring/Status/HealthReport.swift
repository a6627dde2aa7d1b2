import Observability

/// The contents of `/healthz`.
///
/// The JSON form is described in docs/monitoring.md.
package struct HealthReport: Codable, Sendable, Equatable {
    /// Whether no check fails.
    package var ok: Bool
    /// Whether there are warnings.
    package var hasWarnings: Bool
    /// `OK`, `Warning` or `Unavailable`.
    package var status: String
    /// The time of the request: RFC 3339, UTC.
    package var time: String
    /// The time since which the status is unchanged.
    package var since: String
    /// The process.
    package var runtime: Runtime
    /// Host, version, and which databases have started.
    package var metadata: [String: Value]
    /// Failures: name of the check and one line.
    package var failures: [String: String]
    /// Warnings: name of the check and one line.
    package var warnings: [String: String]

    /// Facts about the process.
    package struct Runtime: Codable, Sendable, Equatable {
        /// Its ID.
        package var pid: Int
        /// Uptime in seconds.
        package var uptimeSeconds: Double
        /// Number of usable processors.
        package var cpus: Int
        /// Number of threads.
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

        /// Decodes either.
        package init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let flag = try? container.decode(Bool.self) {
                self = .flag(flag)
            } else {
                self = .text(try container.decode(String.self))
            }
        }

        /// Encodes the bare value.
        package func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .text(let text): try container.encode(text)
            case .flag(let flag): try container.encode(flag)
            }
        }
    }
}

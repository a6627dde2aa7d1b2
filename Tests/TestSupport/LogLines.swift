import Logging
import Synchronization

/// Gathers what is logged.
package final class LogLines: LogHandler, Sendable {
    private let lines = Mutex<[String]>([])

    /// Nothing has been logged yet.
    package init() {}

    /// None: what is logged has its own.
    package var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    /// Everything.
    package var logLevel: Logger.Level {
        get { .trace }
        set {}
    }
    /// None: what is logged has its own.
    package subscript(metadataKey _: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    /// Takes a line.
    package func log(event: LogEvent) {
        let line = "\(event.level) \(event.message) \(event.metadata ?? [:])"
        lines.withLock { $0.append(line) }
    }

    /// The lines that hold a text.
    package func all(with text: String) -> [String] { lines.withLock { $0.filter { $0.contains(text) } } }

    /// How many lines hold a text.
    package func count(_ text: String) -> Int { lines.withLock { $0.count { $0.contains(text) } } }

    /// Whether a line holds a text.
    package func contains(_ text: String) -> Bool { count(text) > 0 }

    /// A logger whose lines come here.
    package var logger: Logger { Logger(label: "test") { [self] _ in self } }
}

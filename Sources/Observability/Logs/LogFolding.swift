import Logging

/// Summarises repeated warnings and errors: the first one is logged at once; repetitions are counted
/// and summarised once a minute.
///
/// A pure state machine; times are durations since a fixed moment.
struct LogFolding {
    /// How long repetitions are counted before a summary.
    static let window = Duration.seconds(60)
    /// Maximum number of different lines that are tracked.
    static let most = 200

    /// The fields that make two lines equal. Other fields may differ: the last ones are shown.
    private struct Key: Hashable {
        var level: Logger.Level
        var message: String
        var database: String?
        var error: String?
    }

    private struct Entry {
        var since: Duration
        var count = 0
        var last: LogRecord
    }

    private var entries: [Key: Entry] = [:]

    /// Processes a record.
    ///
    /// - Returns: summaries of earlier repetitions, and whether the record itself is logged after them.
    mutating func take(_ record: LogRecord, at now: Duration) -> (summaries: [LogRecord], isNew: Bool) {
        guard record.level == .warning || record.level == .error else { return ([], true) }
        var summaries = due(at: now)
        let key = Key(
            level: record.level, message: record.message, database: record.database,
            error: record.text(of: "error").map(likeness))
        if entries[key] != nil {
            entries[key]?.count += 1
            entries[key]?.last = record
            return (summaries, false)
        }
        if entries.count >= Self.most, let oldest = entries.min(by: { $0.value.since < $1.value.since }) {
            entries[oldest.key] = nil
            summaries += Self.summary(oldest.value, at: now)
        }
        entries[key] = Entry(since: now, last: record)
        return (summaries, true)
    }

    /// The summaries that are due.
    mutating func due(at now: Duration) -> [LogRecord] {
        var lines: [LogRecord] = []
        guard entries.contains(where: { now - $0.value.since >= Self.window }) else { return [] }
        for (key, entry) in entries.sorted(by: { $0.value.since < $1.value.since })
        where now - entry.since >= Self.window {
            lines += Self.summary(entry, at: now)
            // A line repeated within the last minute does not count as new yet.
            entries[key] = entry.count > 0 ? Entry(since: now, last: entry.last) : nil
        }
        return lines
    }

    /// The summaries at the end of the process; clears all state.
    mutating func flush(at now: Duration) -> [LogRecord] {
        defer { entries = [:] }
        return entries.values.sorted { $0.since < $1.since }.flatMap { Self.summary($0, at: now) }
    }

    /// The next time at which ``due(at:)`` has a summary; nil if there are no repetitions.
    var nextDue: Duration? {
        entries.values.lazy.filter { $0.count > 0 }.map { $0.since + Self.window }.min()
    }

    private static func summary(_ entry: Entry, at now: Duration) -> [LogRecord] {
        guard entry.count > 0 else { return [] }
        var record = entry.last
        let seconds = max(1, (now - entry.since).components.seconds)
        let times = entry.count == 1 ? "once" : "\(entry.count) times"
        let period =
            switch seconds {
            case 1: "second"
            case 60: "minute"
            default: "\(seconds) seconds"
            }
        record.message += " (\(times) in the last \(period))"
        return [record]
    }
}

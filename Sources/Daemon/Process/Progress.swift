import Config
import Support

/// The progress of a long operation, and its line; pure.
package struct Progress: Sendable, Equatable {
    /// The operation in one or two words.
    package var title: String
    /// The number of bytes done.
    package var bytes: Int
    /// The number of entries done.
    package var entries: Int
    /// The total; nil if unknown. Without a total and without progress the bytes are not shown.
    package var totalBytes: Int?
    /// The same for entries.
    package var totalEntries: Int?

    /// See the properties of the same names.
    package init(
        title: String, bytes: Int = 0, entries: Int = 0, totalBytes: Int? = nil, totalEntries: Int? = nil
    ) {
        self.title = title
        self.bytes = bytes
        self.entries = entries
        self.totalBytes = totalBytes
        self.totalEntries = totalEntries
    }

    /// `snapshots get: 12.3 MiB of 40.0 MiB, 31 %, 8.1 MiB/s, 3s left`
    func line(elapsed: Duration) -> String {
        var parts: [String] = []
        if bytes > 0 || totalBytes != nil {
            let done = max(0, totalBytes.map { min(bytes, $0) } ?? bytes)
            parts.append(humanSize(done) + (totalBytes.map { " of \(humanSize($0))" } ?? ""))
        }
        if entries > 0 || totalEntries != nil {
            let done = totalEntries.map { min(entries, $0) } ?? entries
            parts.append("\(done)" + (totalEntries.map { " of \($0)" } ?? "") + " entries")
        }
        if let fraction { parts.append("\(Int(fraction * 100)) %") }
        // A rate is meaningless at the beginning.
        let seconds = elapsed / .seconds(1)
        guard seconds >= 1 else { return text(parts) }
        if bytes > 0 {
            parts.append("\(humanSize(Self.count(Double(bytes) / seconds)))/s")
        } else if entries > 0 {
            parts.append("\(Self.count(Double(entries) / seconds)) entries/s")
        }
        if let fraction, fraction > 0, fraction < 1 {
            let left = (seconds / fraction - seconds).rounded(.up)
            // Longer estimates are not useful.
            if left < 1_000_000 { parts.append("\(DurationText.format(.seconds(left))) left") }
        }
        return text(parts)
    }

    /// The completed fraction, from 0 to 1; nil if the total is unknown.
    private var fraction: Double? {
        for (done, total) in [(bytes, totalBytes), (entries, totalEntries)] {
            if let total, total > 0 { return min(1, max(0, Double(done) / Double(total))) }
        }
        return nil
    }

    private func text(_ parts: [String]) -> String {
        parts.isEmpty ? title : "\(title): \(parts.joined(separator: ", "))"
    }

    private static func count(_ value: Double) -> Int { Int(exactly: value.rounded()) ?? .max }
}

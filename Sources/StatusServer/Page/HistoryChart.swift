import Monitoring
import Observability
import Support

/// The last hour: a column for each minute, merges above and the longest latency below.
///
/// Labels are placed beside the drawing, so that the drawing can stretch to any width.
struct HistoryChart {
    var minutes: [StatusReport.Minute]
    var name: String

    private static let columns = 60
    private static let height = 40.0

    var html: HTML {
        guard !minutes.isEmpty else { return "" }
        let shown = Array(minutes.suffix(Self.columns))
        let merges = shown.reduce(0) { $0.addingClamped($1.merges) }
        let sends = shown.reduce(0) { $0.addingClamped($1.sends) }
        let entries = shown.reduce(0) { $0.addingClamped($1.entries) }
        let most = shown.map(\.merges).max() ?? 0
        let longest = shown.compactMap(\.latency).max()
        let summary: HTML =
            "\(Figures.counted(merges, "merge", "merges")) of \(Figures.counted(entries, "entry", "entries")), "
            + "\(Figures.counted(sends, "send", "sends"))"
        return """
            <figure class="history">
            <figcaption><h3>Last hour</h3><p class="quiet">\(summary)</p></figcaption>
            \(strip("Merges a minute", "at most \(Figures.grouped(most))", "merges", shown, Double(most)) { Double($0.merges) })\
            \(strip("Latency", longest.map { "at most \(humanDuration($0))" } ?? "no merge", "latency", shown, longest ?? 0) { $0.latency ?? 0 })\
            <p class="axis quiet" aria-hidden="true"><span>1 h ago</span><span>30 min</span><span>now</span></p>
            </figure>

            """
    }

    private func strip(
        _ title: String, _ most: String, _ style: String, _ shown: [StatusReport.Minute], _ top: Double,
        _ value: (StatusReport.Minute) -> Double
    ) -> HTML {
        var bars = HTML()
        for (index, minute) in shown.enumerated() {
            let value = value(minute)
            guard top > 0, value > 0 else { continue }
            // Small values are still visible.
            let height = max(2, min(Self.height, Self.height * value / top))
            let x = Self.columns - shown.count + index
            bars += """
                <rect x="\(oneDecimal(Double(x) * 10 + 1))" y="\(oneDecimal(Self.height - height))" width="8" \
                height="\(oneDecimal(height))"><title>\(tip(minute))</title></rect>
                """
        }
        return """
            <p class="strip"><span>\(title)</span> <span class="quiet">\(most)</span></p>
            <svg class="\(style)" viewBox="0 0 600 40" preserveAspectRatio="none" role="img" \
            aria-label="\(title) in the last hour: \(most)"><line x1="0" y1="39.5" x2="600" y2="39.5"/>\(bars)</svg>

            """
    }

    private func tip(_ minute: StatusReport.Minute) -> String {
        let time = WallTime(rfc3339: minute.time).map { String($0.timeOfDay(digits: 0).prefix(5)) } ?? minute.time
        let latency = minute.latency.map { ", latency \(humanDuration($0))" } ?? ""
        return "\(time) UTC: \(minute.merges) merged, \(minute.entries) entries, \(minute.sends) sent\(latency)"
    }
}

extension Int {
    /// The sum, or the largest number.
    fileprivate func addingClamped(_ other: Int) -> Int {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}

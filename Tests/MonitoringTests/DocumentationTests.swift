import Foundation
import Observability
import Testing

@testable import Monitoring

/// docs/monitoring.md has a table of all metrics.
@Suite struct DocumentationTests {
    private static let (begin, end) = ("<!-- metrics -->\n", "<!-- end of metrics -->\n")

    private static var table: String {
        var text = "| metric | type | labels | |\n| --- | --- | --- | --- |\n"
        for metric in Monitor.metricDescriptions {
            let labels = metric.labels.map { "`\($0)`" }.joined(separator: ", ")
            text += "| `\(metric.name)` | \(metric.type) | \(labels) | \(metric.help) |\n"
        }
        return text
    }

    @Test func theTableOfMetricsIsThatOfTheProgram() throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../docs/monitoring.md").standardizedFileURL
        var text = try String(contentsOf: page, encoding: .utf8)
        let begin = try #require(text.range(of: Self.begin)?.upperBound)
        let end = try #require(text.range(of: Self.end)?.lowerBound)
        if ProcessInfo.processInfo.environment["LIGHTNINGSTREAM_WRITE_REFERENCE"] != nil {
            text.replaceSubrange(begin..<end, with: Self.table)
            try text.write(to: page, atomically: true, encoding: .utf8)
        }
        #expect(
            text.contains(Self.begin + Self.table + Self.end),
            "run: LIGHTNINGSTREAM_WRITE_REFERENCE=1 swift test --filter DocumentationTests")
    }

    @Test func everyMetricHasAName() {
        for metric in Monitor.metricDescriptions {
            #expect(metric.name.wholeMatch(of: /[a-z_0-9]+/) != nil && !metric.help.isEmpty)
            #expect(metric.labels.allSatisfy { $0.wholeMatch(of: /[a-z_]+/) != nil })
            #expect((metric.type == "counter") == metric.name.hasSuffix("_total"))
        }
    }
}

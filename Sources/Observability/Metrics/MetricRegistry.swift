import Synchronization

/// The metrics of the process, and their Prometheus text.
///
/// Each metric is a *family* of series, one for each combination of label values. Families are created once, at start;
/// series can be added and removed. Thread-safe.
package final class MetricRegistry: Sendable {
    /// Maximum number of series per family; see ``MetricFamily``.
    package static let mostSeries = 1000

    private let families = Mutex<[String: any MetricWriter]>([:])

    /// A registry without metrics.
    package init() {}

    /// A family of numbers that only increase.
    ///
    /// - Parameters:
    ///   - name: valid in the text format; a second family with a name replaces the first.
    ///   - help: the meaning and unit.
    ///   - labels: the names of its labels. The values of the first must be bounded by the configuration.
    package func counters(_ name: String, _ help: String, labels: [String] = []) -> MetricFamily<Counter> {
        add(MetricFamily(name, help, labels) { Counter() })
    }

    /// A family of numbers that can increase and decrease; see ``counters(_:_:labels:)``.
    package func gauges(_ name: String, _ help: String, labels: [String] = []) -> MetricFamily<Gauge> {
        add(MetricFamily(name, help, labels) { Gauge() })
    }

    /// A family of distributions over buckets; see ``counters(_:_:labels:)``.
    ///
    /// - Parameter bounds: the upper bounds of the buckets in increasing order; a last bucket for all others is added.
    package func histograms(
        _ name: String, _ help: String, labels: [String] = [], bounds: [Double]
    ) -> MetricFamily<Histogram> {
        add(MetricFamily(name, help, labels) { Histogram(bounds: bounds) })
    }

    /// A family of sums with the number of their summands; see ``counters(_:_:labels:)``.
    package func summaries(_ name: String, _ help: String, labels: [String] = []) -> MetricFamily<Summary> {
        add(MetricFamily(name, help, labels) { Summary() })
    }

    /// All metrics in Prometheus's text format, version 0.0.4: families by name, series by label values. A family
    /// without series is omitted.
    package func text() -> [UInt8] {
        var text = MetricText()
        for (_, family) in families.withLock({ $0 }).sorted(by: { $0.key < $1.key }) { family.write(to: &text) }
        return text.bytes
    }

    /// The media type of ``text()``.
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// Name, type, labels and help of each family, sorted by name, for the documentation.
    package var descriptions: [MetricDescription] {
        families.withLock { $0.values.map(\.description) }.sorted { $0.name < $1.name }
    }

    private func add<Instrument>(_ family: MetricFamily<Instrument>) -> MetricFamily<Instrument> {
        families.withLock { $0[family.description.name] = family }
        return family
    }
}

/// The description of a family.
package struct MetricDescription: Sendable, Hashable {
    /// Its name.
    package var name: String
    /// `counter`, `gauge`, `histogram` or `summary`.
    package var type: String
    /// The names of its labels.
    package var labels: [String]
    /// The help text.
    package var help: String
}

/// A family of any type.
protocol MetricWriter: Sendable {
    var description: MetricDescription { get }
    func write(to text: inout MetricText)
}

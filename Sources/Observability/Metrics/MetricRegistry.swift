import Synchronization

/// The metrics of the process, and their text for Prometheus.
///
/// Each metric is a *family* of series, one for each combination of label values. Families are made once, at start;
/// their series come and go. Everything may be used from any thread.
package final class MetricRegistry: Sendable {
    /// A family has at most so many series; see ``MetricFamily``.
    package static let mostSeries = 1000

    private let families = Mutex<[String: any MetricWriter]>([:])

    /// A registry without metrics.
    package init() {}

    /// A family of numbers that only grow.
    ///
    /// - Parameters:
    ///   - name: as the text format allows; a second family of a name takes the place of the first.
    ///   - help: what it counts, and in what unit.
    ///   - labels: the names of its labels. The first may only get values that the configuration bounds.
    package func counters(_ name: String, _ help: String, labels: [String] = []) -> MetricFamily<Counter> {
        add(MetricFamily(name, help, labels) { Counter() })
    }

    /// A family of numbers that rise and fall; see ``counters(_:_:labels:)``.
    package func gauges(_ name: String, _ help: String, labels: [String] = []) -> MetricFamily<Gauge> {
        add(MetricFamily(name, help, labels) { Gauge() })
    }

    /// A family of distributions over classes; see ``counters(_:_:labels:)``.
    ///
    /// - Parameter bounds: the upper bounds of the classes, rising; one for everything else is added.
    package func histograms(
        _ name: String, _ help: String, labels: [String] = [], bounds: [Double]
    ) -> MetricFamily<Histogram> {
        add(MetricFamily(name, help, labels) { Histogram(bounds: bounds) })
    }

    /// A family of sums with the number of their parts; see ``counters(_:_:labels:)``.
    package func summaries(_ name: String, _ help: String, labels: [String] = []) -> MetricFamily<Summary> {
        add(MetricFamily(name, help, labels) { Summary() })
    }

    /// Everything in the text format of Prometheus, version 0.0.4: families by name, series by label values. A family
    /// without series is left out.
    package func text() -> [UInt8] {
        var text = MetricText()
        for (_, family) in families.withLock({ $0 }).sorted(by: { $0.key < $1.key }) { family.write(to: &text) }
        return text.bytes
    }

    /// The media type of ``text()``.
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// Name, type, labels and help of each family, by name: for the table in the documentation.
    package var descriptions: [MetricDescription] {
        families.withLock { $0.values.map(\.description) }.sorted { $0.name < $1.name }
    }

    private func add<Instrument>(_ family: MetricFamily<Instrument>) -> MetricFamily<Instrument> {
        families.withLock { $0[family.description.name] = family }
        return family
    }
}

/// What a family is.
package struct MetricDescription: Sendable, Hashable {
    /// Its name.
    package var name: String
    /// `counter`, `gauge`, `histogram` or `summary`.
    package var type: String
    /// The names of its labels.
    package var labels: [String]
    /// What it counts.
    package var help: String
}

/// A family of any type.
protocol MetricWriter: Sendable {
    var description: MetricDescription { get }
    func write(to text: inout MetricText)
}

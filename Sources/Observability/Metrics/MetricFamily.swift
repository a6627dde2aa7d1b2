import Support
import Synchronization

/// The series of one metric.
///
/// Label values may be untrusted, so they are bounded in length (``LabelValues/longest``) and in number: when there
/// are ``MetricRegistry/mostSeries``, further ones share a series whose labels after the first are `other`.
package final class MetricFamily<Instrument: MetricInstrument>: MetricWriter {
    let description: MetricDescription
    private let make: @Sendable () -> Instrument
    private let series = Mutex<[LabelValues: Instrument]>([:])

    init(_ name: String, _ help: String, _ labels: [String], make: @escaping @Sendable () -> Instrument) {
        description = MetricDescription(name: name, type: Instrument.type, labels: labels, help: help)
        self.make = make
        // Without labels there is exactly one series, from the start.
        if labels.isEmpty { series.withLock { $0[LabelValues([])] = make() } }
    }

    /// The series with these label values, in the order of the labels; missing ones are empty. Created if it does
    /// not exist.
    ///
    /// After ``remove(where:)`` a kept instrument still counts, but is not shown.
    package func with(_ values: String...) -> Instrument { series.withLock { find(LabelValues(values), in: &$0) } }

    /// Replaces values atomically for readers.
    ///
    /// - Parameters:
    ///   - isOld: whether to remove a series, by its label values, unless it is among the new ones.
    ///   - values: the new label values and numbers.
    package func replace(where isOld: ([String]) -> Bool, with values: [([String], Double)]) where Instrument == Gauge {
        series.withLock { series in
            series = series.filter { !isOld($0.key.values) }
            for (labels, value) in values { find(LabelValues(labels), in: &series).set(value) }
        }
    }

    /// Removes obsolete series.
    ///
    /// - Parameter isGone: whether to remove a series, by its label values.
    package func remove(where isGone: ([String]) -> Bool) {
        series.withLock { series in
            guard series.keys.contains(where: { isGone($0.values) }) else { return }
            series = series.filter { !isGone($0.key.values) }
        }
    }

    private func find(_ values: LabelValues, in series: inout [LabelValues: Instrument]) -> Instrument {
        var values = values
        values.fill(to: description.labels.count)
        if let instrument = series[values] { return instrument }
        if series.count >= MetricRegistry.mostSeries {
            values.merge()
            if let instrument = series[values] { return instrument }
        }
        let instrument = make()
        series[values] = instrument
        return instrument
    }

    func write(to text: inout MetricText) {
        let sorted = series.withLock { $0 }.sorted { $0.key < $1.key }
        guard !sorted.isEmpty else { return }
        text.begin(description)
        for (values, instrument) in sorted {
            instrument.write(to: &text, MetricText.Series(description: description, values: values.values))
        }
    }
}

/// The label values of a series.
struct LabelValues: Hashable, Comparable {
    /// Maximum size in bytes; longer values are truncated between two characters.
    static let longest = 128

    private(set) var values: [String]

    init(_ values: [String]) { self.values = values.map(Self.cut) }

    mutating func fill(to count: Int) {
        while values.count < count { values.append("") }
        if values.count > count { values.removeLast(values.count - count) }
    }

    /// Changes them to the series for all that exceed the limit.
    mutating func merge() {
        for index in values.indices where index > 0 || values.count == 1 { values[index] = "other" }
    }

    static func cut(_ text: String) -> String { PrintableText.cut(text, longest: longest, ending: "") }

    static func < (one: LabelValues, other: LabelValues) -> Bool {
        one.values.lexicographicallyPrecedes(other.values) { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }
}

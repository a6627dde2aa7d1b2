import Synchronization

/// The value of a series.
package protocol MetricInstrument: AnyObject, Sendable {
    /// The type's name in the text format.
    static var type: String { get }
    /// Writes the lines of the series.
    func write(to text: inout MetricText, _ series: MetricText.Series)
}

/// A number that only increases.
package final class Counter: MetricInstrument {
    /// See ``MetricInstrument/type``.
    package static var type: String { "counter" }
    private let value = Mutex(0.0)

    init() {}

    /// Adds a number; a negative one counts as zero.
    package func add(_ number: Double = 1) { value.withLock { $0 += max(0, number) } }

    /// Adds a number; a negative one counts as zero.
    package func add(_ number: Int) { add(Double(number)) }

    /// Sets a total counted elsewhere.
    package func set(total: Double) { value.withLock { $0 = total } }

    /// See ``MetricInstrument/write(to:_:)``.
    package func write(to text: inout MetricText, _ series: MetricText.Series) {
        text.sample(series, value: value.withLock(\.self))
    }
}

/// A number that can increase and decrease.
package final class Gauge: MetricInstrument {
    /// See ``MetricInstrument/type``.
    package static var type: String { "gauge" }
    private let value = Mutex(0.0)

    init() {}

    /// Sets the number.
    package func set(_ number: Double) { value.withLock { $0 = number } }

    /// Sets the number.
    package func set(_ number: Int) { set(Double(number)) }

    /// Adds to the number.
    package func add(_ number: Double) { value.withLock { $0 += number } }

    /// See ``MetricInstrument/write(to:_:)``.
    package func write(to text: inout MetricText, _ series: MetricText.Series) {
        text.sample(series, value: value.withLock(\.self))
    }
}

/// The distribution of numbers over buckets.
package final class Histogram: MetricInstrument {
    /// See ``MetricInstrument/type``.
    package static var type: String { "histogram" }

    private struct State {
        /// One more than there are bounds.
        var counts: [UInt64]
        var sum = 0.0
    }

    private let bounds: [Double]
    private let state: Mutex<State>

    init(bounds: [Double]) {
        self.bounds = bounds
        state = Mutex(State(counts: [UInt64](repeating: 0, count: bounds.count + 1)))
    }

    /// Counts a number; NaN is ignored.
    package func observe(_ number: Double) {
        guard !number.isNaN else { return }
        let index = bounds.firstIndex { number <= $0 } ?? bounds.count
        state.withLock { state in
            state.counts[index] += 1
            state.sum += number
        }
    }

    /// Counts a time in seconds.
    package func observe(_ time: Duration) { observe(time / .seconds(1)) }

    /// Adds numbers that were counted in the same buckets elsewhere.
    ///
    /// - Parameters:
    ///   - counts: the count of each bucket, one more than there are bounds; further ones are ignored.
    ///   - sum: the sum of all numbers.
    package func add(counts: [Int], sum: Double) {
        guard counts.count == bounds.count + 1 else { return }
        state.withLock { state in
            for index in counts.indices { state.counts[index] += UInt64(clamping: counts[index]) }
            state.sum += sum
        }
    }

    /// See ``MetricInstrument/write(to:_:)``.
    package func write(to text: inout MetricText, _ series: MetricText.Series) {
        let state = state.withLock(\.self)
        var total: UInt64 = 0
        for (index, count) in state.counts.enumerated() {
            total += count
            let bound = index < bounds.count ? bounds[index] : .infinity
            text.sample(series, suffix: "_bucket", extra: ("le", MetricText.number(bound)), value: Double(total))
        }
        text.sample(series, suffix: "_sum", value: state.sum)
        text.sample(series, suffix: "_count", value: Double(total))
    }
}

/// A sum with the number of its summands.
package final class Summary: MetricInstrument {
    /// See ``MetricInstrument/type``.
    package static var type: String { "summary" }
    private let state = Mutex((sum: 0.0, count: UInt64(0)))

    init() {}

    /// Counts a time in seconds.
    package func observe(_ time: Duration) {
        state.withLock { state in
            state.sum += time / .seconds(1)
            state.count += 1
        }
    }

    /// See ``MetricInstrument/write(to:_:)``.
    package func write(to text: inout MetricText, _ series: MetricText.Series) {
        let (sum, count) = state.withLock { $0 }
        text.sample(series, suffix: "_sum", value: sum)
        text.sample(series, suffix: "_count", value: Double(count))
    }
}

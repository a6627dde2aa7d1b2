import Observability

/// The metrics of requests to an S3 server.
package struct StorageMetrics: Sendable {
    private let last: MetricFamily<Gauge>
    private let calls, errors, errorsByType: MetricFamily<Counter>
    private let time: MetricFamily<Histogram>

    init(_ registry: MetricRegistry) {
        last = registry.gauges(
            "storage_s3_call_timestamp_seconds", "When the last call ended, since the UNIX epoch.", labels: ["method"])
        calls = registry.counters("storage_s3_call_total", "Calls to the S3 server.", labels: ["method"])
        errors = registry.counters("storage_s3_call_error_total", "Calls that failed.", labels: ["method"])
        errorsByType = registry.counters(
            "storage_s3_call_error_by_type_total",
            "Calls that failed, by NotFound, Timeout, DNSError, URLError, the error code of the server, or Unknown.",
            labels: ["method", "error"])
        time = registry.histograms(
            "storage_s3_call_duration_seconds", "How long calls took.", labels: ["method"],
            bounds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60])
    }

    /// Makes the series that are worth a zero from the beginning.
    func begin(methods: [String]) {
        for method in methods {
            _ = (calls.with(method), errors.with(method), time.with(method))
            for error in ["NotFound", "Timeout", "DNSError", "URLError", "Unknown"] {
                _ = errorsByType.with(method, error)
            }
        }
    }

    /// A call has ended.
    ///
    /// - Parameters:
    ///   - method: `list`, `load`, `store` or `delete`.
    ///   - end: when, in nanoseconds since the UNIX epoch.
    ///   - error: its kind; nil when it succeeded.
    package func called(_ method: String, end: UInt64, duration: Duration, error: String?) {
        last.with(method).set(Double(end) / 1e9)
        calls.with(method).add()
        time.with(method).observe(duration)
        guard let error else { return }
        errors.with(method).add()
        errorsByType.with(method, error.isEmpty ? "Unknown" : error).add()
    }
}

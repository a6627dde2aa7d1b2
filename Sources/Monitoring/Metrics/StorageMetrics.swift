import BlobStorage
import Observability

/// The metrics of requests to a kind of server, with the names of release 1.0.
package struct StorageMetrics: Sendable {
    private let last: MetricFamily<Gauge>
    private let calls, errors, errorsByType: MetricFamily<Counter>
    private let time: MetricFamily<Histogram>

    init(_ registry: MetricRegistry, _ service: StorageService) {
        let calls = "storage_\(service.rawValue)_call"
        let server = service == .s3 ? "the S3 server" : "the Azure storage"
        last = registry.gauges(
            "\(calls)_timestamp_seconds", "End of the last call, since the UNIX epoch.", labels: ["method"])
        self.calls = registry.counters("\(calls)_total", "Calls to \(server).", labels: ["method"])
        errors = registry.counters("\(calls)_error_total", "Failed calls.", labels: ["method"])
        errorsByType = registry.counters(
            "\(calls)_error_by_type_total",
            "Failed calls by NotFound, Timeout, DNSError, URLError, the server's error code, or Unknown.",
            labels: ["method", "error"])
        time = registry.histograms(
            "\(calls)_duration_seconds", "Duration of calls.", labels: ["method"],
            bounds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60])
    }

    /// Creates the series that start with zero.
    func begin(methods: [String]) {
        for method in methods {
            _ = (calls.with(method), errors.with(method), time.with(method))
            for error in ["NotFound", "Timeout", "DNSError", "URLError", "Unknown"] {
                _ = errorsByType.with(method, error)
            }
        }
    }

    /// Records a completed call.
    ///
    /// - Parameters:
    ///   - method: `list`, `load`, `store` or `delete`.
    ///   - end: end of the call, in nanoseconds since the UNIX epoch.
    ///   - error: the error's code; nil on success.
    package func called(_ method: String, end: UInt64, duration: Duration, error: String?) {
        last.with(method).set(Double(end) / 1e9)
        calls.with(method).add()
        time.with(method).observe(duration)
        guard let error else { return }
        errors.with(method).add()
        errorsByType.with(method, error.isEmpty ? "Unknown" : error).add()
    }
}

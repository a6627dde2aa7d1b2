import Observability

/// The metrics of hints between instances, and of webhooks.
package struct PushMetrics: Sendable {
    /// What has become of a hint to another instance.
    package enum Sent: String, Sendable, CaseIterable {
        /// It was accepted.
        case accepted
        /// The token was rejected, or there is no endpoint.
        case refused
        /// There were too many.
        case limited
        /// The server failed.
        case failed
        /// There was no answer in time.
        case unreachable
        /// Not sent, because too many attempts have failed.
        case suppressed
    }

    /// What has become of a request.
    package enum Received: String, Sendable, CaseIterable {
        /// It was accepted.
        case accepted
        /// Its token was wrong or missing.
        case unauthorized
        /// There were too many.
        case limited
        /// It was too large, or malformed.
        case invalid
    }

    private let sent, received: MetricFamily<Counter>
    private let peers: MetricFamily<Gauge>

    /// Adds the metrics to a registry.
    package init(_ registry: MetricRegistry) {
        let push = "lightningstream_push_"
        sent = registry.counters(
            push + "hints_sent_total",
            "Hints to other instances that an object was stored, by result: accepted, refused, limited, failed, unreachable or"
                + " suppressed.",
            labels: ["result"])
        received = registry.counters(
            push + "requests_total",
            "Requests to /hint and /events, by result: accepted, unauthorized, limited or invalid.",
            labels: ["endpoint", "result"])
        peers = registry.gauges(
            push + "peers",
            "Instances that are told what this one has stored: reachable, or failing since the last attempt.",
            labels: ["state"])
    }

    /// Creates the series that start with zero.
    ///
    /// - Parameter endpoints: the names of the endpoints.
    package func begin(endpoints: [String]) {
        for result in Sent.allCases { _ = sent.with(result.rawValue) }
        for endpoint in endpoints {
            for result in Received.allCases { _ = received.with(endpoint, result.rawValue) }
        }
        show(reachable: 0, failing: 0)
    }

    /// Counts a hint.
    package func count(_ result: Sent) { sent.with(result.rawValue).add() }

    /// Counts a request.
    package func count(_ result: Received, at endpoint: String) { received.with(endpoint, result.rawValue).add() }

    /// Replaces the numbers of instances.
    package func show(reachable: Int, failing: Int) {
        peers.with("reachable").set(Double(reachable))
        peers.with("failing").set(Double(failing))
    }
}

import Monitoring

/// What the status server shows; asked for each answer, by one caller at a time for each function.
package protocol StatusSource: Sendable {
    /// Where everything stands now.
    func report() async -> StatusReport
    /// The metrics in Prometheus's text format 0.0.4.
    func metrics() async -> [UInt8]
    /// Whether no health check fails, and the JSON text of `/healthz`.
    func health() async -> (isAvailable: Bool, json: [UInt8])
    /// The objects in the storage; sizes are bytes.
    func objects() async throws -> [(name: String, size: Int)]
}

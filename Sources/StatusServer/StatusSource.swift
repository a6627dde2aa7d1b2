import Monitoring

/// What the status server shows; asked for each answer, by one caller at a time for each function.
package protocol StatusSource: Sendable {
    /// Where everything stands now.
    func report() async -> StatusReport
    /// The metrics in Prometheus's text format 0.0.4.
    func metrics() async -> [UInt8]
    /// Whether no health check fails, and the JSON text of `/healthz`.
    func health() async -> (isAvailable: Bool, json: [UInt8])
    /// What there is to say of a zone; nil where nobody knows zones. Asked by several callers at a time; takes no longer
    /// than a moment.
    func zone(_ name: String) async -> StatusReport.Zone?
    /// What shows to the owner of the LMDBs that a body is ours, for a number that only this request has; nil where
    /// there is nothing to show it by.
    func proof(nonce: String, of body: [UInt8]) -> String?
    /// The objects in the storage; sizes are bytes.
    func objects() async throws -> [(name: String, size: Int)]
}

extension StatusSource {
    /// Nobody knows zones.
    package func zone(_ name: String) async -> StatusReport.Zone? { nil }
    /// None.
    package func proof(nonce: String, of body: [UInt8]) -> String? { nil }
}

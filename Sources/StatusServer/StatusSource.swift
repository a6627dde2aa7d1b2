import Monitoring

/// The data of the status server. Each function is called for each answer, by one caller at a time.
package protocol StatusSource: Sendable {
    /// The current status.
    func report() async -> StatusReport
    /// The metrics in Prometheus's text format 0.0.4.
    func metrics() async -> [UInt8]
    /// Whether no health check fails, and the JSON text of `/healthz`.
    func health() async -> (isAvailable: Bool, json: [UInt8])
    /// The status of a zone; nil if there are no zones. May be called concurrently; returns within a
    /// moment.
    func zone(_ name: String) async -> StatusReport.Zone?
    /// Whether all instances, except some, have merged the newest change of a zone, or that of the ticket of an earlier answer; nil if
    /// there are no zones. May be called concurrently; returns within a moment.
    func inSync(_ zone: String, ticket: UInt64?, except: [String]) async -> StatusReport.InSync?
    /// Proves to the owner of the LMDBs that this process wrote a body, for a nonce of this request only; nil if
    /// there is no secret for it.
    func proof(nonce: String, of body: [UInt8]) -> String?
    /// The objects in the storage; sizes are bytes.
    func objects() async throws -> [(name: String, size: Int)]
}

extension StatusSource {
    /// No zones.
    package func zone(_ name: String) async -> StatusReport.Zone? { nil }
    /// No zones.
    package func inSync(_ zone: String, ticket: UInt64?, except: [String]) async -> StatusReport.InSync? { nil }
    /// None.
    package func proof(nonce: String, of body: [UInt8]) -> String? { nil }
}

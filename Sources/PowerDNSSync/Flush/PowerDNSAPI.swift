import HTTP
import PowerDNSFormat
import Replication
import Support

/// The required part of the HTTP API of a PowerDNS server.
///
/// <https://doc.powerdns.com/authoritative/http-api/cache.html>
package struct PowerDNSAPI: Sendable {
    /// Scheme, host and port.
    private let base: String
    private let key: @Sendable () throws -> String
    private let client: DocumentClient

    /// The usual timeout of a request, without a byte.
    package static let timeout = Duration.seconds(5)

    /// - Parameters:
    ///   - url: scheme, host and port.
    ///   - key: returns the API key; may block; called before each request, so that the key can be replaced.
    ///   - stallTimeout: timeout of connecting, and without a byte.
    package init(url: String, stallTimeout: Duration = timeout, key: @escaping @Sendable () throws -> String) {
        base = url.hasSuffix("/") ? String(url.dropLast()) : url
        self.key = key
        client = DocumentClient(stallTimeout: stallTimeout, totalTimeout: stallTimeout * 3, largest: 64 << 10)
    }

    /// The failure of a request: one line with place and cause.
    struct Failure: Error, CustomStringConvertible {
        var description: String
        /// Whether PowerDNS rejects this request permanently.
        var isFinal = false
        /// Whether there was no answer, although something listens: it may still flush, and serves what it has cached.
        var isLate = false
    }

    /// Flushes PowerDNS's cache for the names in a zone, or for all names.
    ///
    /// PowerDNS flushes all answers below a name, so `.` means every answer. If the name is that of a zone, it also flushes
    /// its keys and metadata, and checks whether that zone exists.
    ///
    /// - Throws: ``Failure``, the error of the key, or `CancellationError` if the task is cancelled.
    func flush(_ target: FlushQueue.Target) async throws {
        let name =
            switch target {
            case .everything: "."
            case .zone(let zone): zone.name.text(escaping: .powerDNS) + (zone.variant.isEmpty ? "" : ".\(zone.variant)")
            }
        try await send("PUT", "/cache/flush?domain=\(percentEncoded(name))")
    }

    /// Checks that it is reachable and accepts the key.
    ///
    /// - Throws: ``Failure``, the error of the key, or `CancellationError` if the task is cancelled.
    package func check() async throws { try await send("GET", "") }

    private func send(_ method: String, _ path: String) async throws {
        let url = "\(base)/api/v1/servers/localhost\(path)"
        let key = try await Self.pool.run { [key] _ in try key() }
        let answer: Document
        do {
            answer = try await client.perform(
                method, url, headers: [("X-API-Key", key), ("Accept", "application/json")])
        } catch let failure as Document.Failure {
            // Without the zone, because the problem is the same for all zones.
            throw Failure(description: "\(base): \(failure.detail)", isLate: !failure.isRefused)
        }
        guard !(200..<300).contains(answer.status) else { return }
        throw Failure(
            description: "\(base): \(explanation(of: answer, key))",
            isFinal: answer.status == 400 || answer.status == 422)
    }

    private static let pool = BlockingPool(label: "powerdns-api-key", width: 1)

    private func explanation(of answer: Document, _ key: String) -> String {
        let advice =
            switch answer.status {
            case 401: " (check that powerdns.api.key is PowerDNS's api-key)"
            case 403: " (check that PowerDNS's webserver-allow-from contains this host)"
            case 404: " (check that this is PowerDNS's webserver, with api=yes)"
            default: ""
            }
        // An unknown server may echo the request.
        var text = String(decoding: answer.body, as: UTF8.self)
        if !key.isEmpty { text = text.replacing(key, with: "***") }
        text = Array(text.utf8).withUnsafeBytes(printable)
        return "answered with status \(answer.status)\(advice)\(text.isEmpty ? "" : ": \(text)")"
    }
}

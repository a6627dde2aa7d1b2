import HTTP
import Support

/// Sends requests for credentials, each over a connection of its own: they are hours apart.
struct CredentialClient: Sendable {
    /// Timeout of name resolution, TCP and TLS together.
    var connectTimeout: Duration
    /// Timeout of a whole request.
    var totalTimeout: Duration
    var usesProxy: Bool
    /// For https.
    var tls: TLSOptions

    /// For a service of this host or its network, which answers at once if it is there.
    static func near(timeout: Duration? = nil, _ tls: TLSOptions = TLSOptions()) -> CredentialClient {
        CredentialClient(
            connectTimeout: timeout ?? .seconds(1), totalTimeout: timeout ?? .seconds(5), usesProxy: false, tls: tls)
    }

    /// For a service somewhere.
    static func far(_ url: ServiceURL, _ tls: TLSOptions) -> CredentialClient {
        CredentialClient(
            connectTimeout: .seconds(5), totalTimeout: .seconds(15), usesProxy: !url.isLoopback, tls: tls)
    }

    /// Sends a request on the calling thread.
    ///
    /// - Throws: ``CredentialFailure/Problem``, or `CancellationError`.
    func send(
        _ method: String, _ url: String, _ headers: [(name: String, value: String)] = [], body: [UInt8]? = nil,
        _ cancellation: CancellationSignal
    ) throws -> HTTPAnswer {
        let settings = HTTPSettings(
            connectTimeout: connectTimeout, totalTimeout: totalTimeout, stallTimeout: totalTimeout, keepAlive: .zero,
            idleConnectionTimeout: .zero, usesProxy: usesProxy, largestAnswer: 64 << 10)
        // Some servers wait for a body unless its length is given.
        let length = method == "GET" || body != nil ? [] : [(name: "Content-Length", value: "0")]
        let request = HTTPRequest(
            method: method, url: url, headers: headers + length,
            body: body.map { HTTPRequest.Body(spool: Spool($0), range: 0..<$0.count) })
        do {
            let client = try HTTPClient(
                settings, maximumIdleConnections: 0, tls: try TLSSource(tls), keyLogFile: "")
            return try client.perform(request, cancellation)
        } catch let failure as TransferFailure {
            throw CredentialFailure.Problem.unanswered(failure)
        } catch let error as HTTPSetupError {
            throw CredentialFailure.Problem.setup(error)
        }
    }
}

extension TLSOptions {
    /// The certificates that verify the storage, also for services that hand out its credentials. These are always
    /// verified, and get no client certificate.
    var authoritiesOnly: TLSOptions { TLSOptions(caFile: caFile, ca: ca, addSystemCAPool: addSystemCAPool) }
}

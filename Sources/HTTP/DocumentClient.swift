import Support

/// Sends small requests to a server, one at a time over a persistent connection.
package struct DocumentClient: Sendable {
    private let client: Result<HTTPClient, any Error>
    private let pool = BlockingPool(label: "document", width: 1)

    /// Does not connect yet. Uses no proxy.
    ///
    /// - Parameters:
    ///   - stallTimeout: timeout of connecting, and without a byte.
    ///   - totalTimeout: timeout of a whole exchange.
    ///   - largest: maximum size of an answer in bytes; a larger one is a failure.
    package init(stallTimeout: Duration, totalTimeout: Duration, largest: Int) {
        let settings = HTTPSettings(
            connectTimeout: stallTimeout, totalTimeout: totalTimeout, stallTimeout: stallTimeout,
            keepAlive: .seconds(10), idleConnectionTimeout: .seconds(10), usesProxy: false, largestAnswer: largest)
        client = Result {
            try HTTPClient(settings, maximumIdleConnections: 1, tls: try TLSSource(TLSOptions()), keyLogFile: "")
        }
    }

    /// Sends a request.
    ///
    /// - Parameters:
    ///   - headers: additional headers.
    ///   - body: the body; nil for none.
    /// - Throws: ``Document/Failure``, or `CancellationError` if the task is cancelled.
    package func perform(
        _ method: String, _ url: String, headers: [(name: String, value: String)], body: [UInt8]? = nil
    ) async throws -> Document {
        // Some servers wait for a body unless its length is given.
        let length = method == "GET" || body != nil ? [] : [(name: "Content-Length", value: "0")]
        let request = HTTPRequest(
            method: method, url: url, headers: headers + length,
            body: body.map { HTTPRequest.Body(spool: Spool($0), range: 0..<$0.count) })
        do {
            return try await pool.run { cancellation in
                let answer = try client.get().perform(request, cancellation)
                return Document(status: answer.status, body: answer.body, headers: answer.headers)
            }
        } catch let failure as TransferFailure {
            throw Document.Failure(isRefused: failure.reason == .refused, url: url, detail: failure.detail)
        } catch let error as HTTPSetupError {
            throw Document.Failure(isRefused: false, url: url, detail: error.description)
        }
    }
}

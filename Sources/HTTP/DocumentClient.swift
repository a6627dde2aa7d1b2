import Support

/// Makes small requests to a server of this site, one after the other over a connection that is kept.
package struct DocumentClient: Sendable {
    private let client: Result<HTTPClient, any Error>
    private let pool = BlockingPool(label: "document", width: 1)

    /// Makes no request, and uses no proxy.
    ///
    /// - Parameters:
    ///   - stallTimeout: for connecting, and for the time without a byte.
    ///   - totalTimeout: for a whole exchange.
    ///   - largest: an answer of more bytes is a failure.
    package init(stallTimeout: Duration, totalTimeout: Duration, largest: Int) {
        let settings = HTTPSettings(
            connectTimeout: stallTimeout, totalTimeout: totalTimeout, stallTimeout: stallTimeout,
            keepAlive: .seconds(10), idleConnectionTimeout: .seconds(10), usesProxy: false, largestAnswer: largest)
        client = Result {
            try HTTPClient(settings, maximumIdleConnections: 1, tls: try TLSSource(TLSOptions()), keyLogFile: "")
        }
    }

    /// Performs a request without a body.
    ///
    /// - Parameter headers: in addition to what HTTP itself needs.
    /// - Throws: ``Document/Failure``, or `CancellationError` when the task is cancelled.
    package func perform(
        _ method: String, _ url: String, headers: [(name: String, value: String)]
    ) async throws -> Document {
        // Some servers wait for a body where nothing says that there is none.
        let length = method == "GET" ? [] : [(name: "Content-Length", value: "0")]
        let request = HTTPRequest(method: method, url: url, headers: headers + length)
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

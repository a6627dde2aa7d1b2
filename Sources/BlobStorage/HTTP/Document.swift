import Bytes

/// A small document that a server on this host gives, over HTTP.
package struct Document: Sendable {
    /// The status of the answer.
    package var status: Int
    /// What it holds.
    package var body: [UInt8]

    /// Why there is none.
    package struct Failure: Error, Sendable, CustomStringConvertible {
        /// Whether nobody listens there.
        package var isRefused: Bool
        /// One line that says where and what.
        package var description: String
    }

    /// Gets a document, without a proxy.
    ///
    /// - Parameters:
    ///   - url: where it is, with scheme `http`.
    ///   - limit: for the whole exchange.
    ///   - largest: a document of more bytes is a failure.
    /// - Throws: ``Failure``, or `CancellationError` when the task is cancelled.
    package static func get(_ url: String, within limit: Duration, largest: Int = 16 << 20) async throws -> Document {
        let settings = HTTPSettings(
            connectTimeout: limit, totalTimeout: limit, stallTimeout: limit, keepAlive: .seconds(10),
            idleConnectionTimeout: .zero, usesProxy: false, largestAnswer: largest)
        do {
            return try await BlockingPool(label: "document", width: 1).run { cancellation in
                let client = try HTTPClient(
                    settings, maximumIdleConnections: 0, tls: try TLSSource(TLSOptions()), keyLogFile: "")
                let request = HTTPRequest(method: "GET", url: url, headers: [("Accept", "application/json")])
                let answer = try client.perform(request, cancellation)
                return Document(status: answer.status, body: answer.body)
            }
        } catch let failure as TransferFailure {
            throw Failure(isRefused: failure.reason == .refused, description: "\(url): \(failure.detail)")
        } catch let error as BlobStoreError {
            throw Failure(isRefused: false, description: "\(url): \(error)")
        }
    }
}

import Support

/// A small document from an HTTP server on this host.
package struct Document: Sendable {
    /// The status of the answer.
    package var status: Int
    /// The body of the answer.
    package var body: [UInt8]
    /// The headers of the answer, names in lower case.
    package var headers: [String: String]

    /// The reason for a failure.
    package struct Failure: Error, Sendable, CustomStringConvertible {
        /// Whether the connection was refused.
        package var isRefused: Bool
        /// The URL.
        package var url: String
        /// The cause.
        package var detail: String

        /// One line with URL and cause.
        package var description: String { "\(url): \(detail)" }
    }

    /// Gets a document, without a proxy.
    ///
    /// - Parameters:
    ///   - url: the URL, with scheme `http`.
    ///   - headers: additional request headers.
    ///   - limit: timeout of the whole exchange.
    ///   - largest: maximum size in bytes; a larger document is a failure.
    /// - Throws: ``Failure``, or `CancellationError` if the task is cancelled.
    package static func get(
        _ url: String, headers: [(name: String, value: String)] = [], within limit: Duration, largest: Int = 16 << 20
    ) async throws -> Document {
        try await DocumentClient(stallTimeout: limit, totalTimeout: limit, largest: largest)
            .perform("GET", url, headers: [("Accept", "application/json")] + headers)
    }
}

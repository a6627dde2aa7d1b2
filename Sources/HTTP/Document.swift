import Support

/// A small document that a server on this host gives, over HTTP.
package struct Document: Sendable {
    /// The status of the answer.
    package var status: Int
    /// What it holds.
    package var body: [UInt8]
    /// The headers of the answer, names in lower case.
    package var headers: [String: String]

    /// Why there is none.
    package struct Failure: Error, Sendable, CustomStringConvertible {
        /// Whether nobody listens there.
        package var isRefused: Bool
        /// Where that was to be.
        package var url: String
        /// What happened.
        package var detail: String

        /// One line that says where and what.
        package var description: String { "\(url): \(detail)" }
    }

    /// Gets a document, without a proxy.
    ///
    /// - Parameters:
    ///   - url: where it is, with scheme `http`.
    ///   - headers: of the request, in addition to the usual ones.
    ///   - limit: for the whole exchange.
    ///   - largest: a document of more bytes is a failure.
    /// - Throws: ``Failure``, or `CancellationError` when the task is cancelled.
    package static func get(
        _ url: String, headers: [(name: String, value: String)] = [], within limit: Duration, largest: Int = 16 << 20
    ) async throws -> Document {
        try await DocumentClient(stallTimeout: limit, totalTimeout: limit, largest: largest)
            .perform("GET", url, headers: [("Accept", "application/json")] + headers)
    }
}

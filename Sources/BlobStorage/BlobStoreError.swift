/// A failed storage operation, after useless retries have been excluded.
package struct BlobStoreError: Error, Sendable, CustomStringConvertible {
    /// The kind of an error, for callers.
    package enum Kind: Sendable, Hashable {
        /// The object (or bucket) does not exist.
        case notFound
        /// The storage refuses this caller.
        case accessDenied
        /// No answer within the configured time.
        case timeout
        /// Anything else.
        case other
    }

    /// The kind of the error.
    package var kind: Kind

    /// One line: operation, bucket or directory, object, cause, and advice if there is any. No secrets.
    package var description: String

    /// A short code for metrics: the S3 server's error code, or NotFound, Timeout, DNSError,
    /// URLError, TooLarge, Unknown.
    package var code: String

    /// The ``code`` of an error about an answer or an object that exceeds its limit.
    package static let tooLarge = "TooLarge"

    /// Creates an error; the default code depends on the kind.
    package init(_ kind: Kind, _ description: String, code: String? = nil) {
        self.kind = kind
        self.description = description
        self.code =
            switch kind {
            case .notFound: code ?? "NotFound"
            case .timeout: code ?? "Timeout"
            case .accessDenied, .other: code ?? "Unknown"
            }
    }
}

extension BlobStoreError {
    static func tooLarge(_ name: String, _ place: String, _ limit: Int) -> BlobStoreError {
        BlobStoreError(
            .other,
            "cannot load \(name.oneLine()) from \(place.oneLine()): it is larger than the expected \(limit) bytes",
            code: tooLarge)
    }
}

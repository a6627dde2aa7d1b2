/// A storage operation that failed, after the retries that could help.
package struct BlobStoreError: Error, Sendable, CustomStringConvertible {
    /// What a caller may want to tell apart.
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

    /// What a caller may want to tell apart.
    package var kind: Kind

    /// One line: operation, bucket or directory, object, what happened, and advice where there is some. No secrets.
    package var description: String

    /// A short name of the error for counting: what an S3 server calls it, or NotFound, Timeout, DNSError,
    /// URLError, TooLarge, Unknown.
    package var code: String

    /// The ``code`` of an error about an answer or an object that is larger than it may be.
    package static let tooLarge = "TooLarge"

    /// An error; without `code` the kind gives it.
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
            "cannot load \(name.oneLine()) from \(place.oneLine()): it has more than the \(limit) bytes that are expected",
            code: tooLarge)
    }
}

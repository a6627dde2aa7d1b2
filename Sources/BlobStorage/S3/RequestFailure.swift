import HTTP

/// One failed attempt of a request to a storage.
struct RequestFailure: RetryableFailure, Sendable {
    var error: BlobStoreError
    var isTransient: Bool
    var retryAfter: Duration?
}

extension BlobStoreError {
    /// A local problem that affects all requests.
    init(_ error: HTTPSetupError) {
        self.init(error.isAccessDenied ? .accessDenied : .other, error.description)
    }
}

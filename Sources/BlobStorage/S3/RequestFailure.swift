import HTTP

/// A request to a storage that failed once.
struct RequestFailure: RetryableFailure, Sendable {
    var error: BlobStoreError
    var isTransient: Bool
    var retryAfter: Duration?
}

extension BlobStoreError {
    /// Something on this machine is in the way of all requests.
    init(_ error: HTTPSetupError) {
        self.init(error.isAccessDenied ? .accessDenied : .other, error.description)
    }
}

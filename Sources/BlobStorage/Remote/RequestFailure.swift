import HTTP

/// One failed attempt of a request to a storage.
struct RequestFailure: RetryableFailure, Sendable {
    var error: BlobStoreError
    var isTransient: Bool
    var retryAfter: Duration?
}

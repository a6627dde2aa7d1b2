/// A request to a storage that has ended, for metrics.
///
/// One HTTP request is one call: each page of a listing, each part of an upload, and each further attempt after a
/// failure. The request that creates a bucket, and those that a cancelled task breaks off, are not reported.
package struct StorageCall: Sendable, Hashable {
    /// What the request was part of.
    package enum Method: String, Sendable, CaseIterable {
        /// A listing.
        case list
        /// The download of an object.
        case load
        /// The upload of an object, or of a part of one.
        case store
        /// The removal of an object.
        case delete
    }

    /// What the request was part of.
    package var method: Method
    /// When it ended, by the system's clock, in nanoseconds since the UNIX epoch.
    package var time: UInt64
    /// From its first byte to the last one of the answer.
    package var duration: Duration
    /// As in ``BlobStoreError/code``; nil when it succeeded.
    package var errorCode: String?

    /// See the properties of the same names.
    package init(method: Method, time: UInt64, duration: Duration, errorCode: String? = nil) {
        self.method = method
        self.time = time
        self.duration = duration
        self.errorCode = errorCode
    }
}

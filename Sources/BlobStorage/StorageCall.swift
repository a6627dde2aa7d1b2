/// A kind of server that stores objects.
package enum StorageService: String, Sendable, CaseIterable {
    /// S3.
    case s3
    /// Azure Blob storage.
    case azure

    /// With an article.
    var server: String {
        switch self {
        case .s3: "an S3 server"
        case .azure: "an Azure storage"
        }
    }
}

/// A completed request to a storage, for metrics.
///
/// Each HTTP request is one call: each page of a listing, each part of an upload, and each retry.
/// The request that creates a bucket and requests of cancelled tasks are not reported.
package struct StorageCall: Sendable, Hashable {
    /// The operation of a request.
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

    /// What it went to.
    package var service: StorageService
    /// The operation of the request.
    package var method: Method
    /// When it ended, by the system's clock, in nanoseconds since the UNIX epoch.
    package var time: UInt64
    /// From the first byte of the request to the last one of the answer.
    package var duration: Duration
    /// As in ``BlobStoreError/code``; nil on success.
    package var errorCode: String?

    /// See the properties of the same names.
    package init(
        _ service: StorageService = .s3, method: Method, time: UInt64, duration: Duration, errorCode: String? = nil
    ) {
        self.service = service
        self.method = method
        self.time = time
        self.duration = duration
        self.errorCode = errorCode
    }
}

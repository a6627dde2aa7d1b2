import HTTP

/// What `storage.options` says for a storage of type `s3`.
///
/// Empty strings mean: not set. 0 as a timeout or as `maximumIdleConnections` means: no limit.
package struct S3Options: Sendable {
    /// Where in a URL the bucket is.
    package enum Addressing: String, Sendable, CaseIterable {
        /// In the host name with services that want it there: AWS, Google, Alibaba; else in the path.
        case auto
        /// `https://s3.example.com/bucket/object`
        case path
        /// `https://bucket.s3.example.com/object`
        case virtual
    }

    /// The access key ID.
    package var accessKey: String
    /// The secret access key. Secret.
    package var secretKey: String
    /// Files with the keys, read again every `secretsRefreshInterval`; the end of line is cut.
    package var accessKeyFile: String
    /// See ``accessKeyFile``.
    package var secretKeyFile: String
    /// How often the key files are read again.
    package var secretsRefreshInterval: Duration
    /// What requests are signed for.
    package var region: String
    /// Required.
    package var bucket: String
    /// Whether a bucket that doesn't exist is created by ``S3Store/open(_:environment:willRetry:)``.
    package var createBucket: Bool
    /// AWS when empty.
    package var endpointURL: String
    /// Where in a URL the bucket is.
    package var addressing: Addressing
    /// The storage class of new objects; the bucket's default when empty.
    package var storageClass: String
    /// Is put before every name, and not seen outside of the storage.
    package var globalPrefix: String
    /// Deprecated: the same as `hideFolders`, since a folder is no object that could be listed.
    package var prefixFolders: Bool
    /// Whether objects are not listed whose name has a `/` behind the prefix.
    package var hideFolders: Bool
    /// Whether Content-MD5 is left out.
    package var disableSendContentMD5: Bool
    /// `num_minio_threads`: how many parts of one upload are sent at a time.
    package var parallelParts: Int
    /// For the whole of ``S3Store/open(_:environment:willRetry:)``.
    package var initTimeout: Duration
    /// After this long without use a connection is closed.
    package var idleConnectionTimeout: Duration
    /// How many connections are kept for further use.
    package var maximumIdleConnections: Int
    /// libcurl has one limit for both: see ``connectTimeout``.
    package var dialTimeout: Duration
    /// See ``dialTimeout``.
    package var tlsHandshakeTimeout: Duration
    /// The interval of TCP keep-alive probes; 0 for none.
    package var dialKeepAlive: Duration
    /// For one request with its body, from start to end.
    package var clientTimeout: Duration
    /// How the server is verified.
    package var tls: TLSOptions

    /// Whether syncing creates the bucket, even where this process must not: errors advise accordingly.
    package var isCreatedBySync = false
    /// For one request without a byte moving in either direction. No option of the configuration file.
    package var stallTimeout: Duration = .seconds(60)
    /// Bodies above this many bytes are uploaded in parts, of this size where 10,000 of them suffice. At least 5 MiB.
    package var partSize = 16 << 20
    var retry = RetryPolicy()

    /// The defaults of the configuration file, but for what is given.
    package init(
        bucket: String, accessKey: String = "", secretKey: String = "", accessKeyFile: String = "",
        secretKeyFile: String = "", secretsRefreshInterval: Duration = .seconds(15), region: String = "us-east-1",
        createBucket: Bool = false, endpointURL: String = "", addressing: Addressing = .auto, storageClass: String = "",
        globalPrefix: String = "",
        prefixFolders: Bool = false, hideFolders: Bool = false, disableSendContentMD5: Bool = false,
        parallelParts: Int = 4, initTimeout: Duration = .seconds(20), idleConnectionTimeout: Duration = .seconds(90),
        maximumIdleConnections: Int = 100, dialTimeout: Duration = .seconds(10),
        tlsHandshakeTimeout: Duration = .seconds(10), dialKeepAlive: Duration = .seconds(10),
        clientTimeout: Duration = .seconds(900), tls: TLSOptions = TLSOptions()
    ) {
        self.bucket = bucket
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.accessKeyFile = accessKeyFile
        self.secretKeyFile = secretKeyFile
        self.secretsRefreshInterval = secretsRefreshInterval
        self.region = region
        self.createBucket = createBucket
        self.endpointURL = endpointURL
        self.addressing = addressing
        self.storageClass = storageClass
        self.globalPrefix = globalPrefix
        self.prefixFolders = prefixFolders
        self.hideFolders = hideFolders
        self.disableSendContentMD5 = disableSendContentMD5
        self.parallelParts = parallelParts
        self.initTimeout = initTimeout
        self.idleConnectionTimeout = idleConnectionTimeout
        self.maximumIdleConnections = maximumIdleConnections
        self.dialTimeout = dialTimeout
        self.tlsHandshakeTimeout = tlsHandshakeTimeout
        self.dialKeepAlive = dialKeepAlive
        self.clientTimeout = clientTimeout
        self.tls = tls
    }

    /// What libcurl gets as its one limit for name resolution, TCP and TLS: the sum of the two options.
    func connectTimeout(scheme: String) -> Duration {
        guard scheme == "https" else { return dialTimeout.orNoLimit }
        return dialTimeout.orNoLimit + tlsHandshakeTimeout.orNoLimit
    }
}

extension Duration {
    /// A timeout of 0 is none; a year is as good.
    var orNoLimit: Duration { self > .zero ? self : .seconds(365 * 86_400) }
}

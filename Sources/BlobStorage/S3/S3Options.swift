import HTTP

/// The options of an S3 storage.
///
/// Empty strings mean unset. 0 as a timeout or as `maximumIdleConnections` means no limit.
package struct S3Options: Sendable {
    /// Position of the bucket in URLs.
    package enum Addressing: String, Sendable, CaseIterable {
        /// In the host name for services that expect it there: AWS, Google, Alibaba; otherwise in the path.
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
    /// Files with the keys, read again every `secretsRefreshInterval`; the end of line is ignored.
    package var accessKeyFile: String
    /// See ``accessKeyFile``.
    package var secretKeyFile: String
    /// Interval at which the key files and profiles are read again.
    package var secretsRefreshInterval: Duration
    /// The region for signatures.
    package var region: String
    /// Whether the server may name another region, because none has been chosen.
    package var learnsRegion = false
    /// Required.
    package var bucket: String
    /// Whether ``S3Store/open(_:environment:willRetry:)`` creates a missing bucket.
    package var createBucket: Bool
    /// AWS when empty.
    package var endpointURL: String
    /// Position of the bucket in URLs.
    package var addressing: Addressing
    /// The storage class of new objects; the bucket's default when empty.
    package var storageClass: String
    /// Prefix of all names, not visible outside of the storage.
    package var globalPrefix: String
    /// Deprecated: the same as `hideFolders`, because a folder is not an object.
    package var prefixFolders: Bool
    /// Whether objects with a `/` after the prefix are excluded from listings.
    package var hideFolders: Bool
    /// Whether Content-MD5 is omitted.
    package var disableSendContentMD5: Bool
    /// Concurrent parts of one upload.
    package var parallelParts: Int
    /// Timeout of ``S3Store/open(_:environment:willRetry:)`` as a whole.
    package var initTimeout: Duration
    /// Idle time after which a connection is closed.
    package var idleConnectionTimeout: Duration
    /// Maximum number of idle connections.
    package var maximumIdleConnections: Int
    /// libcurl has one timeout for both: see ``connectTimeout``.
    package var dialTimeout: Duration
    /// See ``dialTimeout``.
    package var tlsHandshakeTimeout: Duration
    /// The interval of TCP keep-alive probes; 0 for none.
    package var dialKeepAlive: Duration
    /// Timeout of one request with its body.
    package var clientTimeout: Duration
    /// Verification of the server.
    package var tls: TLSOptions
    /// Whether the server announces changes.
    package var notifications: S3Notifications
    var listenTimes = S3ListenTimes()

    /// Timeout of one request without a byte in either direction. Not in the configuration file.
    package var stallTimeout: Duration = .seconds(60)
    /// Larger bodies are uploaded in parts of this size in bytes if 10,000 of them suffice. At least 5 MiB.
    package var partSize = 16 << 20
    var retry = RetryPolicy()

    /// Creates options with the defaults of the configuration file.
    package init(
        bucket: String, accessKey: String = "", secretKey: String = "", accessKeyFile: String = "",
        secretKeyFile: String = "", secretsRefreshInterval: Duration = .seconds(15), region: String = "us-east-1",
        createBucket: Bool = false, endpointURL: String = "", addressing: Addressing = .auto, storageClass: String = "",
        globalPrefix: String = "",
        prefixFolders: Bool = false, hideFolders: Bool = false, disableSendContentMD5: Bool = false,
        parallelParts: Int = 4, initTimeout: Duration = .seconds(20), idleConnectionTimeout: Duration = .seconds(90),
        maximumIdleConnections: Int = 100, dialTimeout: Duration = .seconds(10),
        tlsHandshakeTimeout: Duration = .seconds(10), dialKeepAlive: Duration = .seconds(10),
        clientTimeout: Duration = .seconds(900), tls: TLSOptions = TLSOptions(), notifications: S3Notifications = .off
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
        self.notifications = notifications
    }

    /// libcurl's single timeout for name resolution, TCP and TLS: the sum of the two options.
    func connectTimeout(scheme: String) -> Duration {
        guard scheme == "https" else { return dialTimeout.orNoLimit }
        return dialTimeout.orNoLimit + tlsHandshakeTimeout.orNoLimit
    }
}

extension Duration {
    /// A timeout of 0 means none; a year is equivalent.
    var orNoLimit: Duration { self > .zero ? self : .seconds(365 * 86_400) }
}

import HTTP

/// The options of an Azure Blob storage.
///
/// Empty strings mean unset. 0 as a timeout or as `maximumIdleConnections` means no limit.
package struct AzureOptions: Sendable {
    /// The storage account.
    package var accountName: String
    /// Its key. Secret.
    package var accountKey: String
    /// A file with the key, read again every `secretsRefreshInterval`; the end of line is ignored.
    package var accountKeyFile: String
    /// Interval at which the key file is read again.
    package var secretsRefreshInterval: Duration
    /// Whether nothing else than the key of the account is used.
    package var useSharedKey: Bool
    /// Required.
    package var container: String
    /// Whether ``AzureStore/open(_:environment:willRetry:observe:credentials:)`` creates a missing container.
    package var createContainer: Bool
    /// Azure when empty.
    package var endpointURL: String
    /// Prefix of all names, not visible outside of the storage.
    package var globalPrefix: String
    /// Concurrent blocks of one upload.
    package var concurrency: Int
    /// Timeout of ``AzureStore/open(_:environment:willRetry:observe:credentials:)`` as a whole.
    package var initTimeout: Duration
    /// Idle time after which a connection is closed.
    package var idleConnectionTimeout: Duration
    /// Maximum number of idle connections.
    package var maximumIdleConnections: Int
    /// libcurl has one timeout for both: their sum.
    package var dialTimeout: Duration
    /// See ``dialTimeout``.
    package var tlsHandshakeTimeout: Duration
    /// The interval of TCP keep-alive probes; 0 for none.
    package var dialKeepAlive: Duration
    /// Timeout of one request with its body.
    package var clientTimeout: Duration
    /// Verification of the server.
    package var tls: TLSOptions

    /// Timeout of one request without a byte in either direction. Not in the configuration file.
    package var stallTimeout: Duration = .seconds(60)
    /// Larger bodies are uploaded in blocks of this size in bytes if there may be so many.
    package var blockSize = 16 << 20
    var retry = RetryPolicy()

    /// Creates options with the defaults of the configuration file.
    package init(
        container: String, accountName: String = "", accountKey: String = "", accountKeyFile: String = "",
        secretsRefreshInterval: Duration = .seconds(15), useSharedKey: Bool = false, createContainer: Bool = false,
        endpointURL: String = "", globalPrefix: String = "", concurrency: Int = 1,
        initTimeout: Duration = .seconds(20), idleConnectionTimeout: Duration = .seconds(90),
        maximumIdleConnections: Int = 100, dialTimeout: Duration = .seconds(10),
        tlsHandshakeTimeout: Duration = .seconds(10), dialKeepAlive: Duration = .seconds(10),
        clientTimeout: Duration = .seconds(900), tls: TLSOptions = TLSOptions()
    ) {
        self.container = container
        self.accountName = accountName
        self.accountKey = accountKey
        self.accountKeyFile = accountKeyFile
        self.secretsRefreshInterval = secretsRefreshInterval
        self.useSharedKey = useSharedKey
        self.createContainer = createContainer
        self.endpointURL = endpointURL
        self.globalPrefix = globalPrefix
        self.concurrency = concurrency
        self.initTimeout = initTimeout
        self.idleConnectionTimeout = idleConnectionTimeout
        self.maximumIdleConnections = maximumIdleConnections
        self.dialTimeout = dialTimeout
        self.tlsHandshakeTimeout = tlsHandshakeTimeout
        self.dialKeepAlive = dialKeepAlive
        self.clientTimeout = clientTimeout
        self.tls = tls
    }

    func connectTimeout(scheme: String) -> Duration {
        guard scheme == "https" else { return dialTimeout.orNoLimit }
        return dialTimeout.orNoLimit + tlsHandshakeTimeout.orNoLimit
    }
}

/// `storage`.
package struct StorageConfiguration: ConfigurationSection {
    /// The storage and its options.
    package var backend = StorageBackend.memory
    /// Removal of old snapshots.
    package var cleanup = CleanupConfiguration()
    /// Sealing of objects.
    package var sealing = SealingConfiguration()

    /// The defaults.
    package init() {}

    /// The defaults with another type of storage.
    package init(_ backend: StorageBackend) { self.backend = backend }
}

/// `storage.sealing`.
package struct SealingConfiguration: ConfigurationSection {
    /// The files with identities: the first one seals, all open. Empty if nothing is sealed.
    package var identityFiles: [String] = []
    /// Whether objects that are not sealed are read, too.
    package var acceptUnsealed = false

    /// The defaults: nothing is sealed.
    package init() {}
}

/// A type of storage with its options.
package enum StorageBackend: Sendable, Equatable {
    /// A bucket of an S3 service.
    case s3(S3StorageOptions)
    /// A directory.
    case fileSystem(FileSystemStorageOptions)
    /// This process's memory, for tests.
    case memory
    /// A container of Azure Blob Storage.
    case azure(AzureStorageOptions)

    /// The type alone.
    package var type: StorageType {
        switch self {
        case .s3: .s3
        case .fileSystem: .fileSystem
        case .memory: .memory
        case .azure: .azure
        }
    }
}

/// `storage.cleanup`.
package struct CleanupConfiguration: ConfigurationSection {
    /// Whether old snapshots are removed.
    package var enabled = false
    /// Time between runs.
    package var interval = Duration.minutes(5)
    /// Minimum time that snapshots are kept after they were first seen.
    package var mustKeepInterval = Duration.minutes(10)
    /// Age of the newest snapshot of an instance from which the instance counts as gone.
    package var removeOldInstancesInterval = Duration.hours(168)

    /// The defaults.
    package init() {}
}

/// `storage.options` of type `fs`.
package struct FileSystemStorageOptions: ConfigurationSection {
    /// Directory of the objects.
    package var rootPath = ""

    /// The defaults: without a directory.
    package init() {}
}

/// Position of the bucket in the URL of an object.
package enum S3Addressing: String, Sendable, CaseIterable {
    /// As the service requires.
    case auto
    /// In the path.
    case path
    /// In the host name.
    case virtual
}

/// Whether a bucket's changes are announced by its server.
package enum S3NotificationsSetting: String, Sendable, CaseIterable {
    /// If the server does.
    case auto
    /// They have to be.
    case on
    /// Not asked for.
    case off
}

/// `storage.options` of type `s3`. Empty texts mean unset.
package struct S3StorageOptions: ConfigurationSection {
    /// Access key ID.
    package var accessKey = ""
    /// Secret access key. Secret.
    package var secretKey = ""
    /// File with the access key ID.
    package var accessKeyFile = ""
    /// File with the secret access key.
    package var secretKeyFile = ""
    /// Interval at which key files are read again.
    package var secretsRefreshInterval = Duration.seconds(15)
    /// Region for signing.
    package var region = "us-east-1"
    /// The bucket; never empty after loading.
    package var bucket = ""
    /// Whether a missing bucket is created.
    package var createBucket = false
    /// URL of the service; empty for AWS.
    package var endpointURL = ""
    /// Position of the bucket in URLs.
    package var addressing = S3Addressing.auto
    /// Storage class of new objects; empty for the bucket's.
    package var storageClass = ""
    /// Prefix of all object names.
    package var globalPrefix = ""
    /// Deprecated spelling of ``hideFolders``.
    package var prefixFolders = false
    /// Whether names with a slash are excluded from listings.
    package var hideFolders = false
    /// Whether Content-MD5 is omitted.
    package var disableSendContentMD5 = false
    /// Concurrent parts of one upload.
    package var numMinioThreads = 4
    /// Whether changes are announced by the server.
    package var notifications = S3NotificationsSetting.auto
    /// Connections and timeouts.
    package var connection = ConnectionOptions()
    /// The update marker.
    package var updateMarker = UpdateMarkerOptions()
    /// TLS.
    package var tls = TLSOptions()

    /// The defaults: without a bucket.
    package init() {}
}

/// `storage.options` of type `azure`. Empty texts mean unset.
package struct AzureStorageOptions: ConfigurationSection {
    /// Storage account.
    package var accountName = ""
    /// Key of the account. Secret.
    package var accountKey = ""
    /// File with the key of the account.
    package var accountKeyFile = ""
    /// Interval at which the key file is read again.
    package var secretsRefreshInterval = Duration.seconds(15)
    /// Whether requests are signed with the account's key.
    package var useSharedKey = false
    /// The container; never empty after loading.
    package var container = ""
    /// Whether a missing container is created.
    package var createContainer = false
    /// URL of the service; empty for Azure.
    package var endpointURL = ""
    /// Prefix of all object names.
    package var globalPrefix = ""
    /// Concurrent blocks of one upload.
    package var concurrency = 1
    /// Connections and timeouts.
    package var connection = ConnectionOptions()
    /// The update marker.
    package var updateMarker = UpdateMarkerOptions()
    /// TLS.
    package var tls = TLSOptions()

    /// The defaults: without a container.
    package init() {}
}

/// Connections and timeouts of storages accessed over HTTP. Zero means no limit.
package struct ConnectionOptions: ConfigurationSection {
    /// Timeout of the first request at start.
    package var initTimeout = Duration.seconds(20)
    /// Idle connections are closed after this.
    package var idleConnTimeout = Duration.seconds(90)
    /// Maximum number of idle connections; zero for no limit.
    package var maxIdleConns = 100
    /// Timeout of connecting.
    package var dialTimeout = Duration.seconds(10)
    /// Interval of TCP keep-alive probes.
    package var dialKeepAlive = Duration.seconds(10)
    /// Timeout of the TLS handshake.
    package var tlsHandshakeTimeout = Duration.seconds(10)
    /// Timeout of one whole request.
    package var clientTimeout = Duration.minutes(15)

    /// The defaults.
    package init() {}
}

/// The update marker, an object that shows whether a listing is needed.
package struct UpdateMarkerOptions: ConfigurationSection {
    /// Whether it is written and read.
    package var isUsed = false
    /// Maximum age of a listing.
    package var forceListInterval = Duration.minutes(5)

    /// The defaults.
    package init() {}
}

/// `storage.options.tls`. Empty texts mean unset.
package struct TLSOptions: ConfigurationSection {
    /// File of trusted certificates.
    package var caFile = ""
    /// Trusted certificates.
    package var ca = ""
    /// Whether the system's CA certificates are trusted as well.
    package var addSystemCAPool = false
    /// File of the client certificate.
    package var certFile = ""
    /// Client certificate.
    package var cert = ""
    /// File of the client certificate's key.
    package var keyFile = ""
    /// Key of the client certificate. Secret.
    package var key = ""
    /// Whether certificate files are read again when they change.
    package var watchCerts = false
    /// Interval at which they are checked.
    package var watchCertsPollInterval = Duration.seconds(5)
    /// Has no effect on a client.
    package var requireClientCert = false
    /// Whether the server's certificate is not verified.
    package var insecureSkipVerify = false
    /// File for session keys, for debugging.
    package var insecureKeyLogFile = ""

    /// The defaults.
    package init() {}
}

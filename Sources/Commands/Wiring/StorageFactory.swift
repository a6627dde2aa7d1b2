import BlobStorage
import Config
import Logging

/// Makes the storage that the configuration asks for.
enum StorageFactory {
    /// Opens the storage.
    ///
    /// - Parameters:
    ///   - writes: whether anything may be written to it; without, not even a bucket is created.
    ///   - environment: looks up an environment variable, for credentials.
    ///   - logger: is told of attempts that fail and are made again.
    /// - Throws: `BlobStoreError` when the storage can't be used as configured, ``CommandFailure`` when there is no
    ///   support for its type.
    static func open(
        _ backend: StorageBackend, writes: Bool, environment: @escaping @Sendable (String) -> String?, logger: Logger
    ) async throws -> any BlobStore {
        switch backend {
        case .s3(let options):
            return try await S3Store.open(S3Options(options, writes: writes), environment: environment) {
                error, pause in
                logger.debug(
                    "a storage request failed; it is tried again",
                    metadata: ["error": "\(error)", "pause": "\(DurationText.format(pause))"])
            }
        case .fileSystem(let options):
            return try FileSystemStore(rootPath: options.rootPath)
        case .memory:
            return MemoryStore()
        case .azure:
            throw CommandFailure.failed(
                "storage.type azure is not supported yet; use s3 (with an S3 gateway), or fs with a shared directory")
        }
    }
}

extension S3Options {
    init(_ options: S3StorageOptions, writes: Bool) {
        let tls = options.tls
        let connection = options.connection
        self.init(
            bucket: options.bucket, accessKey: options.accessKey, secretKey: options.secretKey,
            accessKeyFile: options.accessKeyFile, secretKeyFile: options.secretKeyFile,
            secretsRefreshInterval: options.secretsRefreshInterval, region: options.region,
            createBucket: options.createBucket && writes, endpointURL: options.endpointURL,
            storageClass: options.storageClass, globalPrefix: options.globalPrefix,
            prefixFolders: options.prefixFolders, hideFolders: options.hideFolders,
            disableSendContentMD5: options.disableSendContentMD5, parallelParts: options.numMinioThreads,
            initTimeout: connection.initTimeout, idleConnectionTimeout: connection.idleConnTimeout,
            maximumIdleConnections: connection.maxIdleConns, dialTimeout: connection.dialTimeout,
            tlsHandshakeTimeout: connection.tlsHandshakeTimeout, dialKeepAlive: connection.dialKeepAlive,
            clientTimeout: connection.clientTimeout,
            tls: BlobStorage.TLSOptions(
                caFile: tls.caFile, ca: tls.ca, addSystemCAPool: tls.addSystemCAPool, certFile: tls.certFile,
                cert: tls.cert, keyFile: tls.keyFile, key: tls.key, watchCerts: tls.watchCerts,
                watchCertsPollInterval: tls.watchCertsPollInterval, insecureSkipVerify: tls.insecureSkipVerify,
                insecureKeyLogFile: tls.insecureKeyLogFile))
    }
}

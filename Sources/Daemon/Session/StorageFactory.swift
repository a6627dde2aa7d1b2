import BlobStorage
import Config
import HTTP
import Logging

/// A storage, ready for use.
package struct OpenStorage: Sendable {
    /// For everything except what ``unmarked`` is for.
    package var store: any BlobStore
    /// The same objects, but writes do not notify others (see `use_update_marker`): for objects that change often and
    /// are irrelevant to syncing. Only its own listings show its writes at once.
    package var unmarked: any BlobStore

    init(_ store: any BlobStore, unmarked: any BlobStore) {
        self.store = store
        self.unmarked = unmarked
    }
}

/// Opens the configured storage.
package enum StorageFactory {
    /// Opens the storage.
    ///
    /// - Parameters:
    ///   - writes: whether it may be written to; if not, a missing bucket is not created either.
    ///   - owner: the instance that starts to sync: a missing directory is created, and partial files of an earlier
    ///     process of that instance are removed.
    ///   - environment: looks up an environment variable, for credentials.
    ///   - logger: logs attempts that fail and are retried.
    ///   - observe: called for every completed request to an S3 server; must not block.
    /// - Throws: `BlobStoreError` if the storage cannot be used as configured, ``CommandFailure`` if its type is not
    ///   supported.
    package static func open(
        _ backend: StorageBackend, writes: Bool, owner: String? = nil,
        environment: @escaping @Sendable (String) -> String?, logger: Logger,
        observe: @escaping @Sendable (StorageCall) -> Void = { _ in }
    ) async throws -> OpenStorage {
        let createsBucket = if case .s3(let options) = backend { options.createBucket } else { false }
        let advise: @Sendable (BlobStoreError) -> BlobStoreError = {
            Advice.advised($0, createsBucket: createsBucket)
        }
        do {
            let (store, unmarked) = try await openAsIs(backend, writes, owner, environment, advise, logger, observe)
            return OpenStorage(
                AdvisedStore(base: store, advise: advise), unmarked: AdvisedStore(base: unmarked, advise: advise))
        } catch let error as BlobStoreError {
            throw advise(error)
        }
    }

    private static func openAsIs(
        _ backend: StorageBackend, _ writes: Bool, _ owner: String?,
        _ environment: @escaping @Sendable (String) -> String?,
        _ advise: @escaping @Sendable (BlobStoreError) -> BlobStoreError, _ logger: Logger,
        _ observe: @escaping @Sendable (StorageCall) -> Void
    ) async throws -> (store: any BlobStore, unmarked: any BlobStore) {
        switch backend {
        case .s3(let options):
            let store = try await S3Store.open(
                S3Options(options, writes: writes), environment: environment,
                willRetry: { error, pause in
                    logger.debug(
                        "a storage request failed; retrying",
                        metadata: ["error": "\(advise(error))", "pause": "\(DurationText.format(pause))"])
                }, observe: observe)
            guard options.updateMarker.isUsed else { return (store, store) }
            let marked = UpdateMarkerStore(
                store, forceListInterval: options.updateMarker.forceListInterval,
                markerFailed: { error in
                    logger.warning(
                        "cannot write the update marker; retrying with the next request, until then others may notice a change late",
                        metadata: ["error": "\(advise(error))"])
                })
            return (marked, store)
        case .fileSystem(let options):
            let store = try FileSystemStore(rootPath: options.rootPath, create: owner != nil, owner: owner)
            return (store, store)
        case .memory:
            let store = MemoryStore()
            return (store, store)
        case .azure:
            throw CommandFailure(.azureStorage)
        }
    }
}

extension S3Options.Addressing {
    fileprivate init(_ addressing: S3Addressing) {
        self =
            switch addressing {
            case .auto: .auto
            case .path: .path
            case .virtual: .virtual
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
            addressing: S3Options.Addressing(options.addressing), storageClass: options.storageClass,
            globalPrefix: options.globalPrefix,
            prefixFolders: options.prefixFolders, hideFolders: options.hideFolders,
            disableSendContentMD5: options.disableSendContentMD5, parallelParts: options.numMinioThreads,
            initTimeout: connection.initTimeout, idleConnectionTimeout: connection.idleConnTimeout,
            maximumIdleConnections: connection.maxIdleConns, dialTimeout: connection.dialTimeout,
            tlsHandshakeTimeout: connection.tlsHandshakeTimeout, dialKeepAlive: connection.dialKeepAlive,
            clientTimeout: connection.clientTimeout,
            tls: HTTP.TLSOptions(
                caFile: tls.caFile, ca: tls.ca, addSystemCAPool: tls.addSystemCAPool, certFile: tls.certFile,
                cert: tls.cert, keyFile: tls.keyFile, key: tls.key, watchCerts: tls.watchCerts,
                watchCertsPollInterval: tls.watchCertsPollInterval, insecureSkipVerify: tls.insecureSkipVerify,
                insecureKeyLogFile: tls.insecureKeyLogFile))
    }
}

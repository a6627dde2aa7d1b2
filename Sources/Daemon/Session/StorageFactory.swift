import BlobStorage
import Config
import HTTP
import Logging
import Sealing
import Support

/// A storage, ready for use.
package struct OpenStorage: Sendable {
    /// For everything except what ``unmarked`` is for.
    package var store: any BlobStore
    /// The same objects, but writes do not notify others (see `use_update_marker`): for objects that change often and
    /// are irrelevant to syncing. Only its own listings show its writes at once.
    package var unmarked: any BlobStore
    /// The objects as they are stored, with their names in the storage.
    package var raw: any BlobStore
    /// Knows how objects are sealed that were listed or read through the others.
    package var seals: SealedStore
}

/// Opens the configured storage.
package enum StorageFactory {
    /// Opens the storage.
    ///
    /// - Parameters:
    ///   - writes: whether it may be written to; if not, a missing bucket or container is not created either.
    ///   - owner: the instance that starts to sync: a missing directory is created, and partial files of an earlier
    ///     process of that instance are removed.
    ///   - environment: looks up an environment variable, for credentials.
    ///   - logger: logs attempts that fail and are retried.
    ///   - observe: called for every completed request to a server; must not block.
    /// - Throws: `BlobStoreError` if the storage cannot be used as configured, ``CommandFailure`` if an identity cannot be
    ///   used.
    package static func open(
        _ storage: StorageConfiguration, writes: Bool, owner: String? = nil,
        environment: @escaping @Sendable (String) -> String?, logger: Logger,
        observe: @escaping @Sendable (StorageCall) -> Void = { _ in }
    ) async throws -> OpenStorage {
        let keyring = try storage.keyring()
        let creates = storage.backend.createsPlace
        let advise: @Sendable (BlobStoreError) -> BlobStoreError = { Advice.advised($0, createsPlace: creates) }
        do {
            let (store, unmarked) = try await openAsIs(storage, writes, owner, environment, advise, logger, observe)
            let sealed = SealedStore(store, keyring)
            let advised = { AdvisedStore(base: $0, advise: advise) }
            return OpenStorage(
                store: advised(sealed), unmarked: advised(SealedStore(unmarked, keyring, beside: sealed)),
                raw: advised(store), seals: sealed)
        } catch let error as BlobStoreError {
            throw advise(error)
        }
    }

    private static func openAsIs(
        _ storage: StorageConfiguration, _ writes: Bool, _ owner: String?,
        _ environment: @escaping @Sendable (String) -> String?,
        _ advise: @escaping @Sendable (BlobStoreError) -> BlobStoreError, _ logger: Logger,
        _ observe: @escaping @Sendable (StorageCall) -> Void
    ) async throws -> (store: any BlobStore, unmarked: any BlobStore) {
        let willRetry: @Sendable (BlobStoreError, Duration) -> Void = { error, pause in
            logger.debug(
                "a storage request failed; retrying",
                metadata: ["error": "\(advise(error))", "pause": "\(DurationText.format(pause))"])
        }
        func marked(_ store: any MarkableStore, _ marker: UpdateMarkerOptions) -> any BlobStore {
            guard marker.isUsed else { return store }
            return UpdateMarkerStore(
                store, forceListInterval: marker.forceListInterval,
                // The names of objects are no secret, but what is not sealed should not have to be explained.
                namesObjects: storage.sealing.identityFiles.isEmpty,
                markerFailed: { error in
                    logger.warning(
                        "cannot write the update marker; retrying with the next request, until then others may notice a change late",
                        metadata: ["error": "\(advise(error))"])
                })
        }
        switch storage.backend {
        case .s3(let options):
            let store = try await S3Store.open(
                S3Options(options, writes: writes), environment: environment, willRetry: willRetry, observe: observe,
                listening: { logListening($0, logger) }, credentials: { logCredentials($0, advise, logger) })
            return (marked(store, options.updateMarker), store)
        case .fileSystem(let options):
            let store = try FileSystemStore(rootPath: options.rootPath, create: owner != nil, owner: owner)
            return (store, store)
        case .memory:
            let store = MemoryStore()
            return (store, store)
        case .azure(let options):
            let store = try await AzureStore.open(
                AzureOptions(options, writes: writes), environment: environment, willRetry: willRetry,
                observe: observe, credentials: { logCredentials($0, advise, logger) })
            return (marked(store, options.updateMarker), store)
        }
    }
}

extension StorageBackend {
    /// The kind of server; nil if there is none.
    var service: StorageService? {
        switch self {
        case .s3: .s3
        case .azure: .azure
        case .fileSystem, .memory: nil
        }
    }

    /// Whether the place of the objects is created at start.
    fileprivate var createsPlace: Bool {
        switch self {
        case .s3(let options): options.createBucket
        case .azure(let options): options.createContainer
        case .fileSystem, .memory: false
        }
    }
}

extension StorageConfiguration {
    /// The identities that seal and open objects; nil if nothing is sealed.
    ///
    /// - Throws: ``CommandFailure`` if an identity cannot be used.
    package func keyring() throws(CommandFailure) -> Keyring? {
        do throws(IdentityFile.Failure) {
            return try Keyring(files: sealing.identityFiles, acceptsUnsealed: sealing.acceptUnsealed)
        } catch {
            throw CommandFailure(.identity(error))
        }
    }
}

/// Logs what happens to the connection over which a server announces changes.
private func logListening(
    _ notice: S3ListenNotice, _ logger: Logger
) {
    switch notice {
    case .established: logger.debug("the S3 server announces changes")
    case .ended(let text):
        logger.debug(
            "the S3 server's announcements of changes have ended; trying again", metadata: ["error": "\(text)"])
    case .unsupported(let text, let isWanted):
        logger.log(
            level: isWanted ? .warning : .debug,
            "the S3 server does not announce changes; listing every storage_poll_interval",
            metadata: ["error": "\(text)"])
    }
}

/// Logs what happens to the credentials of the storage.
private func logCredentials(
    _ notice: CredentialNotice, _ advise: (BlobStoreError) -> BlobStoreError, _ logger: Logger
) {
    switch notice {
    // Those of the configuration and of a file are no news.
    case .renewed(let state, let afterFailure) where state.expires == nil && !afterFailure: break
    case .renewed(let state, let afterFailure):
        logger.log(
            level: afterFailure ? .info : .debug, "new credentials for the storage",
            metadata: ["from": "\(state.origin.text)", "expire": "\(state.expiryText)"])
    case .kept(let state, let error):
        logger.warning(
            "cannot renew the credentials for the storage; using the present ones, and trying again",
            metadata: ["error": "\(advise(error))", "expire": "\(state.expiryText)"])
    }
}

extension CredentialState {
    fileprivate var expiryText: String { expires.map { $0.rfc3339(digits: 0) } ?? "never" }
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
            tls: HTTP.TLSOptions(options.tls),
            notifications: S3Notifications(rawValue: options.notifications.rawValue) ?? .auto)
        // Which is what those write who have no idea of regions, too.
        learnsRegion = options.region == S3StorageOptions().region
    }
}

extension AzureOptions {
    init(_ options: AzureStorageOptions, writes: Bool) {
        let connection = options.connection
        self.init(
            container: options.container, accountName: options.accountName, accountKey: options.accountKey,
            accountKeyFile: options.accountKeyFile, secretsRefreshInterval: options.secretsRefreshInterval,
            useSharedKey: options.useSharedKey, createContainer: options.createContainer && writes,
            endpointURL: options.endpointURL, globalPrefix: options.globalPrefix, concurrency: options.concurrency,
            initTimeout: connection.initTimeout, idleConnectionTimeout: connection.idleConnTimeout,
            maximumIdleConnections: connection.maxIdleConns, dialTimeout: connection.dialTimeout,
            tlsHandshakeTimeout: connection.tlsHandshakeTimeout, dialKeepAlive: connection.dialKeepAlive,
            clientTimeout: connection.clientTimeout, tls: HTTP.TLSOptions(options.tls))
    }
}

extension HTTP.TLSOptions {
    fileprivate init(_ tls: Config.TLSOptions) {
        self.init(
            caFile: tls.caFile, ca: tls.ca, addSystemCAPool: tls.addSystemCAPool, certFile: tls.certFile,
            cert: tls.cert, keyFile: tls.keyFile, key: tls.key, watchCerts: tls.watchCerts,
            watchCertsPollInterval: tls.watchCertsPollInterval, insecureSkipVerify: tls.insecureSkipVerify,
            insecureKeyLogFile: tls.insecureKeyLogFile)
    }
}

import Glibc
import HTTP
import Support
import Synchronization

/// A container of an Azure storage account as a storage.
///
/// Requests are signed by ``SharedKey``, or carry a signature or token, and are sent by libcurl over persistent
/// connections, on blocking threads. Listing and loading only send List Blobs and Get Blob requests.
package final class AzureStore: MarkableStore {
    let options: AzureOptions
    private let endpoint: AzureEndpoint
    private let credentialSource: AzureCredentialSource
    private let client: HTTPClient
    private let calls: RemoteCalls
    private let lastClockOffset = Mutex<Duration?>(nil)

    /// Opens a container. Sends requests only with `createContainer`: a listing, and Create Container if it does not exist.
    ///
    /// - Parameters:
    ///   - environment: returns the value of an environment variable.
    ///   - willRetry: called for every failed attempt that is retried, with the pause before the retry.
    ///   - observe: called for every completed request, from any thread; must not block.
    ///   - credentials: called from any thread when the credentials are renewed, or cannot be.
    /// - Throws: ``BlobStoreError`` if an option is invalid, a file cannot be read, there are no credentials, or the
    ///   container cannot be created.
    package static func open(
        _ options: AzureOptions,
        environment: @escaping @Sendable (String) -> String? = { name in getenv(name).map { String(cString: $0) } },
        willRetry: @escaping @Sendable (BlobStoreError, Duration) -> Void = { _, _ in },
        observe: @escaping @Sendable (StorageCall) -> Void = { _ in },
        credentials: @escaping @Sendable (CredentialNotice) -> Void = { _ in }
    ) async throws -> AzureStore {
        let store = try await BlockingPool(label: "storage-azure-open", width: 1).run { _ in
            try AzureStore(options, environment, willRetry, observe, credentials)
        }
        if options.createContainer { try await store.createContainer() }
        return store
    }

    private init(
        _ options: AzureOptions, _ environment: @escaping @Sendable (String) -> String?,
        _ willRetry: @escaping @Sendable (BlobStoreError, Duration) -> Void,
        _ observe: @escaping @Sendable (StorageCall) -> Void,
        _ credentials: @escaping @Sendable (CredentialNotice) -> Void
    ) throws {
        self.options = options
        calls = RemoteCalls(
            service: .azure, pool: BlockingPool(label: "storage-azure", width: 64), willRetry: willRetry,
            observe: observe)
        let account = try AzureAccount.find(options, environment)
        endpoint = account.endpoint
        credentialSource = try AzureCredentialSource(account, options, notice: credentials)
        let settings = HTTPSettings(
            connectTimeout: options.connectTimeout(scheme: endpoint.scheme),
            totalTimeout: options.clientTimeout.orNoLimit, stallTimeout: options.stallTimeout.orNoLimit,
            keepAlive: options.dialKeepAlive, idleConnectionTimeout: options.idleConnectionTimeout.orNoLimit,
            usesProxy: !endpoint.isLocal)
        do throws(HTTPSetupError) {
            client = try HTTPClient(
                settings,
                maximumIdleConnections: options.maximumIdleConnections > 0 ? options.maximumIdleConnections : .max,
                tls: try TLSSource(options.tls), keyLogFile: options.tls.insecureKeyLogFile)
        } catch {
            throw BlobStoreError(error)
        }
    }

    /// See ``BlobStore/list(prefix:)``.
    package func list(prefix: String) async throws -> [Blob] {
        var listing = ListingCollector(globalPrefix: options.globalPrefix, prefix: prefix)
        var marker: String?
        while true {
            let request = AzureRequest.listing(key(prefix), after: marker)
            let page = try await send(request) { answer in try AzureListPage(answer.body) }
            let goesOn: Bool
            do throws(ListingCollector.TooMany) {
                goesOn = try listing.add(page.blobs)
            } catch {
                throw context(.list, nil).error(.other, .tooManyObjects(error.count), code: BlobStoreError.tooLarge)
            }
            guard let next = page.nextMarker else { return listing.sorted }
            guard goesOn, next != marker else {
                throw context(request).failure(unexpected: "the listing repeats itself").error
            }
            marker = next
        }
    }

    /// See ``BlobStore/load(_:atMost:)``.
    package func load(_ name: String, atMost limit: Int) async throws -> Spool {
        try await loadVersion(name, atMost: limit).body
    }

    /// See ``BlobStore/loadVersion(_:atMost:)``.
    package func loadVersion(_ name: String, atMost limit: Int) async throws -> (body: Spool, version: String?) {
        var request = AzureRequest(.load, "GET", key: try objectKey(name, .load))
        request.spoolsAnswer = true
        request.largestAnswer = limit
        request.progress = TransferProgress.report
        let context = context(request)
        let firstMD5 = Mutex<String?>(nil)
        return try await send(request) { answer in
            guard let spool = answer.spool else { throw XMLError(problem: "no body", offset: 0) }
            let etag = withoutQuotes(answer.headers["etag"] ?? "")
            let version = etag.isEmpty ? nil : etag
            guard let actual = answer.unexpectedMD5 else { return (spool, version) }
            // The MD5 is what a client has said, which may be wrong: if the same bytes arrive twice, they are what is stored.
            let before = firstMD5.withLock { first in
                defer { first = actual }
                return first
            }
            guard before == actual else {
                throw context.failure(
                    TransferFailure(reason: .broken, detail: "the bytes do not match their Content-MD5"))
            }
            return (spool, version)
        }
    }

    /// See ``BlobStore/store(_:_:)``.
    @discardableResult
    package func store(_ name: String, _ body: Spool) async throws -> String? {
        try await put(name, body)
    }

    /// See ``MarkableStore/storeOnce(_:_:)``.
    package func storeOnce(_ name: String, _ body: Spool) async throws {
        _ = try await put(name, body, retry: RetryPolicy(attempts: 1))
    }

    private func put(_ name: String, _ body: Spool, retry: RetryPolicy? = nil) async throws -> String {
        let key = try objectKey(name, .store)
        if body.count > options.blockSize { return try await storeInBlocks(key, body) }
        var request = AzureRequest(.store, "PUT", key: key)
        request.headers = [("x-ms-blob-type", "BlockBlob"), ("Content-Type", Self.contentType)]
        request.progress = TransferProgress.report
        request.body = try await self.body(body, 0..<body.count)
        return try await send(request, retry: retry, storedETag)
    }

    static let contentType = "application/octet-stream"

    /// See ``BlobStore/delete(_:)``.
    package func delete(_ name: String) async throws {
        let request = AzureRequest(.delete, "DELETE", key: try objectKey(name, .delete))
        do {
            try await send(request) { _ in }
        } catch let error as BlobStoreError where error.kind == .notFound && !error.isPlaceMissing {
            return
        }
    }

    /// A server does not announce changes.
    package func changes(prefix: String) -> AsyncStream<StorageChange>? { nil }

    /// See ``BlobStore/credentials``.
    package var credentials: CredentialState? { credentialSource.current }

    /// From the last answer with the server's time.
    package var clockOffset: Duration? { lastClockOffset.withLock { $0 } }

    /// See ``MarkableStore/place``.
    package var place: BlobStoreError.Place { .container(options.container) }

    /// See ``MarkableStore/globalPrefix``.
    package var globalPrefix: String { options.globalPrefix }

    /// Creates the container unless it exists, within `initTimeout`.
    private func createContainer() async throws {
        try await prepare(
            within: options.initTimeout.orNoLimit,
            orThrow: context(.create, nil).error(.timeout, .notCreated(after: options.initTimeout))
        ) { try await self.createIfMissing() }
    }

    private func createIfMissing() async throws {
        do {
            let page = AzureRequest.listing(options.globalPrefix, after: nil, pageSize: 1)
            try await send(page) { answer in _ = try AzureListPage(answer.body) }
        } catch let error as BlobStoreError where error.isPlaceMissing {
            var request = AzureRequest(.create, "PUT", key: nil)
            request.query = [("restype", "container")]
            request.body = AzureRequest.Body(part: HTTPRequest.Body(spool: Spool([]), range: 0..<0), md5: nil)
            do {
                try await send(request) { _ in }
            } catch let error as BlobStoreError where error.code == "ContainerAlreadyExists" {
                // Another instance has created it at the same time.
            }
        }
    }

    /// The key of a name in the container.
    private func key(_ name: String) -> String { options.globalPrefix + name }

    private func objectKey(_ name: String, _ operation: AzureOperation) throws(BlobStoreError) -> String {
        let count = key(name).utf8.count
        guard !name.isEmpty, count <= 1024, !name.utf8.contains(0) else {
            throw context(operation, name.oneLine(limit: 80)).error(.other, .badKey)
        }
        return key(name)
    }

    /// Hashes the part of a body sent by a request.
    func body(_ spool: Spool, _ range: Range<Int>) async throws -> AzureRequest.Body {
        AzureRequest.Body(
            part: HTTPRequest.Body(spool: spool, range: range), md5: try await md5(spool, range))
    }

    /// The MD5 of a part of a body in base64; nil if it is not available.
    func md5(_ spool: Spool, _ range: Range<Int>) async throws -> String? {
        do {
            return try await calls.pool.run { cancellation in try BodyDigest.md5(of: spool, range, cancellation) }
        } catch let error as SystemError {
            throw context(.store, nil).error(.other, .system(error, isPlace: false))
        }
    }

    /// Sends a request with retries, and parses its answer.
    ///
    /// - Parameters:
    ///   - retry: overrides the options' policy.
    ///   - read: parses a 2xx answer; throws `XMLError` if that is impossible.
    @discardableResult
    func send<Result: Sendable>(
        _ request: AzureRequest, retry: RetryPolicy? = nil, _ read: @escaping @Sendable (HTTPAnswer) throws -> Result
    ) async throws -> Result {
        let context = context(request)
        return try await calls.run(retry ?? options.retry) {
            context.error(.other, .system($0, isPlace: false))
        } _: { [self] cancellation in
            try credentialSource.use(
                cancellation, expiredCodes: AzureFailureContext.expiredCodes, { context.failure($0) }
            ) { credentials in
                try calls.observed(request.operation.method) {
                    try attempt(request, context, credentials, read, cancellation)
                }
            }
        }
    }

    private func attempt<Result>(
        _ request: AzureRequest, _ context: AzureFailureContext, _ credentials: AzureCredentials,
        _ read: (HTTPAnswer) throws -> Result, _ cancellation: CancellationSignal
    ) throws -> Result {
        let answer: HTTPAnswer
        do {
            answer = try client.perform(try request.signed(credentials, endpoint, time: .now()), cancellation)
        } catch let failure as TransferFailure {
            throw context.failure(failure)
        } catch let error as HTTPSetupError {
            throw BlobStoreError(error)
        }
        if let offset = HTTP.clockOffset(of: answer) { lastClockOffset.withLock { $0 = offset } }
        guard (200..<300).contains(answer.status) else { throw context.failure(answer, credentials, now: .now()) }
        do {
            return try read(answer)
        } catch let error as XMLError {
            throw context.failure(unexpected: error.description, in: answer)
        }
    }

    private func context(_ request: AzureRequest) -> AzureFailureContext {
        context(request.operation, request.shownKey)
    }

    private func context(_ operation: AzureOperation, _ key: String?) -> AzureFailureContext {
        AzureFailureContext(
            operation: operation, container: options.container, key: key, authority: endpoint.authority)
    }
}

/// The ETag of an object that has been stored, without quotes.
@Sendable func storedETag(_ answer: HTTPAnswer) throws -> String {
    let etag = withoutQuotes(answer.headers["etag"] ?? "")
    guard !etag.isEmpty else { throw XMLError(problem: "an upload without ETag", offset: 0) }
    return etag
}

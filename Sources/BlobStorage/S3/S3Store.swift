import Glibc
import HTTP
import Support
import Synchronization

/// A bucket of an S3 server as a storage.
///
/// Requests are signed by ``SigV4`` and sent by libcurl over persistent connections, on blocking threads.
/// Listing and loading only send ListObjectsV2 and GetObject requests.
package final class S3Store: MarkableStore {
    let options: S3Options
    let route: S3Route
    private let credentialSource: S3CredentialSource
    private let client: HTTPClient
    private let calls: RemoteCalls
    private let listeners: HTTPClient
    private let listenPool = BlockingPool(label: "storage-s3-listen", width: 2)
    private let feed = Mutex<ChangeFeed?>(nil)
    private let noticeListening: @Sendable (S3ListenNotice) -> Void
    private let lastClockOffset = Mutex<Duration?>(nil)
    /// Whether this server has ETags that look like an MD5 but are not.
    private let hasOtherETags = Mutex(false)

    /// Opens a bucket. Sends requests only with `createBucket`: a listing, and PUT if the bucket does not exist.
    ///
    /// - Parameters:
    ///   - environment: returns the value of an environment variable.
    ///   - willRetry: called for every failed attempt that is retried, with the pause before the retry.
    ///   - observe: called for every completed request, from any thread; must not block.
    ///   - listening: called when the connection over which the server announces changes is established, or ends.
    ///   - credentials: called from any thread when the credentials are renewed, or cannot be.
    /// - Throws: ``BlobStoreError`` if an option is invalid, a file cannot be read, there are no credentials, or the bucket
    ///   cannot be created.
    package static func open(
        _ options: S3Options,
        environment: @escaping @Sendable (String) -> String? = { name in getenv(name).map { String(cString: $0) } },
        willRetry: @escaping @Sendable (BlobStoreError, Duration) -> Void = { _, _ in },
        observe: @escaping @Sendable (StorageCall) -> Void = { _ in },
        listening: @escaping @Sendable (S3ListenNotice) -> Void = { _ in },
        credentials: @escaping @Sendable (CredentialNotice) -> Void = { _ in }
    ) async throws -> S3Store {
        let store = try await BlockingPool(label: "storage-s3-open", width: 1).run { _ in
            try S3Store(options, environment, willRetry, observe, listening, credentials)
        }
        if options.createBucket { try await store.createBucket() }
        return store
    }

    private init(
        _ options: S3Options, _ environment: @escaping @Sendable (String) -> String?,
        _ willRetry: @escaping @Sendable (BlobStoreError, Duration) -> Void,
        _ observe: @escaping @Sendable (StorageCall) -> Void,
        _ listening: @escaping @Sendable (S3ListenNotice) -> Void,
        _ credentials: @escaping @Sendable (CredentialNotice) -> Void
    ) throws {
        self.options = options
        calls = RemoteCalls(
            service: .s3, pool: BlockingPool(label: "storage-s3", width: 64), willRetry: willRetry, observe: observe)
        noticeListening = listening
        route = try S3Route(options)
        let endpoint = route.current.endpoint
        credentialSource = try S3CredentialSource(options, environment: environment, notice: credentials)
        let settings = HTTPSettings(
            connectTimeout: options.connectTimeout(scheme: endpoint.scheme),
            totalTimeout: options.clientTimeout.orNoLimit, stallTimeout: options.stallTimeout.orNoLimit,
            keepAlive: options.dialKeepAlive, idleConnectionTimeout: options.idleConnectionTimeout.orNoLimit,
            usesProxy: !endpoint.isLocal)
        var endless = settings
        (endless.totalTimeout, endless.stallTimeout) = (Duration.zero.orNoLimit, options.listenTimes.silence)
        do throws(HTTPSetupError) {
            let tls = try TLSSource(options.tls)
            listeners = try HTTPClient(
                endless, maximumIdleConnections: 0, tls: tls, keyLogFile: options.tls.insecureKeyLogFile)
            client = try HTTPClient(
                settings,
                maximumIdleConnections: options.maximumIdleConnections > 0 ? options.maximumIdleConnections : .max,
                tls: tls, keyLogFile: options.tls.insecureKeyLogFile)
        } catch {
            throw BlobStoreError(error)
        }
    }

    /// See ``BlobStore/list(prefix:)``.
    package func list(prefix: String) async throws -> [Blob] {
        var listing = ListingCollector(globalPrefix: options.globalPrefix, prefix: prefix)
        var continuation: S3Request.Continuation?
        while true {
            let request = S3Request.listing(key(prefix), after: continuation, options)
            let (page, next) = try await send(request) { [continuation] answer in
                let page = try S3ListPage(answer.body)
                return (page, try page.next(after: continuation))
            }
            let goesOn: Bool
            do throws(ListingCollector.TooMany) {
                goesOn = try listing.add(page.blobs)
            } catch {
                throw context(.list, nil).error(.other, .tooManyObjects(error.count), code: BlobStoreError.tooLarge)
            }
            guard let next else { return listing.sorted }
            guard goesOn, next != continuation else {
                throw context(request).failure(unexpected: "the listing repeats itself").error
            }
            continuation = next
        }
    }

    /// See ``BlobStore/load(_:atMost:)``.
    package func load(_ name: String, atMost limit: Int) async throws -> Spool {
        try await loadVersion(name, atMost: limit).body
    }

    /// See ``BlobStore/loadVersion(_:atMost:)``.
    package func loadVersion(_ name: String, atMost limit: Int) async throws -> (body: Spool, version: String?) {
        var request = S3Request(.load, "GET", key: try objectKey(name, .load))
        request.spoolsAnswer = true
        request.largestAnswer = limit
        request.progress = TransferProgress.report
        let context = context(request)
        let firstMD5 = Mutex<String?>(nil)
        return try await send(request) { [self] answer in
            guard let spool = answer.spool else { throw XMLError(problem: "no body", offset: 0) }
            let etag = answer.headers["etag"].map(withoutQuotes)
            let version = etag?.isEmpty == false ? etag : nil
            guard let actual = answer.unexpectedMD5, !hasOtherETags.withLock(\.self) else { return (spool, version) }
            // An ETag may look like an MD5 without being one: if the same bytes arrive twice, they are what is stored.
            let before = firstMD5.withLock { first in
                defer { first = actual }
                return first
            }
            guard before == actual else {
                throw context.failure(
                    TransferFailure(reason: .broken, detail: "the bytes do not match the MD5 in their ETag"))
            }
            hasOtherETags.withLock { $0 = true }
            return (spool, version)
        }
    }

    /// See ``BlobStore/store(_:_:)``.
    @discardableResult
    package func store(_ name: String, _ body: Spool) async throws -> String? {
        let etag = try await put(name, body)
        return etag.isEmpty ? nil : etag
    }

    /// As ``store(_:_:)``.
    ///
    /// - Parameter retry: overrides the options' policy.
    /// - Returns: the ETag without quotes, empty if the server does not send it.
    func put(_ name: String, _ body: Spool, retry: RetryPolicy? = nil) async throws -> String {
        let key = try objectKey(name, .store)
        if body.count > partSize(for: body.count) {
            return try await storeInParts(key, body)
        }
        var request = S3Request(.store, "PUT", key: key)
        request.headers = newObjectHeaders
        request.progress = TransferProgress.report
        request.body = try await self.body(body, 0..<body.count)
        let etag = try await send(request, retry: retry) { answer in withoutQuotes(answer.headers["etag"] ?? "") }
        return etag.isEmpty ? try await verify(key, body) : etag
    }

    /// See ``MarkableStore/storeOnce(_:_:)``.
    package func storeOnce(_ name: String, _ body: Spool) async throws {
        _ = try await put(name, body, retry: RetryPolicy(attempts: 1))
    }

    /// See ``MarkableStore/place``.
    package var place: BlobStoreError.Place { .bucket(options.bucket) }

    /// See ``MarkableStore/globalPrefix``.
    package var globalPrefix: String { options.globalPrefix }

    /// Checks whether an object exists, if the answer to its upload had no ETag.
    ///
    /// - Returns: the ETag without quotes, empty if the server does not send it here either.
    /// - Throws: ``BlobStoreError`` if the object does not exist, or has a different size.
    func verify(_ key: String, _ body: Spool) async throws -> String {
        let request = S3Request(.verify, "HEAD", key: key)
        do {
            return try await send(request) { answer in
                guard let length = answer.headers["content-length"], Int(length) == body.count else {
                    throw XMLError(problem: "the stored object does not exist with its size", offset: 0)
                }
                return withoutQuotes(answer.headers["etag"] ?? "")
            }
        } catch var error as BlobStoreError where error.kind == .notFound {
            if case .refused(let refusal) = error.cause { error.cause = .lostUpload(refusal) }
            error.kind = .other
            throw error
        }
    }

    /// See ``BlobStore/delete(_:)``.
    package func delete(_ name: String) async throws {
        let request = S3Request(.delete, "DELETE", key: try objectKey(name, .delete))
        do {
            try await send(request) { _ in }
        } catch let error as BlobStoreError where error.kind == .notFound && !error.isPlaceMissing {
            return
        }
    }

    /// What the server announces over one connection for all prefixes, if it does.
    package func changes(prefix: String) -> AsyncStream<StorageChange>? {
        guard options.notifications != .off else { return nil }
        let feed = self.feed.withLock { feed in
            let known = feed ?? ChangeFeed { [weak self] in await self?.keepListening($0) }
            feed = known
            return known
        }
        return feed.changes(prefix: prefix)
    }

    private func keepListening(_ feed: ChangeFeed) async {
        await S3Listener(store: self, notice: noticeListening).run(feed)
    }

    /// Sends a request whose answer is received as it arrives, until that ends.
    func performListening(_ request: S3Request) async throws {
        let context = context(request)
        try await listenPool.run { [self] cancellation in
            try withCredentials(context, cancellation) {
                try attempt(request, context, $0, { _ in }, cancellation, by: listeners)
            }
        }
    }

    /// See ``BlobStore/credentials``.
    package var credentials: CredentialState? { credentialSource.current }

    /// From the last answer with the server's time.
    package var clockOffset: Duration? { lastClockOffset.withLock { $0 } }

    /// The headers of a new object.
    var newObjectHeaders: [(name: String, value: String)] {
        [("Content-Type", "application/octet-stream")]
            + (options.storageClass.isEmpty ? [] : [("x-amz-storage-class", options.storageClass)])
    }

    /// The key of a name in the bucket.
    private func key(_ name: String) -> String { options.globalPrefix + name }

    private func objectKey(_ name: String, _ operation: S3Operation) throws(BlobStoreError) -> String {
        let count = key(name).utf8.count
        guard !name.isEmpty, count <= 1024, !name.utf8.contains(0) else {
            throw context(operation, name.oneLine(limit: 80)).error(.other, .badKey)
        }
        return key(name)
    }

    /// Hashes the part of a body sent by a request.
    func body(_ spool: Spool, _ range: Range<Int>) async throws -> S3Request.Body {
        let wantsMD5 = !options.disableSendContentMD5
        do {
            return try await calls.pool.run { cancellation in
                S3Request.Body(
                    part: HTTPRequest.Body(spool: spool, range: range),
                    digest: try BodyDigest(of: spool, range, md5: wantsMD5, cancellation))
            }
        } catch let error as HTTPSetupError {
            throw BlobStoreError(error)
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
        _ request: S3Request, retry: RetryPolicy? = nil, _ read: @escaping @Sendable (HTTPAnswer) throws -> Result
    ) async throws -> Result {
        let context = context(request)
        return try await calls.run(retry ?? options.retry) {
            context.error(.other, .system($0, isPlace: false))
        } _: { [self] cancellation in
            try withCredentials(context, cancellation) { keys in
                try calls.observed(request.operation.method) {
                    try attempt(request, context, keys, read, cancellation)
                }
            }
        }
    }

    private func withCredentials<Result>(
        _ context: S3FailureContext, _ cancellation: CancellationSignal, _ send: (S3Credentials) throws -> Result
    ) throws -> Result {
        try credentialSource.use(
            cancellation, expiredCodes: S3FailureContext.expiredCodes, { context.failure($0) }, send)
    }

    private func attempt<Result>(
        _ request: S3Request, _ context: S3FailureContext, _ credentials: S3Credentials,
        _ read: (HTTPAnswer) throws -> Result, _ cancellation: CancellationSignal, by client: HTTPClient? = nil
    ) throws -> Result {
        let client = client ?? self.client
        let (answer, target) = try route.send(request) { target in
            do {
                let message = try request.signed(
                    SigV4(credentials: credentials, region: target.region), target.endpoint, time: .now())
                return try client.perform(message, cancellation)
            } catch let failure as TransferFailure {
                throw context.at(target).failure(failure)
            } catch let error as HTTPSetupError {
                throw BlobStoreError(error)
            }
        }
        let place = context.at(target)
        if let offset = HTTP.clockOffset(of: answer) { lastClockOffset.withLock { $0 = offset } }
        let isSuccess = (200..<300).contains(answer.status)
        // An upload of many parts is answered with 200 before its result is known.
        let isLateError =
            isSuccess && !request.spoolsAnswer && answer.body.count <= 64 << 10 && S3ErrorAnswer(answer.body) != nil
        guard isSuccess, !isLateError else {
            // A server may echo the request.
            let secrets = [credentials.secretKey, credentials.sessionToken ?? ""]
            var failure = place.failure(
                answer, hiding: secrets, direction: route.direction(answer, request, from: target), now: .now())
            if isLateError { failure.isTransient = true }
            throw failure
        }
        do {
            return try read(answer)
        } catch let error as XMLError {
            throw place.failure(unexpected: error.description, in: answer)
        }
    }

    private func context(_ request: S3Request) -> S3FailureContext { context(request.operation, request.shownKey) }

    private func context(_ operation: S3Operation, _ key: String?) -> S3FailureContext {
        let target = route.current
        return S3FailureContext(
            operation: operation, bucket: options.bucket, key: key, authority: target.endpoint.authority,
            region: target.region)
    }
}

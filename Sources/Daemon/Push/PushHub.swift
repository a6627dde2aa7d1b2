import BlobStorage
import Config
import Monitoring
import Snapshots
import StatusServer
import Synchronization

/// Hands hints of other instances and of S3 servers to the syncers of their databases.
final class PushHub: PushReceiver {
    private let tokens: TokenFile
    private let bucket: String?
    private let prefix: String
    private let metrics: PushMetrics
    private let syncers = Mutex<[String: @Sendable (Hint) -> Void]>([:])
    private let announcer: PeerAnnouncer?

    /// - Parameters:
    ///   - storage: the storage, whose events are taken.
    ///   - announcer: is told which instances are there.
    init(tokens: TokenFile, storage: StorageBackend, announcer: PeerAnnouncer?, metrics: PushMetrics) {
        self.tokens = tokens
        self.announcer = announcer
        self.metrics = metrics
        if case .s3(let options) = storage {
            (bucket, prefix) = (options.bucket, options.globalPrefix)
        } else {
            (bucket, prefix) = (nil, "")
        }
        metrics.begin(endpoints: PushEndpoint.allCases.map(\.rawValue))
    }

    /// Sets the function that takes the hints of a database.
    func attach(_ database: String, _ take: @escaping @Sendable (Hint) -> Void) {
        syncers.withLock { $0[database] = take }
    }

    func accepts(_ token: String) async -> Bool? { await tokens.tokens()?.accepts(token) }

    func hint(_ hint: PeerHint) {
        guard let take = syncers.withLock({ $0[hint.database] }) else { return }
        let news = Hint(hint.object, source: .peer)
        let object = ObjectName(news.name, database: hint.database)
        guard object != .foreign else { return }
        announcer?.heard(of: object)
        take(news)
    }

    func event(_ event: StorageEvent) {
        guard let bucket, event.bucket == nil || event.bucket == bucket else { return }
        let databases = syncers.withLock(\.self)
        for key in event.keys {
            guard let name = name(of: key, bucketIsInKey: event.bucket == nil ? bucket : nil) else { continue }
            let hint = Hint(name, version: event.etag, source: .webhook)
            for (database, take) in databases where ObjectName(hint.name, database: database) != .foreign {
                take(hint)
                return
            }
        }
    }

    func answered(_ result: PushResult, at endpoint: PushEndpoint) {
        let counted: PushMetrics.Received =
            switch result {
            case .accepted: .accepted
            case .unauthorized: .unauthorized
            case .limited: .limited
            case .invalid: .invalid
            }
        metrics.count(counted, at: endpoint.rawValue)
    }

    /// The name of an object by its key, without the global prefix; nil if it is another's.
    ///
    /// - Parameter bucket: the bucket if the key is a path in SeaweedFS's filer, which begins with it.
    private func name(of key: String, bucketIsInKey bucket: String?) -> String? {
        var key = key[...]
        if let bucket {
            let folder = "/buckets/\(bucket)/"
            guard key.hasPrefix(folder) else { return nil }
            key = key.dropFirst(folder.count)
        }
        guard key.hasPrefix(prefix) else { return nil }
        return String(key.dropFirst(prefix.count))
    }
}

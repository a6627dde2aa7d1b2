import HTTP
import Support
import Synchronization

/// Whether a bucket's changes are announced by its server.
package enum S3Notifications: String, Sendable, CaseIterable {
    /// If the server does.
    case auto
    /// They have to be: a warning if the server does not.
    case on
    /// Not asked for.
    case off
}

/// What happens to the connection over which a server announces changes.
package enum S3ListenNotice: Sendable {
    /// It is established.
    case established
    /// It has ended or could not be established, and will be tried again soon: one line.
    case ended(String)
    /// The server does not announce changes, although that is wanted or not: one line. Tried again later.
    case unsupported(String, isWanted: Bool)
}

/// How the connection over which a server announces changes is kept.
struct S3ListenTimes: Sendable {
    /// How often the server is asked to show that the connection lives.
    var ping = Duration.seconds(10)
    /// Without a byte for this long the connection has broken.
    var silence = Duration.seconds(25)
    /// The shortest and the longest pause before the next try.
    var pauses = Duration.seconds(1)...Duration.seconds(30)
    /// The pause after which a server is asked again that does not announce changes.
    var unsupported = Duration.seconds(3600)
}

/// Keeps one connection to a server that announces the changes of a bucket, for all databases.
struct S3Listener: Sendable {
    private enum Outcome {
        case ended(String, wasUp: Bool)
        case unsupported(String)
    }

    let store: S3Store
    let notice: @Sendable (S3ListenNotice) -> Void

    /// Connects, and connects again, until the task is cancelled.
    func run(_ feed: ChangeFeed) async {
        let times = store.options.listenTimes
        var failures = 0
        var hasComplained = false
        while !Task.isCancelled {
            let outcome = await connect(feed)
            feed.set(isUp: false)
            guard !Task.isCancelled else { return }
            var pause: Duration
            switch outcome {
            case .ended(let text, let wasUp):
                if wasUp { (failures, hasComplained) = (0, false) }
                notice(.ended(text))
                pause = Self.pause(failures, times.pauses)
                failures += 1
            case .unsupported(let text):
                let isWanted = store.options.notifications == .on
                if !isWanted || !hasComplained { notice(.unsupported(text, isWanted: isWanted)) }
                hasComplained = true
                pause = isWanted ? times.pauses.upperBound : times.unsupported
            }
            do { try await Task.sleep(for: pause) } catch { return }
        }
    }

    /// A random pause that grows with the number of failures before.
    static func pause(_ failures: Int, _ limits: ClosedRange<Duration>) -> Duration {
        let longest = min(limits.upperBound, limits.lowerBound * (2 << min(failures, 10)))
        return limits.lowerBound + (longest - limits.lowerBound) * Double.random(in: 0...1)
    }

    private func connect(_ feed: ChangeFeed) async -> Outcome {
        let wasUp = Mutex(false)
        let rise: @Sendable () -> Void = { [notice] in
            let isFirst = wasUp.withLock { wasUp in
                defer { wasUp = true }
                return !wasUp
            }
            guard isFirst else { return }
            feed.set(isUp: true)
            notice(.established)
        }
        let prefix = store.options.globalPrefix
        do {
            try await store.listen(ping: store.options.listenTimes.ping) { item in
                switch item {
                case .alive: break
                case .unreadable: feed.announce(Hint("", source: .listen))
                case .stored(let key, let version):
                    for name in NotificationReader.names(key, below: prefix) {
                        // Others may be listed by it.
                        let isMarker = name == UpdateMarkerStore.markerName
                        feed.announce(Hint(isMarker ? "" : name, version: isMarker ? nil : version, source: .listen))
                    }
                }
            } isUp: {
                rise()
            }
            return .ended("the server has ended it", wasUp: wasUp.withLock(\.self))
        } catch let error as NotificationReader.NotAnnounced {
            return .unsupported("the server answers with \(error.found)")
        } catch let failure as RequestFailure {
            let isPassing = failure.isTransient || failure.error.kind == .timeout || !Self.isRefusal(failure.error)
            return isPassing
                ? .ended("\(failure.error)", wasUp: wasUp.withLock(\.self)) : .unsupported("\(failure.error)")
        } catch {
            return .ended("\(error)", wasUp: wasUp.withLock(\.self))
        }
    }

    /// Whether the server refuses this kind of request, not just this one: keys and clocks may be corrected, and the bucket created.
    private static func isRefusal(_ error: BlobStoreError) -> Bool {
        guard case .refused = error.cause else { return false }
        return !S3FailureContext.identityCodes.contains(error.code) && error.code != "NoSuchBucket"
    }
}

extension S3Store {
    /// Sends one request for announcements, and reads its answer until that ends.
    ///
    /// - Parameters:
    ///   - ping: how often the server shows that the connection lives.
    ///   - take: takes what is announced, on a thread that may block.
    ///   - isUp: called when the server announces changes from now on; may be called more often.
    /// - Throws: `NotificationReader.NotAnnounced`, `RequestFailure`, `CancellationError`, or what `take` throws.
    func listen(
        ping: Duration, _ take: @escaping @Sendable (NotificationReader.Item) throws -> Void,
        isUp: @escaping @Sendable () throws -> Void
    ) async throws {
        var request = S3Request(.listen, "GET", key: nil)
        request.query = [
            ("events", "s3:ObjectCreated:*"), ("events", "s3:ObjectRemoved:*"), ("prefix", options.globalPrefix),
            ("ping", "\(max(1, ping.components.seconds))"),
        ]
        let reader = Mutex(NotificationReader())
        request.receive = { headers, bytes in
            if bytes.isEmpty {
                // Others say so with the first line.
                if headers["content-type"]?.hasPrefix("text/event-stream") == true { try isUp() }
                return
            }
            let items = try reader.withLock { try $0.take(bytes) }
            if !items.isEmpty { try isUp() }
            for item in items { try take(item) }
        }
        try await performListening(request)
    }

    /// Whether the server announces changes, as far as that shows within some seconds; nil if it is not asked.
    package func announcesChanges() async throws -> Bool? {
        guard options.notifications != .off else { return nil }
        struct Up: Error {}
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await self.listen(ping: .seconds(1), { _ in throw Up() }, isUp: { throw Up() }) }
                group.addTask {
                    try await Task.sleep(for: Self.longestProbe)
                    throw BlobStoreError(.timeout, nil, .reported("cannot listen for changes: no answer"))
                }
                defer { group.cancelAll() }
                _ = try await group.next()
            }
            return false
        } catch is Up {
            return true
        } catch is NotificationReader.NotAnnounced {
            return false
        } catch let failure as RequestFailure {
            guard failure.error.code != "NotImplemented" else { return false }
            throw failure.error
        }
    }

    /// How long ``announcesChanges()`` waits.
    private static let longestProbe = Duration.seconds(10)
}

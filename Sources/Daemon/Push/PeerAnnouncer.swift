import BlobStorage
import Config
import HTTP
import Logging
import Monitoring
import Replication
import Snapshots
import StatusServer
import Support
import Synchronization

/// Tells the other instances what this one has stored, at once and in parallel, over `POST /hint`.
///
/// Never delays a send: what happens is noted in a ``PeerBook``, and told by tasks of their own. Of the objects of one kind
/// and database an instance is only told of the newest that it has not been told of.
final class PeerAnnouncer: SyncObserver {
    /// The time limit of one hint.
    static let timeout = Duration.seconds(2)
    /// How many instances are told at a time.
    static let mostAtOnce = 16

    private struct State {
        var book: PeerBook
        var clients: [PeerURL: DocumentClient] = [:]
        var running = 0
        var store: (any BlobStore)?
        var isReading = false
    }

    private let tokens: TokenFile
    private let metrics: PushMetrics
    private let logger: Logger
    private let uptime: Uptime
    private let state: Mutex<State>

    /// - Parameters:
    ///   - own: the name of this instance.
    ///   - url: its URL.
    init(
        own: String, url: PeerURL?, tokens: TokenFile, metrics: PushMetrics, logger: Logger,
        uptime: @escaping Uptime = systemUptime
    ) {
        self.tokens = tokens
        self.metrics = metrics
        self.logger = logger
        self.uptime = uptime
        state = Mutex(State(book: PeerBook(own: SnapshotName.sanitize(instance: own), url: url)))
    }

    /// Sets the storage, in which the others' URLs are.
    ///
    /// - Parameter store: the storage without its update marker.
    func attach(_ store: any BlobStore) { state.withLock { $0.store = store } }

    /// See `SyncObserver`.
    func observe(_ event: SyncEvent, of database: String) {
        if case .stored(let report) = event {
            tell(report.name.description, of: .init(database: database, isState: false))
        } else if case .listed(let catalog) = event {
            let instances = Set(StateObjects.names(in: catalog.states, database: database).map(\.instance))
            state.withLock { $0.book.listed(instances, of: database) }
            readStates()
        }
    }

    /// A state object of this instance was stored.
    func published(_ database: String, _ name: String) { tell(name, of: .init(database: database, isState: true)) }

    /// Another instance has told us of an object.
    func heard(of object: ObjectName) {
        let now = uptime()
        switch object {
        case .state(let name):
            state.withLock { $0.book.heard(from: name.instance, of: name.database, hasNewState: true, at: now) }
            readStates()
        case .full(let name), .delta(let name), .unknownKind(let name):
            state.withLock { $0.book.heard(from: name.instance, of: name.database, hasNewState: false, at: now) }
        case .foreign: break
        }
    }

    /// The instances whose URL is known.
    var peers: [String] { state.withLock { $0.book.peers.filter { $0.value.url != nil }.keys.sorted() } }

    // MARK: Finding the others

    /// Reads the state objects that are due, one after the other; returns at once.
    private func readStates() {
        let now = uptime()
        let (store, due) = state.withLock { state -> ((any BlobStore)?, [(instance: String, database: String)]) in
            guard let store = state.store, !state.isReading else { return (nil, []) }
            let due = state.book.due(at: now)
            state.isReading = !due.isEmpty
            return (store, due)
        }
        guard let store, !due.isEmpty else { return }
        Task { [self] in
            for (instance, database) in due {
                let name = StateObjectName(database: database, instance: instance)
                do {
                    let url = try await StateObjects(store, database: database).load(name)?.url
                    if let url, (try? PeerURL(url)) == nil {
                        logger.info(
                            "the URL of an instance is not used for hints: neither https nor an address of a private network",
                            metadata: [
                                "syncer_instance": "\(instance)", "url": "\(PrintableText.line(url, longest: 100))",
                            ])
                    }
                    if state.withLock({ $0.book.read(instance, url: url) }), let url {
                        logger.warning(
                            "another instance has the same push.advertise, and neither is told what the other one stores: set the URL of each host",
                            metadata: [
                                "syncer_instance": "\(instance)", "url": "\(PrintableText.line(url, longest: 100))",
                            ])
                    }
                } catch {
                    // Listings report what is wrong with the storage.
                    logger.debug("cannot read a state object", metadata: ["name": "\(name)", "error": "\(error)"])
                }
            }
            state.withLock { state in
                state.isReading = false
                let urls = Set(state.book.peers.values.compactMap(\.url))
                state.clients = state.clients.filter { urls.contains($0.key) }
            }
            showCounts()
            start()
            // What has become due meanwhile.
            readStates()
        }
    }

    // MARK: Telling them

    private func tell(_ object: String, of subject: PeerBook.Subject) {
        let now = uptime()
        let suppressed = state.withLock { $0.book.tell(object, of: subject, at: now) }
        for _ in 0..<suppressed { metrics.count(.suppressed) }
        start()
    }

    /// Starts to tell as many as may be told at a time.
    private func start() {
        let now = uptime()
        let ready = state.withLock { state -> [(String, Delivery)] in
            var ready: [(String, Delivery)] = []
            for instance in state.book.waiting {
                guard state.running < Self.mostAtOnce else { break }
                guard let delivery = Self.next(for: instance, &state, at: now) else { continue }
                state.running += 1
                ready.append((instance, delivery))
            }
            return ready
        }
        for (instance, delivery) in ready { Task { [self] in await run(instance, delivery) } }
    }

    private struct Delivery {
        var client: DocumentClient
        var url: PeerURL
        var hint: PeerHint
    }

    private static func next(for instance: String, _ state: inout State, at now: Duration) -> Delivery? {
        guard let (url, subject, object) = state.book.next(for: instance, at: now) else { return nil }
        // One connection for each, which stays open for a while.
        let client =
            state.clients[url] ?? DocumentClient(stallTimeout: timeout, totalTimeout: timeout, largest: 4 << 10)
        state.clients[url] = client
        return Delivery(client: client, url: url, hint: PeerHint(database: subject.database, object: object))
    }

    private func run(_ instance: String, _ first: Delivery) async {
        var delivery: Delivery? = first
        while let current = delivery {
            let result = await deliver(current, to: instance)
            let now = uptime()
            delivery = state.withLock { state in
                if let result {
                    state.book.ended(instance, isFailure: result != .accepted && result != .limited, at: now)
                }
                let next = Self.next(for: instance, &state, at: now)
                if next == nil { state.running -= 1 }
                return next
            }
        }
        showCounts()
        start()
    }

    /// - Returns: nil without a token.
    private func deliver(_ delivery: Delivery, to instance: String) async -> PushMetrics.Sent? {
        guard let tokens = await tokens.tokens(), let body = try? JSON.encode(delivery.hint) else { return nil }
        let result: PushMetrics.Sent
        var detail = ""
        do {
            let answer = try await delivery.client.perform(
                "POST", "\(delivery.url)/hint",
                headers: [("Authorization", "Bearer \(tokens.current)"), ("Content-Type", "application/json")],
                body: body)
            detail = "status \(answer.status)"
            result =
                switch answer.status {
                case 200..<300: .accepted
                case 429: .limited
                case 300..<500: .refused
                default: .failed
                }
        } catch {
            detail = "\(error)"
            result = .unreachable
        }
        metrics.count(result)
        note(result, detail, delivery, instance)
        return result
    }

    /// Logs the first of several failures.
    private func note(_ result: PushMetrics.Sent, _ detail: String, _ delivery: Delivery, _ instance: String) {
        let wasFailing = state.withLock { $0.book.peers[instance]?.budget.isFailing ?? false }
        var metadata: Logger.Metadata = ["syncer_instance": "\(instance)", "url": "\(delivery.url)"]
        switch result {
        case .accepted, .limited, .suppressed:
            if wasFailing { logger.info("an instance takes hints again", metadata: metadata) }
        case .refused, .failed, .unreachable:
            guard !wasFailing else { return }
            metadata["error"] = "\(detail.oneLine())"
            logger.info(
                "cannot tell an instance what was stored; it notices with its next listing, and is tried at least five times an hour",
                metadata: metadata)
        }
    }

    private func showCounts() {
        let counts = state.withLock(\.book.counts)
        metrics.show(reachable: counts.reachable, failing: counts.failing)
    }
}

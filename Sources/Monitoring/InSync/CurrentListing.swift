import BlobStorage
import Replication
import Snapshots
import Support
import Synchronization

/// Who is in the storage, by a listing that is not older than a limit: one of the syncer, or one made for a question.
///
/// With hints the syncer lists rarely, and a host that has joined since is not in its last listing. Concurrent questions share a listing, and
/// further ones within the limit.
final class CurrentListing: Sendable {
    /// Why it is not known who is in the storage.
    enum Problem: Sendable, Equatable {
        /// The listing has failed: one line.
        case failed(String)
        /// It takes too long.
        case late

        /// One line.
        var text: String {
            switch self {
            case .failed(let error): "the storage cannot be listed: \(error)"
            case .late: "a listing of the storage takes too long"
            }
        }
    }

    private struct Made: Sendable {
        /// When it began.
        var began: Duration
        var problem: Problem?
        /// Whether it is one of the syncer.
        var isSyncers = false
    }

    private struct State {
        var store: (any BlobStore)?
        /// The last listing; one of the syncer only if none made here is current.
        var last: Made?
        /// Those in the last listing that was made for a question, until the syncer's next one has begun and ended.
        var found: (instances: Set<String>, states: [String: Blob], began: Duration)?
        /// When the listing of the syncer in progress began.
        var syncersBegan: Duration?
    }

    private final class Box: Sendable {
        let state = Mutex(State())
    }

    private let box = Box()
    private let oldest: Duration
    private let trustsSyncer: Bool
    private let now: @Sendable () -> Duration
    private let onDemand: OnDemand<Made>

    /// - Parameters:
    ///   - oldest: a listing that began this long ago is not current.
    ///   - trustsSyncer: whether the syncer's listings show all state objects. With an update marker they need not: writing a state object
    ///     does not change it.
    ///   - now: the time since a fixed moment.
    ///   - patience: how long a question waits.
    ///   - listed: called with each listing that is made here.
    init(
        database: String, oldest: Duration, trustsSyncer: Bool, now: @escaping @Sendable () -> Duration,
        patience: Duration = .seconds(2), listed: @escaping @Sendable (Catalog) -> Void
    ) {
        (self.oldest, self.trustsSyncer, self.now) = (oldest, trustsSyncer, now)
        onDemand = OnDemand(interval: .zero, patience: patience) { [box] in
            let began = now()
            var made = Made(began: began)
            if let store = box.state.withLock(\.store) {
                do {
                    let blobs = try await store.list(prefix: SnapshotName.prefix(database: database))
                    let catalog = Catalog(blobs, database: database, now: .max)
                    listed(catalog)
                    box.state.withLock { $0.found = (catalog.present, catalog.states, began) }
                } catch {
                    made.problem = .failed("\(error)")
                }
            } else {
                made.problem = .failed("it is not open yet")
            }
            box.state.withLock { [made] in $0.last = made }
            return made
        }
    }

    /// Sets the storage.
    ///
    /// - Parameter store: the storage without its update marker.
    func attach(_ store: any BlobStore) { box.state.withLock { $0.store = store } }

    /// A listing of the syncer.
    func observe(_ event: SyncEvent) {
        switch event {
        case .listStarted:
            let time = now()
            box.state.withLock { $0.syncersBegan = time }
        case .listed:
            box.state.withLock { state in
                guard let began = state.syncersBegan else { return }
                // One by an update marker may lack what was found.
                if let found = state.found, found.began < (trustsSyncer ? began : began - oldest) { state.found = nil }
                if let last = state.last, !last.isSyncers, last.problem == nil, last.began >= began - oldest { return }
                if trustsSyncer, began >= state.last?.began ?? .zero {
                    state.last = Made(began: began, isSyncers: true)
                }
            }
        default: break
        }
    }

    /// The instances that were found by a listing made here after the syncer's last one.
    var instances: Set<String> { box.state.withLock { $0.found?.instances ?? [] } }

    /// Their state objects, by instance.
    var states: [String: Blob] { box.state.withLock { $0.found?.states ?? [:] } }

    /// Makes a listing, unless the last one is current.
    ///
    /// - Parameter excludesSyncers: whether one of the syncer does not count: it begins when an instance has stored its first snapshot, just
    ///   before that stores its first state.
    /// - Returns: nil if ``instances``, and what the syncer has listed, are current.
    func problem(excludesSyncers: Bool) async -> Problem? {
        let limit = now() - oldest
        let last = box.state.withLock(\.last)
        if let last, last.began >= limit, !(excludesSyncers && last.isSyncers) { return last.problem }
        guard let made = await onDemand.value(), made.began >= limit else { return .late }
        return made.problem
    }
}

extension Catalog {
    /// The instances with a snapshot, a delta or a state object.
    fileprivate var present: Set<String> { instances.union(lastDeltas.keys).union(states.keys) }
}

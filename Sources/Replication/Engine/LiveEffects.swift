import BlobStorage
import Dispatch
import Logging
import Snapshots
import Support

/// Performs effects live: with a storage, threads that may block, a logger and an observer.
///
/// Used by one ``DatabaseSyncer`` only, within its isolation.
final class LiveEffects: SyncEffects {
    /// The stream of events.
    let post: AsyncStream<SyncCore.Event>.Continuation
    private let database: SyncedDatabase
    private let store: any BlobStore
    private let unmarked: any BlobStore
    private let clock: SyncClock
    private let observer: any SyncObserver
    private let logger: Logger
    /// LMDB calls block. One thread may write and one read everything; the others only do short lookups.
    private let threads: BlockingPool
    private let housekeeping: Housekeeping
    /// The tasks to start.
    private var tasks: [@Sendable () async -> Void] = []
    /// The error that has ended the loop, if any.
    private(set) var failure: (any Error)?

    init(
        _ database: SyncedDatabase, store: any BlobStore, unmarked: any BlobStore, clock: SyncClock,
        observer: any SyncObserver, logger: Logger, threads: BlockingPool, housekeeping: Housekeeping,
        post: AsyncStream<SyncCore.Event>.Continuation
    ) {
        self.database = database
        self.store = store
        self.unmarked = unmarked
        self.clock = clock
        self.observer = observer
        self.logger = logger
        self.threads = threads
        self.housekeeping = housekeeping
        self.post = post
    }

    var moment: Moment { clock.moment }

    /// Returns the tasks of the effects so far, to be started now.
    func takeTasks() -> [@Sendable () async -> Void] {
        defer { tasks.removeAll(keepingCapacity: true) }
        return tasks
    }

    func perform(_ effect: SyncCore.Effect) {
        switch effect {
        case .list(let readsRecord): list(readsRecord: readsRecord)
        case .measureMap(let name): block { [database] _, post in post(database.measureMap(for: name)) }
        case .download(let name, let limit): download(name, atMost: limit)
        case .compare(let order): block { [database] in database.compare(order, signal: $0, $1) }
        case .apply(let merges, let isOutdated, let positions):
            block { [database] in database.apply(merges, isOutdated: isOutdated, positions: positions, $1) }
        case .capture: block { [database] in database.capture(signal: $0, $1) }
        case .scan(let order): block { [database] in database.scan(order, signal: $0, $1) }
        case .widen(let deltas): widen(deltas)
        case .prove: block { [database] in $1(database.prove(signal: $0)) }
        case .store(let snapshot):
            call { [store] in
                let version = try await store.store(snapshot.name.description, snapshot.body)
                return .stored(version: version)
            } failed: {
                .storeFailed($0)
            }
        case .sweep(let run, let deletionTime):
            block { [database] in $1(database.sweep(run, deletionTime: deletionTime, signal: $0)) }
        case .record(let record): block { [database] in $1(database.write(record)) }
        case .recordPositions(let positions): recordPositions(positions)
        case .listForCleaner: listForCleaner()
        case .remove(let removal): remove(removal)
        case .removeLeftovers: removeLeftovers()
        case .noteSent(let transaction): database.noteSent(through: transaction)
        case .endInspection(let inspection, let report): inspection.ended(report)
        case .endSendInspection(let inspection, let report): inspection.ended(report)
        case .log(let level, let text, let metadata): logger.log(level: level, "\(text)", metadata: metadata)
        case .observe(let event): observer.observe(event, of: database.settings.identity.database)
        case .end(let error): failure = error
        }
    }

    // MARK: The storage

    private func list(readsRecord: Bool) {
        tasks.append { [database, store, clock, threads, post] in
            let began = clock.wall()
            if readsRecord, let event = try? await threads.run({ _ in database.readRecord() }) { post.yield(event) }
            do {
                post.yield(.listed(try await Self.listing(database, store, clock, began)))
            } catch {
                guard !Task.isCancelled else { return }
                post.yield(.listingFailed("\(error)"))
            }
        }
    }

    private static func listing(
        _ database: SyncedDatabase, _ store: any BlobStore, _ clock: SyncClock, _ began: UInt64
    ) async throws -> SyncCore.Listing {
        let prefix = SnapshotName.prefix(database: database.settings.identity.database)
        let blobs = try await store.list(prefix: prefix)
        // The offset of the storage's clock is known from its response at the latest.
        return SyncCore.Listing(blobs: blobs, began: began, ended: clock.wall(), clockOffset: store.clockOffset)
    }

    private func download(_ name: SnapshotName, atMost limit: Int) {
        tasks.append { [store, clock, post] in
            let begin = clock.uptime()
            do {
                let (body, version) = try await store.loadVersion(name.description, atMost: limit)
                post.yield(.downloaded(name, body, version: version, time: clock.uptime() - begin))
            } catch {
                guard !Task.isCancelled else { return }
                post.yield(.downloadFailed(name, error, time: clock.uptime() - begin))
            }
        }
    }

    private func widen(_ deltas: [OwnChain.Stored]) {
        call { [store, threads, schema = database.settings.schema] in
            .widened(try await Widening(deltas).perform(in: store, schema: schema, threads: threads))
        } failed: {
            .wideningFailed($0)
        }
    }

    private func listForCleaner() {
        call { [database, store, clock] in
            .listedForCleaner(try await Self.listing(database, store, clock, clock.wall()))
        } failed: {
            .cleanerListingFailed("\($0)")
        }
    }

    private func remove(_ removal: CleanerMachine.Removal) {
        call { [store, unmarked] in
            try await removal.perform(in: store, unmarked: unmarked)
            return .removed(removal)
        } failed: {
            .removalFailed(removal, "\($0)")
        }
    }

    private func removeLeftovers() {
        call { [store] in
            .removedLeftovers(try await store.removeLeftovers(olderThan: CleaningLoop.leftoverAge))
        } failed: {
            .leftoversFailed("\($0)")
        }
    }

    private func call(
        _ body: @escaping @Sendable () async throws -> SyncCore.Event,
        failed: @escaping @Sendable (any Error) -> SyncCore.Event
    ) {
        tasks.append { [post] in
            do {
                post.yield(try await body())
            } catch {
                guard !Task.isCancelled else { return }
                post.yield(failed(error))
            }
        }
    }

    /// Runs blocking work. Cancelled work reports nothing.
    private func block(_ body: @escaping @Sendable (CancellationSignal, SyncedDatabase.Post) -> Void) {
        tasks.append { [threads, post] in
            _ = try? await threads.run { signal in
                body(signal) { if !signal.isCancelled { post.yield($0) } }
            }
        }
    }

    /// Not a task: the loop ends without it if somebody else has the write lock for long.
    private func recordPositions(_ positions: RecordedPositions) {
        DispatchQueue(label: "positions").async { [database, post] in post.yield(database.record(positions)) }
    }

    // MARK: The timer

    func wake(at time: Duration?) { housekeeping.wake(at: time) }
}

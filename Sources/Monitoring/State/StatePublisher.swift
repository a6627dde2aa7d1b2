import BlobStorage
import Logging
import Observability
import Snapshots
import Support
import Synchronization

/// Writes the state object of this instance for one database, following ``PublishSchedule``.
final class StatePublisher: Sendable {
    private let name: String
    private let store: any BlobStore
    private let logger: Logger
    private let clock: @Sendable () -> Moment
    private let state: @Sendable (_ isLast: Bool) -> InstanceState?
    private let didStore: @Sendable (_ name: String) -> Void
    private let schedule: Mutex<PublishSchedule>
    private let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    /// - Parameters:
    ///   - store: the storage without update marker: a state object does not require a listing.
    ///   - didStore: called with the object's name when it is stored.
    ///   - state: the contents to write, if any; `isLast` at shutdown.
    init(
        database: String, instance: String, store: any BlobStore, logger: Logger,
        clock: @escaping @Sendable () -> Moment, didStore: @escaping @Sendable (_ name: String) -> Void = { _ in },
        state: @escaping @Sendable (_ isLast: Bool) -> InstanceState?
    ) {
        name = StateObjectName(database: database, instance: instance).description
        self.store = store
        var logger = logger
        logger[metadataKey: "db"] = "\(database)"
        self.logger = logger
        self.clock = clock
        self.state = state
        self.didStore = didStore
        schedule = Mutex(PublishSchedule(at: clock().uptime))
        (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// The state has changed.
    func changed() {
        schedule.withLock { $0.changed() }
        wake.yield()
    }

    /// Writes until the task is cancelled.
    func run() async {
        var timer: Task<Void, Never>?
        defer { timer?.cancel() }
        wake.yield()
        for await _ in wakes {
            guard !Task.isCancelled else { return }
            let now = clock().uptime
            if let due = schedule.withLock(\.due), due <= now { await write(at: now) }
            timer?.cancel()
            guard let due = schedule.withLock(\.due) else { continue }
            let pause = due - clock().uptime
            timer = Task { [wake] in
                // Rounded up, because an early timer would be set again at once.
                guard (try? await Task.sleep(for: max(.zero, pause) + .milliseconds(1))) != nil else { return }
                wake.yield()
            }
        }
    }

    /// Writes the last state of the process.
    func finish() async { await write(at: clock().uptime, isLast: true) }

    /// Removes the object of an earlier process if publishing is disabled. Otherwise the instance would look
    /// silent.
    func remove() async {
        do { try await store.delete(name) } catch {
            logger.debug("cannot remove the state object", metadata: ["name": "\(name)", "error": "\(error)"])
        }
    }

    private func write(at now: Duration, isLast: Bool = false) async {
        schedule.withLock { $0.began(at: now) }
        defer { schedule.withLock { $0.ended() } }
        guard let state = state(isLast) else { return }
        do {
            try await store.store(name, Spool(try state.bytes()))
            didStore(name)
        } catch {
            if !Task.isCancelled {
                logger.warning(
                    "cannot write the state object; retrying with the next change",
                    metadata: ["name": "\(name)", "error": "\(error)"])
            }
        }
    }
}

extension InstanceState {
    /// Maximum number of instances in a state object: those with the newest snapshots.
    static let mostInstances = 1000

    init(
        _ record: DatabaseRecord, positions: PublishedPositions.Positions, hostname: String, software: String,
        at time: WallTime, health: String, interval: Int? = nil, url: String? = nil
    ) {
        self.init(
            instance: record.own, hostname: hostname, software: software, time: time.rfc3339(digits: 3),
            sent: record.sent?.name.description, applied: Self.names(positions.applied),
            covered: positions.covered.map(Self.names), health: health, interval: interval,
            url: url, sealedWith: record.sealedWith)
    }

    private static func names(_ names: [String: SnapshotName]) -> [String: String] {
        guard names.count > mostInstances else { return names.mapValues(\.description) }
        let newest = names.sorted { ($0.value.timestamp, $0.key) > ($1.value.timestamp, $1.key) }
        return Dictionary(uniqueKeysWithValues: newest.prefix(mostInstances).map { ($0.key, $0.value.description) })
    }

    /// The encoded object; if it would exceed its size limit, only the essential fields.
    func bytes() throws -> [UInt8] {
        let bytes = try JSON.encode(self)
        guard bytes.count > StateObjects.largest else { return bytes }
        var small = self
        small.applied = [:]
        small.covered = nil
        return try JSON.encode(small)
    }
}

import BlobStorage
import Logging
import Observability
import Snapshots
import Support
import Synchronization

/// Writes the state object of this instance for one database, as ``PublishSchedule`` says.
final class StatePublisher: Sendable {
    private let name: String
    private let store: any BlobStore
    private let logger: Logger
    private let clock: @Sendable () -> Moment
    private let state: @Sendable (_ isLast: Bool) -> InstanceState?
    private let schedule: Mutex<PublishSchedule>
    private let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    /// - Parameters:
    ///   - store: without an update marker: nobody needs to list because of a state object.
    ///   - state: what to write, or nothing; `isLast` in the end.
    init(
        database: String, instance: String, store: any BlobStore, logger: Logger,
        clock: @escaping @Sendable () -> Moment, state: @escaping @Sendable (_ isLast: Bool) -> InstanceState?
    ) {
        name = StateObjectName(database: database, instance: instance).description
        self.store = store
        var logger = logger
        logger[metadataKey: "db"] = "\(database)"
        self.logger = logger
        self.clock = clock
        self.state = state
        schedule = Mutex(PublishSchedule(at: clock().uptime))
        (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// The state has something new to say.
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
                // Rounded up, or a timer that comes early would be set again at once.
                guard (try? await Task.sleep(for: max(.zero, pause) + .milliseconds(1))) != nil else { return }
                wake.yield()
            }
        }
    }

    /// The last word of a process that ends.
    func finish() async { await write(at: clock().uptime, isLast: true) }

    /// Removes what an earlier process wrote, where nothing is to be published any more: it would look like one that
    /// has fallen silent.
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
        } catch {
            if !Task.isCancelled {
                logger.warning(
                    "cannot write the state object; it is tried again with the next change",
                    metadata: ["name": "\(name)", "error": "\(error)"])
            }
        }
    }
}

extension InstanceState {
    /// How many instances a state object tells of: those with the newest snapshots.
    static let mostInstances = 1000

    init(
        _ record: DatabaseRecord, hostname: String, software: String, at time: WallTime, health: String,
        interval: Int? = nil
    ) {
        self.init(
            instance: record.own, hostname: hostname, software: software, time: time.rfc3339(digits: 3),
            sent: record.sent?.name.description, applied: Self.names(record.applied),
            covered: record.covered.map(Self.names), health: health, interval: interval)
    }

    private static func names(_ names: [String: SnapshotName]) -> [String: String] {
        guard names.count > mostInstances else { return names.mapValues(\.description) }
        let newest = names.sorted { ($0.value.timestamp, $0.key) > ($1.value.timestamp, $1.key) }
        return Dictionary(uniqueKeysWithValues: newest.prefix(mostInstances).map { ($0.key, $0.value.description) })
    }

    /// The object; of one that would be too large for its readers only the essence.
    func bytes() throws -> [UInt8] {
        let bytes = try JSON.encode(self)
        guard bytes.count > StateObjects.largest else { return bytes }
        var small = self
        small.applied = [:]
        small.covered = nil
        return try JSON.encode(small)
    }
}

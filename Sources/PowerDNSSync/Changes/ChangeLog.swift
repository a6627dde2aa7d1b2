import Logging
import PowerDNSFormat
import Synchronization

/// Tells of changes after they have been made: counts and logs them, and hands the zones to those who look after them.
///
/// Syncing only puts changes here, and never waits.
final class ChangeLog: Sendable {
    /// So many jobs wait at most with all that was kept of them; of others only the totals are.
    static let mostWaiting = 32
    /// How long the last ones may take at the end.
    private static let lastWordsLimit = Duration.seconds(2)
    /// How long the name of a new zone may take: records and zones come with two merges.
    private static let patience = Duration.seconds(1)

    private let isOn: Bool
    private let databases: PowerDNSDatabases
    private let metrics: PowerDNSMetrics
    private let consumers: [any ZoneConsumer]
    private let recent: RecentZones
    private let logger: Logger
    private let jobs: AsyncStream<ChangeJob>
    private let queue: AsyncStream<ChangeJob>.Continuation
    private let waiting = Mutex(0)

    init(
        isOn: Bool, databases: PowerDNSDatabases, metrics: PowerDNSMetrics, consumers: [any ZoneConsumer],
        recent: RecentZones, logger: Logger
    ) {
        self.isOn = isOn
        self.databases = databases
        self.metrics = metrics
        self.consumers = consumers
        self.recent = recent
        self.logger = logger
        (jobs, queue) = AsyncStream.makeStream()
    }

    /// Something has changed. Returns at once.
    func add(_ job: ChangeJob) {
        var job = job
        if waiting.withLock({ count in
            count += 1
            return count > Self.mostWaiting
        }) {
            job.changes.settle()
            job.changes.summarise()
        }
        queue.yield(job)
    }

    /// Tells of changes while `body` runs, and of those that are left before it returns. To be called once.
    func run(while body: @Sendable () async throws -> Void) async throws {
        let result = await runBeside(
            limit: Self.lastWordsLimit, { await self.tellAll() }, finish: { queue.finish() }, while: body)
        for consumer in consumers { await consumer.changesEnded() }
        try result.get()
    }

    /// Tells of everything until there will be no more.
    func tellAll() async {
        var teller = Teller()
        for await job in jobs {
            waiting.withLock { $0 -= 1 }
            await tell(job, &teller)
        }
    }

    /// What is remembered from one job to the next.
    private struct Teller {
        var names = ZoneNames()
        var serials = Serials()
    }

    private func tell(_ job: ChangeJob, _ teller: inout Teller) async {
        var job = job
        job.changes.settle()
        teller.names.learn(job.changes.names)
        metrics.changed(job.changes.totals, job.direction, in: job.database)
        guard !job.changes.totals.isEmpty else { return }
        let numbers = job.numbers
        var names = await teller.names.find(numbers, in: databases.mayHaveZones())
        if job.direction == .merged {
            let zones = job.mergedZones(names)
            if zones.zones != .some([]) { for consumer in consumers { await consumer.zonesChanged(zones) } }
        }
        teller.serials.complete(&job.changes, job.direction)
        recent.note(job, names)
        guard isOn else { return }
        if names.count < numbers.count, !databases.mayHaveZones().isEmpty {
            try? await Task.sleep(for: Self.patience)
            names = await teller.names.find(numbers, in: databases.mayHaveZones())
        }
        for line in ChangeLines.of(job, names) { logger.info(line.message, metadata: line.metadata) }
    }
}

/// The serials of zones as they were told last: of what the application writes, the version before is not known.
struct Serials: Sendable {
    /// No more zones than this are remembered.
    private static let most = 10_000
    private var known: [UInt32: UInt32] = [:]

    /// Remembers the new serials, and gives those that were sent their old ones.
    mutating func complete(_ changes: inout ChangeCollection, _ direction: ChangeJob.Direction) {
        for tally in changes.zones {
            guard case .number(let id) = tally.zone else { continue }
            if direction == .sent, let new = tally.newSerial, let old = known[id] {
                // Written once more as it was, as far as is known.
                let isNew = old != new
                changes.setSerials(tally.zone, old: isNew ? old : nil, new: isNew ? new : nil)
            }
            if let new = tally.newSerial {
                if known.count >= Self.most { known = [:] }
                known[id] = new
            } else if tally.oldSerial != nil {
                known[id] = nil
            }
        }
    }
}

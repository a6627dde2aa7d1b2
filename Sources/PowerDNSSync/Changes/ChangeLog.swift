import Logging
import PowerDNSFormat
import Synchronization

/// Processes changes after they have been made: counts and logs them, and passes the zones to their consumers.
///
/// Syncing only queues changes here, and never waits.
final class ChangeLog: Sendable {
    /// Maximum number of queued jobs with kept records; of further ones only the totals are kept.
    static let mostWaiting = 32
    /// Time limit for the last jobs at the end.
    private static let lastWordsLimit = Duration.seconds(2)
    /// How long to wait for the name of a new zone: records and zones arrive with two merges.
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

    /// Queues a change. Returns at once.
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

    /// Processes changes while `body` runs, and the remaining ones before it returns. Must be called once.
    func run(while body: @Sendable () async throws -> Void) async throws {
        let result = await runBeside(
            limit: Self.lastWordsLimit, { await self.processAll() }, finish: { queue.finish() }, while: body)
        for consumer in consumers { await consumer.changesEnded() }
        try result.get()
    }

    /// Processes all changes until the queue ends.
    func processAll() async {
        var memory = Memory()
        var iterator = jobs.makeAsyncIterator()
        // No copy of a job may keep what it holds.
        while var job = await iterator.next() {
            waiting.withLock { $0 -= 1 }
            await process(&job, &memory)
        }
    }

    /// The state kept between jobs.
    private struct Memory {
        var names = ZoneNames()
        var serials = Serials()
    }

    private func process(_ job: inout ChangeJob, _ memory: inout Memory) async {
        job.changes.settle()
        memory.names.learn(job.changes.names)
        metrics.changed(job.changes.totals, job.direction, in: job.database)
        guard !job.changes.totals.isEmpty else { return }
        let numbers = job.numbers
        var names = await memory.names.find(numbers, in: databases.mayHaveZones())
        if job.direction == .merged { await pass(&job, names) }
        memory.serials.complete(&job.changes)
        recent.note(job, names)
        guard isOn else { return }
        if names.count < numbers.count, !databases.mayHaveZones().isEmpty {
            try? await Task.sleep(for: Self.patience)
            names = await memory.names.find(numbers, in: databases.mayHaveZones())
        }
        for line in ChangeLines.of(job, names) { logger.info(line.message, metadata: line.metadata) }
    }
}

extension ChangeLog {
    /// Passes the changed zones to the consumers. From then on, only they keep what the job holds.
    private func pass(_ job: inout ChangeJob, _ names: [UInt32: ZoneName]) async {
        var zones = job.mergedZones(names)
        zones.hold = job.hold
        job.hold = nil
        if zones.zones != .some([]) { for consumer in consumers { await consumer.zonesChanged(zones) } }
    }
}

/// The last logged serials of zones, for sends that do not know the previous version of entries.
struct Serials: Sendable {
    /// Maximum number of zones.
    private static let most = 10_000
    private var known: [UInt32: UInt32] = [:]

    /// Records the new serials, and adds the old ones where the previous version is unknown.
    mutating func complete(_ changes: inout ChangeCollection) {
        for tally in changes.zones {
            guard case .number(let id) = tally.zone else { continue }
            if tally.counts[.rrsetWritten] > 0, let new = tally.newSerial, let old = known[id] {
                // Rewritten without a change, as far as known.
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

import Logging
import Observability
import PowerDNSFormat
import Synchronization

/// Flushes PowerDNS's caches for the zones that merges change, so that its answers change at once.
///
/// It runs beside syncing, which never waits for it. Only the publishing of merged positions does, for a while.
package final class CacheFlusher: ZoneConsumer {
    /// The time after a merge at which its flush is no longer waited for: one request may be in progress when it is queued.
    package static let patience = PowerDNSAPI.timeout * 2

    private let api: PowerDNSAPI
    private let knowsZones: @Sendable () -> Bool
    private let metric: MetricFamily<Counter>
    private let logger: Logger
    private let lastWordsLimit: Duration
    private let checksAccess: Bool
    private let health: @Sendable (String?) -> Void
    private let start = ContinuousClock.now
    private let queue = Mutex(FlushQueue())
    private let isEnding = Atomic(false)
    private let signal: AsyncStream<Void>
    private let raise: AsyncStream<Void>.Continuation

    /// - Parameters:
    ///   - api: the API of the server.
    ///   - knowsZones: whether the database with the names of zones is open.
    ///   - registry: the registry for the metric.
    ///   - logger: the logger for warnings.
    ///   - lastWordsLimit: time limit for the last requests at the end.
    ///   - checksAccess: whether to check the key at start, and not only with the first flush.
    ///   - health: called with the problem, or nil when there is none.
    package init(
        _ api: PowerDNSAPI, knowsZones: @escaping @Sendable () -> Bool, registry: MetricRegistry, logger: Logger,
        lastWordsLimit: Duration = .seconds(1), checksAccess: Bool = false,
        health: @escaping @Sendable (String?) -> Void = { _ in }
    ) {
        self.checksAccess = checksAccess
        self.health = health
        self.lastWordsLimit = lastWordsLimit
        self.api = api
        self.knowsZones = knowsZones
        self.logger = logger
        metric = registry.counters(
            "lightningstream_powerdns_flushes_total",
            "Requests to PowerDNS to flush caches: success, failure (retried), rejected, dropped (after five minutes).",
            labels: ["result"])
        (signal, raise) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Queues the changed zones, and returns at once.
    package func zonesChanged(_ zones: MergedZones) async {
        queue.withLock { $0.add(zones, areNamed: knowsZones(), at: now) }
        raise.yield()
    }

    /// Flushes while `body` runs, and the remaining zones before it returns, within a limit. Must be called once.
    package func run(while body: @Sendable () async throws -> Void) async throws {
        let checking = checksAccess ? Task { await checkAccess() } : nil
        defer { checking?.cancel() }
        let result = await runBeside(
            limit: lastWordsLimit, { await self.flushAll() },
            finish: {
                isEnding.store(true, ordering: .relaxed)
                raise.finish()
            }, while: body)
        try result.get()
    }

    private var now: Duration { start.duration(to: .now) }

    /// Checks until PowerDNS has answered correctly.
    private func checkAccess() async {
        while !Task.isCancelled {
            do {
                try await api.check()
                return report(nil)
            } catch {
                if error is CancellationError || Task.isCancelled { return }
                logger.warning(
                    "cannot use PowerDNS's API to flush its caches; retrying",
                    metadata: ["error": "\(error)"])
                report(error)
            }
            guard (try? await Task.sleep(for: .seconds(30))) != nil else { return }
        }
    }

    private func report(_ error: (any Error)?) {
        health(error.map { "PowerDNS's caches are not flushed, so answers change only when they expire: \($0)" })
    }

    private func flushAll() async {
        var hasFailed = false
        for await _ in signal {
            working: while !Task.isCancelled {
                let (dropped, step) = queue.withLock { ($0.giveUp(at: now), $0.next(at: now)) }
                if dropped > 0 { drop(dropped) }
                switch step {
                case .send(let target): await flush(target, &hasFailed)
                case .wait(let end):
                    // At the end, failed requests are not retried.
                    if isEnding.load(ordering: .relaxed) { return }
                    guard (try? await Task.sleep(for: end - now)) != nil else { return }
                case .idle: break working
                }
            }
        }
    }

    private func flush(_ target: FlushQueue.Target, _ hasFailed: inout Bool) async {
        var metadata: Logger.Metadata = [:]
        if case .zone(let zone) = target { metadata["zone"] = "\(zone)" }
        do {
            try await api.flush(target)
            ended(.done, "success")
            report(nil)
            logger.debug("flushed PowerDNS's caches", metadata: metadata)
            if hasFailed { logger.info("PowerDNS's caches can be flushed again") }
            hasFailed = false
        } catch is CancellationError {
        } catch {
            metadata["error"] = "\(error)"
            if (error as? PowerDNSAPI.Failure)?.isFinal == true {
                report(nil)
                ended(.rejected, "rejected")
                logger.warning("PowerDNS does not flush its caches for this zone", metadata: metadata)
                return
            }
            ended((error as? PowerDNSAPI.Failure)?.isLate == true ? .late : .failed, "failure")
            report(error)
            // One line for all waiting zones: without the zone, repetitions are summarised.
            metadata["zone"] = nil
            metadata["waiting"] = .stringConvertible(queue.withLock { $0.count })
            logger.warning(
                "PowerDNS's caches are not flushed: answers change when its caches expire; retrying",
                metadata: metadata)
            hasFailed = true
        }
    }

    private func ended(_ outcome: FlushQueue.Outcome, _ result: String) {
        queue.withLock { $0.ended(outcome, at: now, random: .random(in: 0..<1)) }
        metric.with(result).add()
    }

    private func drop(_ count: Int) {
        metric.with("dropped").add(count)
        logger.debug("dropped flushes: PowerDNS's caches have expired by now", metadata: ["count": "\(count)"])
    }
}

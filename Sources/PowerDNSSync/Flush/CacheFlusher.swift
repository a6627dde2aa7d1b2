import Logging
import Observability
import PowerDNSFormat
import Synchronization

/// Has PowerDNS forget what it has cached of the zones that merges change, so that its answers change at once.
///
/// It works beside syncing, which never waits for it.
package final class CacheFlusher: ZoneConsumer {
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
    ///   - api: whose caches are flushed.
    ///   - knowsZones: whether the database with the names of zones is open.
    ///   - registry: gets the metric.
    ///   - logger: gets warnings.
    ///   - lastWordsLimit: how long the last requests may take at the end.
    ///   - checksAccess: whether to look at the beginning whether PowerDNS takes the key, and not only with the first flush.
    ///   - health: gets what is wrong, or nil when nothing is any more.
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
            "Requests to PowerDNS to flush caches: success, failure (tried again), rejected, dropped (after five minutes).",
            labels: ["result"])
        (signal, raise) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Notes what has changed, and returns at once.
    package func zonesChanged(_ zones: MergedZones) async {
        queue.withLock { $0.add(zones, areNamed: knowsZones(), at: now) }
        raise.yield()
    }

    /// Flushes while `body` runs, and what is left before it returns, unless that takes long. To be called once.
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

    /// Looks until PowerDNS has answered as it should.
    private func checkAccess() async {
        while !Task.isCancelled {
            do {
                try await api.check()
                return tell(nil)
            } catch {
                if error is CancellationError || Task.isCancelled { return }
                logger.warning(
                    "PowerDNS's API can't be used to flush its caches; it is tried again",
                    metadata: ["error": "\(error)"])
                tell(error)
            }
            guard (try? await Task.sleep(for: .seconds(30))) != nil else { return }
        }
    }

    private func tell(_ error: (any Error)?) {
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
                    // Nobody waits for what can't be done at the end.
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
            tell(nil)
            logger.debug("flushed PowerDNS's caches", metadata: metadata)
            if hasFailed { logger.info("PowerDNS's caches can be flushed again") }
            hasFailed = false
        } catch is CancellationError {
        } catch {
            metadata["error"] = "\(error)"
            if (error as? PowerDNSAPI.Failure)?.isFinal == true {
                tell(nil)
                ended(.rejected, "rejected")
                logger.warning("PowerDNS does not flush its caches for this zone", metadata: metadata)
                return
            }
            ended(.failed, "failure")
            tell(error)
            // One line for all zones that wait, and folded: the text without the zone is the same again.
            metadata["zone"] = nil
            metadata["waiting"] = .stringConvertible(queue.withLock { $0.count })
            logger.warning(
                "PowerDNS's caches are not flushed: answers change when its caches expire; it is tried again",
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
        logger.debug("flushes were given up: PowerDNS's caches have expired by now", metadata: ["count": "\(count)"])
    }
}

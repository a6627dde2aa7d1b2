import BlobStorage
import Snapshots
import Support
import Synchronization
import TestSupport

@testable import Replication

/// The sweeper, and what an operator does about a database that has been away for too long.
extension Simulation {
    /// The true time, by the storage's clock: nanoseconds since the UNIX epoch.
    static func time(at now: Duration) -> UInt64 { UInt64(Int64(now / .nanoseconds(1)) + 1_800_000_000_000_000_000) }

    var sweeper: SweeperMachine.Settings? {
        retention.map {
            SweeperMachine.Settings(
                retention: $0, firstInterval: $0 / 200, interval: $0 / 40, lockDuration: .milliseconds(1),
                releaseDuration: .milliseconds(1))
        }
    }

    func sweep(_ deletionTime: Duration, _ node: Node, _ index: Int) throws {
        guard let retention else { return }
        var run = node.sweep ?? Sweep(limit: node.clock(at: now) - UInt64(retention / .nanoseconds(1)))
        let (transaction, lock) = try run.slice(
            node.environment, deletionTime: deletionTime, willCommit: { node.own.insert($0) })
        node.sweep = run.isComplete ? nil : run
        let isLast = run.isComplete
        schedule(index, after: delay(0.1)) { [self] in
            try handle(.swept(transaction: transaction, lock: lock, isLast: isLast), $0, index)
        }
    }

    /// Lets the application of an instance write or delete one entry of a few, by its clock.
    func change(_ index: Int, deletes: Bool) throws {
        let node = nodes[index]
        let key = TestKey(database: "records_v5", key: Array("key\(Int.random(in: 0..<8, using: &random))".utf8))
        let seen = try node.environment.contents()[key]
        // An application deletes what is there.
        if deletes && seen?.isDeleted != false { return }
        let timestamp = max(node.clock(at: now), (seen?.timestamp ?? 0) + 1)
        let version =
            deletes
            ? TestVersion.deleted(timestamp) : TestVersion(timestamp, "value\(UInt8.random(in: 0..<9, using: &random))")
        let transaction = try node.environment.applicationWrite([(key, version)])
        if deletes { deletions[key] = max(deletions[key] ?? 0, timestamp) }
        if node.isRunning {
            schedule(index, after: delay(0.01)) { [self] in try handle(.observed(transaction: transaction), $0, index) }
        }
    }

    /// Runs `resync` for an instance, which ends early where `fails`.
    func resync(_ index: Int, fails: Bool) async throws {
        guard let sweeper else { return }
        let node = nodes[index]
        let memory = MemoryStore()
        for (name, body) in storage { try await memory.store(name.description, body) }
        let before = Set(storage.keys)
        let store = HookedStore(memory)
        if fails { store.onCall { operation, _ in if operation == "store" { throw NeverHappened() } } }
        let settings = SyncSettings(
            identity: SenderIdentity(database: "main", instance: node.name, hostname: node.name),
            environment: .init(path: node.directory.path),
            machine: .init(
                instance: node.name, storagePollInterval: .seconds(1),
                receiver: .init(concurrentDownloads: 1, retryInterval: .seconds(1)),
                sender: .init(
                    minimumInterval: .zero, forceInterval: .zero, retryInterval: .seconds(1), retryLimit: nil)),
            lmdbPollInterval: .seconds(1))
        let time = Self.time(at: now)
        let resync = Resync(
            settings: settings, sweeper: sweeper, store: store, wallClock: { time }, environment: node.environment)
        do {
            _ = try await resync.run()
        } catch is NeverHappened {
        } catch is NothingToRebuildFrom {}
        for blob in try await memory.list(prefix: "") {
            guard let name = SnapshotName(blob.name), !before.contains(name) else { continue }
            let body = try await memory.load(blob.name)
            storage[name] = body
            node.newestOwnTimestamp = max(node.newestOwnTimestamp, name.timestamp)
            join(&stored, with: try contents(of: body))
        }
    }
}

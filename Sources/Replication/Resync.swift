import BlobStorage
import LMDB
import Snapshots
import Support

/// Unblocks sending of one database (``RejoinFence``) by rebuilding it from the snapshots of the others.
///
/// May run concurrently with an application and a syncer in other processes. The order of steps makes it safe: our own
/// earlier snapshot is replaced before the database counts as in sync, which is the last step.
package struct Resync: Sendable {
    /// The outcome.
    package enum Outcome: Sendable {
        /// Nothing was done, because sending is allowed; with the time of the last sync, if recorded.
        case notNeeded(lastSync: UInt64?)
        /// The database was rebuilt.
        case rebuilt(Report)
    }

    /// The result of rebuilding.
    package struct Report: Sendable {
        /// The snapshots that the database was rebuilt from.
        package var snapshots: [SnapshotName]
        /// The numbers of merged and removed entries.
        package var entries: Rebuild.Report
        /// The snapshot that replaces our own earlier one; nil if there was none.
        package var stored: SnapshotName?
    }

    private let settings: SyncSettings
    private let sweeper: SweeperMachine.Settings
    private let store: any BlobStore
    private let clock: SyncClock
    private let opened: Environment?
    private let pool: BlockingPool

    /// - Parameters:
    ///   - settings: the same as for syncing.
    ///   - sweeper: the settings of the sweeper; without one sending is never blocked.
    ///   - environment: the LMDB if this process has opened it already.
    package init(
        settings: SyncSettings, sweeper: SweeperMachine.Settings, store: any BlobStore,
        clock: SyncClock = SyncClock(), environment: Environment? = nil
    ) {
        self.settings = settings
        self.sweeper = sweeper
        self.store = store
        self.clock = clock
        opened = environment
        pool = BlockingPool(label: "resync-\(settings.identity.database)", width: 1)
    }

    /// How often the storage is listed again because snapshots were replaced in the meantime.
    private static let mostListings = 5

    /// Rebuilds the database if necessary.
    ///
    /// - Parameter progress: called with one line per step.
    package func run(progress: @escaping @Sendable (String) -> Void = { _ in }) async throws -> Outcome {
        let options = settings.environment
        let environment = if let opened { opened } else { try await pool.run { _ in try Environment(options) } }
        guard let lastSync = try await pool.run({ _ in try SyncRecord.read(environment) }).lastSync else {
            return .notNeeded(lastSync: nil)
        }
        for _ in 0..<Self.mostListings {
            var fence = RejoinFence(
                own: settings.machine.instance, retention: sweeper.retention, pollInterval: .zero,
                record: SyncRecord(lastSync: lastSync))
            let (catalog, began) = try await list()
            let loadable = Set(fence.listed(catalog.names, began: began, at: .zero))
            guard fence.reason != nil else { return .notNeeded(lastSync: lastSync) }
            let own = settings.machine.instance
            // Snapshots in the far future have contents, too.
            let sources = catalog.groups.filter { $0.key.instance != own }.values
                .compactMap { $0.last { loadable.contains($0.name) }?.name }.sorted()
            guard !sources.isEmpty else { throw NothingToRebuildFrom() }
            guard let snapshots = try await download(sources, progress) else { continue }
            progress("rebuilding")
            let rules = rules(at: began, fence.limits)
            let clock = clock
            let entries = try await pool.run { signal in
                try Rebuild.run(environment, from: snapshots, rules: rules, clock: clock, signal: signal)
            }
            let floor = catalog.newest(of: own)?.name.timestamp.nextTimestamp ?? 0
            let isReplaced = catalog.instances.contains(own)
            let stored = isReplaced ? try await replace(from: floor, environment, progress) : nil
            let wait = fence.limits.recent + sweeper.firstInterval
            let record = SyncRecord(lastSync: began, sweepAfter: RejoinFence.time(began, after: wait))
            try await pool.run { _ in _ = try record.write(to: environment) }
            return .rebuilt(Report(snapshots: sources, entries: entries, stored: stored))
        }
        throw NothingToRebuildFrom()
    }

    private func rules(at began: UInt64, _ limits: RejoinFence.Limits) -> Rebuild.Rules {
        func since(_ age: Duration) -> UInt64 {
            let age = age / .nanoseconds(1)
            return age < Double(began) ? began - UInt64(age) : 0
        }
        return Rebuild.Rules(
            // Deletions of younger entries are in the snapshots.
            keptSince: since(sweeper.retention * 19 / 20),
            deletionsKeptSince: since(limits.absence + limits.recent), creationFlags: settings.creationFlags,
            paddingBlock: settings.paddingBlock, lockDuration: sweeper.lockDuration,
            releaseDuration: sweeper.releaseDuration, schema: settings.schema)
    }

    private func list() async throws -> (Catalog, began: UInt64) {
        let begin = clock.wall()
        let database = settings.identity.database
        let blobs = try await store.list(prefix: SnapshotName.prefix(database: database))
        // A wrong time must neither be recorded nor affect decisions about entries.
        let time = store.storageTime(begin)
        let skew = RejoinFence.Limits(retention: sweeper.retention).skew
        if RejoinFence.lies(begin, before: time, by: skew) { throw ClocksDisagree(own: begin, storage: time) }
        let began = min(time, RejoinFence.time(begin, after: settings.clockSkewTolerance))
        return (Catalog(blobs, database: database, now: max(began, clock.wall())), began)
    }

    /// - Returns: nil if a newer snapshot has replaced one of them.
    private func download(
        _ names: [SnapshotName], _ progress: @Sendable (String) -> Void
    ) async throws -> [(name: SnapshotName, body: Spool)]? {
        var snapshots: [(name: SnapshotName, body: Spool)] = []
        for name in names {
            progress("downloading \(name)")
            do {
                snapshots.append((name, try await store.loadListed(name.description)))
            } catch let error as BlobStoreError where error.kind == .notFound {
                return nil
            }
        }
        return snapshots
    }

    /// Replaces our own earlier snapshot, if there is one, by one of the current contents.
    ///
    /// An instance without any, such as a receiver, needs none: no other instance could load it.
    ///
    /// - Parameter floor: the lowest timestamp that sorts after the earlier snapshots.
    private func replace(
        from floor: UInt64, _ environment: Environment, _ progress: @Sendable (String) -> Void
    ) async throws -> SnapshotName? {
        let (identity, clock, staging) = (settings.identity, clock, store.stagingDirectory)
        let schema = settings.schema
        let (found, _) = try await pool.run { signal in
            try FullScan.run(
                environment, identity: identity, schema: schema, stagingDirectory: staging, signal: signal
            ) {
                max(clock.wall(), floor)
            }
        }
        guard let snapshot = found else { return nil }
        progress("storing \(snapshot.name)")
        try await store.store(snapshot.name.description, snapshot.body)
        return snapshot.name
    }
}

/// The clock of this host is far behind the storage's.
package struct ClocksDisagree: Error, CustomStringConvertible {
    /// This host's time, in nanoseconds since the UNIX epoch.
    package var own: UInt64
    /// The storage's time, in nanoseconds since the UNIX epoch.
    package var storage: UInt64

    /// One line: the problem and the remedy.
    package var description: String {
        "this host's clock shows \(SnapshotTimestamp.text(own)), but the storage's \(SnapshotTimestamp.text(storage)): "
            + "correct the wrong one, then try again"
    }
}

/// The storage holds no usable snapshot of another instance.
package struct NothingToRebuildFrom: HintedError {
    /// One line: the problem.
    package var description: String {
        "the storage contains no recent snapshot of another instance to rebuild from"
    }
    /// See ``HintedError/hint``.
    package var hint: SyncHint? { .otherInstance }
}

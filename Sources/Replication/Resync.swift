import BlobStorage
import LMDB
import Snapshots
import Support

/// Lifts the fence of one database (``StaleFence``) by rebuilding it from the snapshots of the others.
///
/// It works beside an application and a syncer in other processes. The order is what makes it safe: the own snapshot
/// of before is replaced before the database counts as in sync, which is the last thing to happen.
package struct Resync: Sendable {
    /// What happened.
    package enum Outcome: Sendable {
        /// Nothing, because the database may send; when it was last in sync, if that is recorded.
        case notNeeded(lastSync: UInt64?)
        /// It was rebuilt.
        case rebuilt(Report)
    }

    /// What was done.
    package struct Report: Sendable {
        /// The snapshots that the database was rebuilt from.
        package var snapshots: [SnapshotName]
        /// Merged and removed entries.
        package var entries: Rebuild.Report
        /// The snapshot that replaces the own one of before; nil where there was none.
        package var stored: SnapshotName?
    }

    private let settings: SyncSettings
    private let sweeper: SweeperMachine.Settings
    private let store: any BlobStore
    private let wallClock: WallClock
    private let opened: Environment?
    private let pool: BlockingPool

    /// - Parameters:
    ///   - settings: as for syncing.
    ///   - sweeper: the settings of the sweeper, without which nothing is ever fenced.
    ///   - environment: the LMDB, where this process has it open already.
    package init(
        settings: SyncSettings, sweeper: SweeperMachine.Settings, store: any BlobStore,
        wallClock: @escaping WallClock = systemWallClock, environment: Environment? = nil
    ) {
        self.settings = settings
        self.sweeper = sweeper
        self.store = store
        self.wallClock = wallClock
        opened = environment
        pool = BlockingPool(label: "resync-\(settings.identity.database)", width: 1)
    }

    /// How often the storage is listed anew because snapshots have been replaced meanwhile.
    private static let mostListings = 5

    /// Rebuilds the database if that is needed.
    ///
    /// - Parameter progress: is told what is being done.
    package func run(progress: @escaping @Sendable (String) -> Void = { _ in }) async throws -> Outcome {
        let options = settings.environment
        let environment = if let opened { opened } else { try await pool.run { _ in try Environment(options) } }
        guard let lastSync = try await pool.run({ _ in try SyncRecord.read(environment) }).lastSync else {
            return .notNeeded(lastSync: nil)
        }
        for _ in 0..<Self.mostListings {
            var fence = StaleFence(
                own: settings.machine.instance, retention: sweeper.retention, pollInterval: .zero,
                record: SyncRecord(lastSync: lastSync))
            let (catalog, began) = try await list()
            let loadable = Set(fence.listed(catalog.names, began: began, at: .zero))
            guard fence.reason != nil else { return .notNeeded(lastSync: lastSync) }
            let own = settings.machine.instance
            // What lies in the far future holds something, too.
            let sources = catalog.groups.filter { $0.key.instance != own }.values
                .compactMap { $0.last { loadable.contains($0.name) }?.name }.sorted()
            guard !sources.isEmpty else { throw NothingToRebuildFrom() }
            guard let snapshots = try await download(sources, progress) else { continue }
            progress("rebuilding")
            let rules = rules(at: began, fence.limits)
            let clock = wallClock
            let entries = try await pool.run { signal in
                try Rebuild.run(environment, from: snapshots, rules: rules, clock: clock, signal: signal)
            }
            let floor = catalog.newest(of: own)?.name.timestamp.nextTimestamp ?? 0
            let isReplaced = catalog.instances.contains(own)
            let stored = isReplaced ? try await replace(from: floor, environment, progress) : nil
            let wait = fence.limits.recent + sweeper.firstInterval
            let record = SyncRecord(lastSync: began, sweepAfter: StaleFence.time(began, after: wait))
            try await pool.run { _ in _ = try record.write(to: environment) }
            return .rebuilt(Report(snapshots: sources, entries: entries, stored: stored))
        }
        throw NothingToRebuildFrom()
    }

    private func rules(at began: UInt64, _ limits: StaleFence.Limits) -> Rebuild.Rules {
        func since(_ age: Duration) -> UInt64 {
            let age = age / .nanoseconds(1)
            return age < Double(began) ? began - UInt64(age) : 0
        }
        return Rebuild.Rules(
            // What is younger has its deletion, if there is one, in the snapshots.
            keptSince: since(sweeper.retention * 19 / 20),
            deletionsKeptSince: since(limits.absence + limits.recent), creationFlags: settings.creationFlags,
            paddingBlock: settings.paddingBlock, lockDuration: sweeper.lockDuration,
            releaseDuration: sweeper.releaseDuration, schema: settings.schema)
    }

    private func list() async throws -> (Catalog, began: UInt64) {
        let begin = wallClock()
        let database = settings.identity.database
        let blobs = try await store.list(prefix: SnapshotName.prefix(database: database))
        // A wrong time must not be recorded, nor decide about entries.
        let time = store.storageTime(begin)
        let skew = StaleFence.Limits(retention: sweeper.retention).skew
        if StaleFence.lies(begin, before: time, by: skew) { throw ClocksDisagree(own: begin, storage: time) }
        let began = min(time, StaleFence.time(begin, after: settings.clockSkewTolerance))
        return (Catalog(blobs, database: database, now: max(began, wallClock())), began)
    }

    /// - Returns: nil when one of them has been replaced by a newer one.
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

    /// Stores a snapshot of what is here now, where there is an older one.
    ///
    /// An instance that has none, such as a receiver, needs none: there is nothing of it that others could load.
    ///
    /// - Parameter floor: the lowest timestamp that sorts behind those before.
    private func replace(
        from floor: UInt64, _ environment: Environment, _ progress: @Sendable (String) -> Void
    ) async throws -> SnapshotName? {
        let (identity, clock, staging) = (settings.identity, wallClock, store.stagingDirectory)
        let schema = settings.schema
        let (found, _) = try await pool.run { signal in
            try FullScan.run(
                environment, identity: identity, schema: schema, stagingDirectory: staging, signal: signal
            ) {
                max(clock(), floor)
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
    /// What time it is, in nanoseconds since the UNIX epoch.
    package var own: UInt64
    /// What time the storage says that it is.
    package var storage: UInt64

    /// One line that says what to do.
    package var description: String {
        "it is \(SnapshotTimestamp.text(own)) by the clock of this host, but \(SnapshotTimestamp.text(storage)) by the "
            + "storage's: set right the one that is wrong, then try again"
    }
}

/// There is no snapshot of another instance that could be used.
package struct NothingToRebuildFrom: Error, CustomStringConvertible {
    /// One line that says what to do.
    package var description: String {
        "the storage holds no recent snapshot of another instance to rebuild from; try again when there is one (if there "
            + "are no other instances any more, start once with sweeper.enabled: false, which forgets the absence)"
    }
}

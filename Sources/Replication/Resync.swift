import BlobStorage
import Bytes
import LMDB
import Snapshots

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

    private let settings: DatabaseSyncer.Settings
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
        settings: DatabaseSyncer.Settings, sweeper: SweeperMachine.Settings, store: any BlobStore,
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
        guard let lastSync = try await pool.run({ _ in try SyncRecord.read(environment) }) else {
            return .notNeeded(lastSync: nil)
        }
        for _ in 0..<Self.mostListings {
            var fence = StaleFence(
                own: settings.machine.instance, retention: sweeper.retention, pollInterval: .zero, lastSync: lastSync)
            let (names, began) = try await list()
            let loadable = fence.listed(names, began: began, at: .zero)
            guard fence.reason != nil else { return .notNeeded(lastSync: lastSync) }
            let sources = Self.newest(loadable.filter { $0.instance != settings.machine.instance })
            guard !sources.isEmpty else { throw NothingToRebuildFrom() }
            guard let snapshots = try await download(sources, progress) else { continue }
            progress("rebuilding")
            let rules = rules(at: began, fence.limits)
            let clock = wallClock
            let entries = try await pool.run { signal in
                try Rebuild.run(environment, from: snapshots, rules: rules, clock: clock, signal: signal)
            }
            let own = names.filter { $0.instance == settings.machine.instance }.max()
            let stored = try await replace(own, environment, progress)
            try await pool.run { _ in _ = try SyncRecord.write(began, to: environment) }
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

    private func list() async throws -> (names: [SnapshotName], began: UInt64) {
        let begin = wallClock()
        let database = settings.identity.database
        let names = try await store.list(prefix: SnapshotName.prefix(database: database))
            .compactMap { SnapshotName($0.name) }
            .filter { $0.database == database && $0.isFullSnapshot }
        return (names, store.storageTime(begin))
    }

    private static func newest(_ names: [SnapshotName]) -> [SnapshotName] {
        Dictionary(grouping: names, by: \.instance).values.compactMap { $0.max() }.sorted()
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
    private func replace(
        _ own: SnapshotName?, _ environment: Environment, _ progress: @Sendable (String) -> Void
    ) async throws -> SnapshotName? {
        guard let own else { return nil }
        let (identity, clock, staging) = (settings.identity, wallClock, store.stagingDirectory)
        let schema = settings.schema
        let (found, _) = try await pool.run { signal in
            try FullScan.run(
                environment, identity: identity, schema: schema, stagingDirectory: staging, signal: signal
            ) {
                max(clock(), own.timestamp &+ 1)
            }
        }
        guard let snapshot = found else { return nil }
        progress("storing \(snapshot.name)")
        try await store.store(snapshot.name.description, snapshot.body)
        return snapshot.name
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

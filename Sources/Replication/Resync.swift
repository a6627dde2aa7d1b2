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
        /// The positions that the database was rebuilt from: those of full snapshots, and those at the end of deltas.
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
            _ = fence.listed(catalog.names, deltas: catalog.deltas.map(\.name), began: began, at: .zero)
            for end in try await ends(in: catalog) { fence.reached(end) }
            guard fence.reason != nil else { return .notNeeded(lastSync: lastSync) }
            let sources = sources(in: catalog) { [fence] in !fence.outdated.contains($0) }
            guard !sources.isEmpty else { throw NothingToRebuildFrom() }
            guard let snapshots = try await download(sources, progress) else { continue }
            progress("rebuilding")
            let rules = rules(at: began, fence.limits)
            let clock = clock
            let entries = try await pool.run { signal in
                // What was merged may be removed.
                try RecordedPositions.forget(environment)
                return try Rebuild.run(environment, from: snapshots, rules: rules, clock: clock, signal: signal)
            }
            let own = settings.machine.instance
            let floor = try await ownPosition(in: catalog).nextTimestamp
            let isReplaced = catalog.instances.contains(own)
            let merged = settings.machine.deltas == nil ? nil : merged(snapshots, catalog.horizon)
            let stored = isReplaced ? try await replace(from: floor, merged, environment, progress) : nil
            let wait = fence.limits.recent + sweeper.firstInterval
            let record = SyncRecord(lastSync: began, sweepAfter: RejoinFence.time(began, after: wait))
            try await pool.run { _ in _ = try record.write(to: environment) }
            return .rebuilt(Report(snapshots: positions(of: snapshots), entries: entries, stored: stored))
        }
        throw NothingToRebuildFrom()
    }

    /// The positions at which the last deltas of all instances end. What cannot be read ends nowhere.
    private func ends(in catalog: Catalog) async throws -> [SnapshotName] {
        let ends = try await StoredDelta.ends(of: catalog.lastDeltas.values.map(\.name), store)
        return ends.compactMap { name, end in
            guard case .success(let end) = end, !catalog.horizon.isFarAhead(name.at(end)) else { return nil }
            return name.at(end)
        }
    }

    /// The newest loadable full snapshot of each other instance, with the deltas that continue it.
    private func sources(in catalog: Catalog, isLoadable: (SnapshotName) -> Bool) -> [SnapshotName] {
        let own = settings.machine.instance
        // Snapshots in the far future have contents, too.
        let newest = catalog.groups.filter { $0.key.instance != own }
            .compactMapValues { $0.last { isLoadable($0.name) }?.name }
        let deltas = catalog.deltas.map(\.name).filter { delta in
            guard delta.instance != own, isLoadable(delta) else { return false }
            let full = newest[.init(instance: delta.instance, isFarAhead: false)]
            return full.map { delta.timestamp >= $0.timestamp } ?? true
        }
        return (newest.values + deltas).sorted()
    }

    private func positions(of snapshots: [(name: SnapshotName, body: Spool)]) -> [SnapshotName] {
        snapshots.map { name, body in
            guard name.isDelta, let meta = try? SnapshotMeta.read(body) else { return name }
            return name.at(meta.timestamp)
        }
    }

    /// The positions of others up to which everything is merged: without a gap from a full snapshot on.
    private func merged(
        _ snapshots: [(name: SnapshotName, body: Spool)], _ horizon: SnapshotHorizon
    ) -> [String: UInt64] {
        var merged: [String: UInt64] = [:]
        for (name, _) in snapshots where !name.isDelta && !horizon.isFarAhead(name) {
            merged[name.instance] = name.timestamp
        }
        // They are sorted by the position at which they begin.
        for (name, body) in snapshots where name.isDelta {
            guard let position = merged[name.instance], name.timestamp <= position,
                let end = try? SnapshotMeta.read(body).timestamp, !horizon.isFarAhead(name.at(end))
            else { continue }
            merged[name.instance] = max(position, end)
        }
        return merged
    }

    /// The greatest position under our own name; 0 if there is none.
    private func ownPosition(in catalog: Catalog) async throws -> UInt64 {
        let own = settings.machine.instance
        let full = catalog.newest(of: own)?.name.timestamp ?? 0
        guard let newest = catalog.deltas(of: own).last?.name else { return full }
        // What cannot be read ends nowhere.
        let body = try? await store.loadListed(newest.description)
        let end = body.flatMap { try? SnapshotMeta.read($0).timestamp } ?? 0
        return max(full, newest.timestamp, end)
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
    /// - Parameters:
    ///   - floor: the lowest timestamp that sorts after the earlier snapshots.
    ///   - positions: what is merged of others; nil if deltas are not read.
    private func replace(
        from floor: UInt64, _ positions: [String: UInt64]?, _ environment: Environment,
        _ progress: @Sendable (String) -> Void
    ) async throws -> SnapshotName? {
        let (identity, clock, staging) = (settings.identity, clock, store.stagingDirectory)
        let schema = settings.schema
        let (found, _) = try await pool.run { signal in
            try FullScan.run(
                environment, identity: identity, schema: schema, positions: positions, stagingDirectory: staging,
                signal: signal
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

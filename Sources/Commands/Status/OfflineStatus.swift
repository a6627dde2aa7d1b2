import BlobStorage
import Config
import Daemon
import LMDB
import Logging
import Monitoring
import Replication
import Snapshots
import Support

/// A report without a daemon: from the storage with its state objects, and the LMDBs.
struct OfflineStatus {
    /// A daemon writes its state at least every 5 minutes; one that is older by as much again is not from a
    /// running daemon.
    static let oldState: UInt64 = 600 * 1_000_000_000

    private let sources: StatusSources
    /// The time of the report, in nanoseconds since the UNIX epoch.
    private let now: UInt64
    private var report = StatusReport()

    init(_ sources: StatusSources) {
        self.sources = sources
        now = sources.now
        report.software = "lightningstream \(programVersion)"
        report.instance = sources.configuration.instance
        report.hostname = sources.hostname
        report.time = WallTime(nanosecondsSinceEpoch: now).rfc3339(digits: 3)
    }

    /// Collects all data. Failures become failed health checks.
    consuming func report() async -> StatusReport {
        let store: (any BlobStore)?
        do {
            store = try await sources.openStorage()
        } catch {
            store = nil
            report.health.failures["storage"] = "\(error)"
        }
        for database in sources.configuration.databases {
            var facts = StatusReport.Database()
            facts.name = database.name
            facts.path = database.path
            await readLMDB(database, &facts)
            if let store { await readStorage(store, database, &facts) }
            report.databases.append(facts)
        }
        let health = report.health
        report.health.status = !health.failures.isEmpty ? "Unavailable" : !health.warnings.isEmpty ? "Warning" : "OK"
        return report
    }

    private mutating func readLMDB(_ database: DatabaseConfiguration, _ facts: inout StatusReport.Database) async {
        do {
            facts.lmdb = try await BlockingPool(label: "status", width: 1).run { _ in
                try StatusReport.LMDBFacts(LocalDatabase(database).open())
            }
        } catch {
            report.health.failures["\(database.name)_lmdb"] = "\(error)"
        }
    }

    private mutating func readStorage(
        _ store: any BlobStore, _ database: DatabaseConfiguration, _ facts: inout StatusReport.Database
    ) async {
        let states: [String: InstanceState]
        let catalog: Catalog
        let positions: [String: Catalog.Snapshot]
        do {
            let blobs = try await store.list(prefix: SnapshotName.prefix(database: facts.name))
            let time = store.storageTime(now)
            catalog = Catalog(blobs, database: facts.name, now: max(time, now), time: time)
            states = try await StateObjects(store, database: facts.name)
                .load(StateObjects.names(in: catalog.states, database: facts.name))
            positions = try await catalog.positions(store)
        } catch {
            report.health.failures["\(facts.name)_storage_list"] = "\(error)"
            return
        }
        var storage = StatusReport.StorageFacts()
        storage.snapshots = catalog.snapshots.count
        storage.deltas = catalog.deltas.count
        storage.bytes = (catalog.snapshots.map(\.size) + catalog.deltas.map(\.size)).saturatedSum()
        storage.listed = report.time
        facts.storage = storage
        let own = sources.instance
        let stateTimes = catalog.stateTimes
        facts.sent = positions[own].flatMap { position in
            catalog.horizon.isFarAhead(position.name) ? nil : StatusReport.Snapshot(position.name, size: position.size)
        }
        for name in Set(positions.keys).union(states.keys).sorted() {
            var instance = self.instance(name, of: facts.name, positions[name], states)
            if name != own, let time = stateTimes[name] {
                instance.lastHeard = WallTime(nanosecondsSinceEpoch: time).rfc3339(digits: 3)
                if states[name]?.isSilent(stateTime: time, at: catalog.time) == true {
                    instance.health = InstanceState.silent
                }
            }
            facts.instances.append(instance)
        }
        judge(states[own], facts.name, DaemonLock.look(dataFile: LMDB.EnvironmentOptions(database).dataFile))
    }

    private func instance(
        _ name: String, of database: String, _ newest: Catalog.Snapshot?, _ states: [String: InstanceState]
    ) -> StatusReport.Instance {
        var instance = StatusReport.Instance()
        let own = sources.instance
        instance.name = name
        instance.isOwn = name == own
        instance.newest = newest.map { StatusReport.Snapshot($0.name, size: $0.size) }
        instance.health = states[name]?.knownHealth
        instance.sealedWith = states[name]?.knownKeyID
        guard name != own else { return instance }
        instance.mergedOfOurs = states[name]?.merged(of: own, database: database)?.description
        if let state = states[own] {
            let merged = state.merged(of: name, database: database)
            instance.merged = merged.map { StatusReport.Snapshot($0, size: nil) }
            instance.lag = newest.map { newest in
                if let merged, merged >= newest.name { return 0 }
                return Double(now.elapsed(since: newest.name.timestamp)) / 1e9
            }
        }
        return instance
    }

    /// Judges a daemon that cannot be queried by its state object.
    private mutating func judge(_ state: InstanceState?, _ database: String, _ lock: DaemonLock.Standing) {
        // State objects of single runs do not indicate a daemon.
        if lock == .free, state?.interval != 0 {
            report.health.failures["\(database)_daemon"] =
                "no daemon is running: no process holds the lock of the LMDB"
                + (state.map { " (last heard at \($0.time))" } ?? "")
            return
        }
        guard let state else {
            report.health.warnings["\(database)_daemon"] =
                "there is no state object of this instance, so its merged snapshots are unknown (publish_state is off, "
                + "it only receives, or it never ran)"
            return
        }
        if state.health == InstanceState.stopped {
            report.health.failures["\(database)_daemon"] = "the daemon was stopped at \(state.time)"
        } else if let time = WallTime(rfc3339: state.time), now.elapsed(since: UInt64(time)) > Self.oldState {
            report.health.warnings["\(database)_daemon"] =
                "the last state object of this instance is of \(state.time): no daemon seems to be running"
        } else if state.health == "Unavailable" {
            report.health.failures["\(database)_daemon"] = "its state object of \(state.time) says \(state.health)"
        } else if state.health != "OK" {
            report.health.warnings["\(database)_daemon"] = "its state object of \(state.time) says \(state.health)"
        }
    }
}

extension Logger {
    /// For work whose errors are reported in another way.
    static let silent = Logger(label: "silent") { _ in SwiftLogNoOpLogHandler() }
}

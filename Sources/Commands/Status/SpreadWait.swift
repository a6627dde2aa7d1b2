import BlobStorage
import Config
import Daemon
import Monitoring
import Replication
import Snapshots
import Synchronization

/// Waits until all publishing instances have merged the newest snapshot of every database.
final class SpreadWait: Sendable {
    /// The default limit.
    static let usualLimit = Duration.seconds(30)
    /// The interval between checks.
    private static let interval = Duration.milliseconds(500)
    /// The minimum time for the first check, however short the limit is.
    private static let firstPoll = Duration.seconds(10)

    private struct Findings {
        var isEmpty: Bool { spreads.isEmpty && problem == nil }
        var spreads: [Spread] = []
        /// The databases with unsent local changes.
        var unsent: [Unsent] = []
        var problem: String?
    }

    /// A database with unsent changes.
    struct Unsent: Equatable {
        var database: String
        /// The reason, if the daemon knows it.
        var reason: String?
    }

    private struct Unanswered: Error { var failure: CommandFailure }

    private let sources: StatusSources
    private let except: Set<String>
    private let sleep: @Sendable (Duration) async throws -> Void
    private let findings = Mutex(Findings())

    /// - Parameters:
    ///   - except: names of instances that are not waited for.
    ///   - sleep: sleeps for a duration.
    init(
        _ sources: StatusSources, except: [String] = [], sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        self.sources = sources
        self.sleep = sleep
        self.except = Set(except.map(SnapshotName.sanitize(instance:)))
    }

    /// The last results, by database.
    var spreads: [Spread] { findings.withLock(\.spreads) }

    /// Checks at least once, unless the storage takes more than ten seconds for that.
    ///
    /// - Returns: false if the time expired before all instances had it.
    /// - Throws: ``CommandFault`` if waiting is useless.
    func run(within limit: Duration) async throws -> Bool {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask { try await self.poll() }
            group.addTask {
                try await self.sleep(limit)
                let end = ContinuousClock.now + Self.firstPoll - limit
                while self.findings.withLock(\.isEmpty), .now < end { try await Task.sleep(for: .milliseconds(20)) }
                return false
            }
            defer { group.cancelAll() }
            return try await group.next() ?? false
        }
    }

    /// One line about the missing instances.
    func complaint(after limit: Duration) -> String {
        let found = findings.withLock(\.self)
        return Self.complaint(after: limit, spreads: found.spreads, unsent: found.unsent, problem: found.problem)
    }

    static func complaint(after limit: Duration, spreads: [Spread], unsent: [Unsent], problem: String?) -> String {
        var texts = spreads.filter { !$0.isComplete }.map { spread in
            guard spread.newest != nil else {
                return "database \(spread.database): there is no snapshot of this instance in the storage"
            }
            return "database \(spread.database): \(spread.missing.map(\.instance).joined(separator: ", ")) "
                + "\(spread.missing.count == 1 ? "has" : "have") not merged our newest snapshot"
        }
        texts += unsent.map { unsent in
            "database \(unsent.database): this instance has not sent its newest changes"
                + (unsent.reason.map { ": \($0)" } ?? "")
        }
        if let problem { texts.append(problem) }
        if texts.isEmpty { texts.append("the storage did not answer") }
        return "timeout: not done after \(DurationText.format(limit)): " + texts.joined(separator: "; ")
    }

    private func poll() async throws -> Bool {
        var store: (any BlobStore)?
        while true {
            do {
                let open: any BlobStore
                if let store { open = store } else { open = try await sources.openStorage() }
                store = open
                let (unsent, empty) = try await localState()
                var spreads: [Spread] = []
                for database in sources.configuration.databases {
                    spreads.append(try await spread(database.name, hasNothing: empty.contains(database.name), in: open))
                }
                let found = Findings(spreads: spreads, unsent: unsent, problem: nil)
                findings.withLock { $0 = found }
                if unsent.isEmpty && spreads.allSatisfy(\.isComplete) { return true }
            } catch let error as BlobStoreError {
                findings.withLock { $0.problem = error.description }
            } catch let error as Unanswered {
                findings.withLock { $0.problem = error.failure.description }
            }
            try await sleep(Self.interval)
        }
    }

    /// The databases with unsent changes in the daemon, and the empty ones. Unknown without a
    /// daemon.
    private func localState() async throws -> (unsent: [Unsent], empty: Set<String>) {
        guard let daemon = sources.daemon else { return ([], []) }
        let report: StatusReport
        do {
            report = try await daemon.report()
        } catch let failure as CommandFailure {
            // A daemon that is being restarted answers soon.
            throw Unanswered(failure: failure)
        }
        if report.mode == .receive {
            throw CommandFault.onlyReceives
        }
        if let fenced = report.databases.first(where: { $0.fence != nil }) {
            throw CommandFault.sendsNothing(database: fenced.name, fenced.fence ?? "")
        }
        let empty = report.databases.filter { $0.unsent == false && $0.sent == nil }
        let unsent = report.databases.filter { $0.unsent ?? true }.map { database in
            Unsent(database: database.name, reason: Self.reason(database, report.health))
        }
        return (unsent, Set(empty.map(\.name)))
    }

    static func reason(_ database: StatusReport.Database, _ health: StatusReport.Health) -> String? {
        if let reason = database.unsentReason ?? database.blocked { return reason }
        let checks = health.warnings.merging(health.failures) { _, failure in failure }
        for check in ["storage_store_failed_duration", "storage_list_failed_duration", "storage_load_failed_duration"] {
            if let text = checks["\(database.name)_\(check)"] { return text }
        }
        return database.startupComplete == false ? "it is still starting" : nil
    }

    private func spread(
        _ database: String, hasNothing: Bool, in store: any BlobStore
    ) async throws -> Spread {
        let blobs = try await store.list(prefix: SnapshotName.prefix(database: database))
        let own = sources.instance
        let now = store.storageTime(sources.now)
        let catalog = Catalog(blobs, database: database, now: max(now, sources.now), time: now)
        let (states, senseless) = try await StateObjects(store, database: database).loadAll(
            in: catalog.states, except: own)
        let position = try await catalog.positions(of: [own], store)[own]?.name
        return Spread(
            database: database, own: own, newest: position.flatMap { catalog.horizon.isFarAhead($0) ? nil : $0 },
            hasNothing: hasNothing,
            instances: Set(catalog.groups.keys.filter { !$0.isFarAhead }.map(\.instance)), states: states,
            senseless: senseless, listed: Set(catalog.snapshots(of: own).map(\.name)), stateTimes: catalog.stateTimes,
            now: now,
            except: except)
    }
}

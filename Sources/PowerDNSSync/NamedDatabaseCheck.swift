import LMDB
import Logging
import PowerDNSFormat
import Replication
import Snapshots
import Support

/// Checks that the databases configured for PowerDNS are PowerDNS's, and warns otherwise.
package final class NamedDatabaseCheck: SyncObserver {
    private let names: [(role: PowerDNSRole, name: String)]
    private let logger: Logger
    private let opened: AsyncStream<(String, Environment)>
    private let queue: AsyncStream<(String, Environment)>.Continuation

    /// - Parameter settings: the configured names.
    package init(_ settings: InspectorSettings, logger: Logger) {
        names = [(PowerDNSRole.main, settings.main), (.shard, settings.shard)].compactMap { role, name in
            name.map { (role, $0) }
        }
        self.logger = logger
        (opened, queue) = AsyncStream.makeStream()
    }

    /// A database may have been opened. Returns at once.
    package func observe(_ event: SyncEvent, of database: String) {
        guard case .opened(let environment) = event, names.contains(where: { $0.name == database }) else { return }
        queue.yield((database, environment))
    }

    /// Checks databases as they are opened, while `body` runs. Must be called once.
    package func run(while body: @Sendable () async throws -> Void) async throws {
        try await runBeside({ await self.checkAll() }, finish: { queue.finish() }, while: body).get()
    }

    private func checkAll() async {
        let pool = BlockingPool(label: "named-databases", width: 1)
        for await (database, environment) in opened {
            let databases = try? await pool.run { _ in
                try environment.read { try $0.databases().map(\.name).filter { !PrivateDatabases.contains($0) } }
            }
            // An empty database may become anything.
            guard let databases, !databases.isEmpty else { continue }
            for (role, name) in names where name == database {
                let wanted = role == .main ? PowerDNSTable.settings : .records
                guard !databases.contains(wanted.rawValue) else { continue }
                let other: PowerDNSRole = role == .main ? .shard : .main
                let hint =
                    databases.contains((role == .main ? PowerDNSTable.records : .settings).rawValue)
                    ? "; it looks like powerdns.\(other.rawValue)" : ""
                logger.warning(
                    "powerdns.\(role.rawValue) names this database, but it has no DBI \(wanted.rawValue)\(hint)",
                    metadata: ["db": "\(database)"])
            }
        }
    }
}

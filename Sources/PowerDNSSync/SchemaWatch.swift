import LMDB
import Logging
import PowerDNSDatabase
import PowerDNSFormat
import Replication
import Snapshots
import Support
import Synchronization

/// Checks whether the configuration can sync PowerDNS's data completely, and warns otherwise.
package final class SchemaWatch: SyncObserver {
    private let shadowed: Set<String>
    private let databases: Int
    private let warn: @Sendable (_ check: String, _ text: String?) -> Void
    private let logger: Logger
    private let open = Mutex<[String: Environment]>([:])
    private let problems = Mutex<[String: String]>([:])
    private let due: AsyncStream<String>
    private let queue: AsyncStream<String>.Continuation

    /// - Parameters:
    ///   - shadowed: the databases in shadow mode.
    ///   - databases: the number of synced databases.
    ///   - warn: called with the name of a health check and one line, or nil if there is no problem.
    package init(
        shadowed: Set<String>, databases: Int, logger: Logger,
        warn: @escaping @Sendable (_ check: String, _ text: String?) -> Void
    ) {
        (self.shadowed, self.databases, self.logger, self.warn) = (shadowed, databases, logger, warn)
        (due, queue) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(16))
    }

    /// A database may have been opened or changed. Returns at once.
    package func observe(_ event: SyncEvent, of database: String) {
        switch event {
        case .opened(let environment):
            open.withLock { $0[database] = environment }
            queue.yield(database)
        case .stored: queue.yield(database)
        case .merged(let report): if report.transaction != nil { queue.yield(database) }
        case .ended: open.withLock { $0[database] = nil }
        case .listStarted, .listed, .listFailed, .downloadStarted, .downloaded, .downloadVanished, .downloadFailed,
            .downloadsWaiting, .mergesWaiting, .mergeStarted, .progressed, .mergeFailed, .refused, .storing,
            .compared, .hinted, .hintMerged, .hearing, .proved, .pinned, .sendFailed, .sendingGivenUp, .settled, .swept,
            .fenced, .sendBlocked,
            .notInSync, .started, .namesake,
            .clockSkew, .ownClock, .cleanerListed, .cleanerListFailed, .cleanerDeleted, .cleanerDeleteFailed:
            break
        }
    }

    /// Checks while `body` runs. Must be called once.
    package func run(while body: @Sendable () async throws -> Void) async throws {
        try await runBeside({ await self.checkAll() }, finish: { queue.finish() }, while: body).get()
    }

    private func checkAll() async {
        let pool = BlockingPool(label: "powerdns-schema", width: 1)
        for await database in due {
            guard let environment = open.withLock({ $0[database] }) else { continue }
            let isShadowed = shadowed.contains(database)
            do {
                let problem = try await pool.run { [databases] _ in
                    try environment.read { transaction in
                        try Self.problem(transaction, isShadowed: isShadowed, databases: databases)
                    }
                }
                update(problem, database)
            } catch {
                // Syncing reports unreadable data.
                continue
            }
        }
    }

    private func update(_ problem: String?, _ database: String) {
        let before = problems.withLock { problems in
            defer { problems[database] = problem }
            return problems[database]
        }
        guard problem != before else { return }
        warn("\(database)_powerdns", problem)
        if let problem {
            logger.warning("\(problem)", metadata: ["db": "\(database)"])
        } else {
            logger.info("PowerDNS's data can be synced completely now", metadata: ["db": "\(database)"])
        }
    }

    /// The problem; nil if there is none, and for databases that are not PowerDNS's.
    static func problem(
        _ transaction: borrowing ReadTransaction, isShadowed: Bool, databases: Int
    ) throws -> String? {
        guard let settings = try transaction.database(PowerDNSTable.settings.rawValue), settings.sortsBytewise,
            !settings.flags.contains(.duplicateSort)
        else { return nil }
        if let version = try number(PdnsValue.schemaVersionKey, settings, transaction), version.hasHeader == isShadowed
        {
            return isShadowed
                ? "this LMDB is of PowerDNS 4.8 or later (schema \(version.value)), which tracks its changes itself, but "
                    + "schema_tracks_changes is false, so others get values that their PowerDNS cannot read: set it to true"
                : "this LMDB is of a PowerDNS before 4.8 (schema \(version.value)), whose values have no headers, so its "
                    + "changes are not tracked: set schema_tracks_changes: false and dupsort_hack: true, or install 4.8 or "
                    + "later"
        }
        return try shardsProblem(transaction, settings, isShadowed: isShadowed, databases: databases)
    }

    /// A number in PowerDNS's settings, and whether it has a header; nil if there is none.
    ///
    /// - Parameter settings: the DBI `pdns`.
    package static func number(
        _ key: String, _ settings: Database, _ transaction: borrowing ReadTransaction
    ) throws -> (value: UInt32, hasHeader: Bool)? {
        let key = Array(key.utf8)
        guard let value = try key.withUnsafeBytes({ try transaction.get(settings, $0) }) else { return nil }
        // Before 4.8 there was no header, and the number was in native byte order.
        if value.count == 4 { return (value.loadUnaligned(as: UInt32.self), false) }
        guard let entry = try? EntryHeader.parse(value), !entry.header.isDeleted else { return nil }
        let number = key.withUnsafeBytes { try? PdnsValue(key: $0, payload: entry.payload) }
        switch number {
        case .schemaVersion(let version): return (version, true)
        case .shards(let count): return (count, true)
        default: return nil
        }
    }

    /// The problem if records are in files that are not synced: one line; nil if they are all synced.
    ///
    /// - Parameters:
    ///   - settings: the DBI `pdns`.
    ///   - isShadowed: whether the database is in shadow mode.
    ///   - databases: the number of synced databases.
    package static func shardsProblem(
        _ transaction: borrowing ReadTransaction, _ settings: Database, isShadowed: Bool, databases: Int
    ) throws -> String? {
        guard let shards = try number("shards", settings, transaction)?.value else { return nil }
        if shards == 1, databases == 1 {
            return
                "PowerDNS stores its records in a second file, whose name ends with -0, which is not synced: add it under lmdbs"
        }
        guard shards > 1, !isShadowed || databases <= Int(shards) else { return nil }
        return "PowerDNS stores its records in \(shards) files (lmdb-shards=\(shards)), and \(databases) "
            + "\(databases == 1 ? "database is" : "databases are") synced: records in other files are not; "
            + (isShadowed
                ? "add them all under lmdbs, or set lmdb-shards=1 and move the zones with pdnsutil b2b-migrate"
                : "set lmdb-shards=1 and lmdb-lightning-stream=yes, and move the zones with pdnsutil b2b-migrate")
    }
}

import Glibc
import LMDB
import Snapshots
import Support

/// Rebuilds a database after too long an absence from the snapshots of the others, like that of a new instance. Entries
/// so young that their deletions cannot be swept yet are kept.
///
/// Every step may be repeated or interrupted.
package struct Rebuild {
    /// Configuration.
    package struct Rules: Sendable {
        /// Older live entries that no other instance has are removed; nanoseconds since the UNIX epoch.
        package var keptSince: UInt64
        /// Older deletions are kept only if others have them; nanoseconds since the UNIX epoch. A deletion stored later
        /// may be swept before it has reached all instances.
        package var deletionsKeptSince: UInt64
        /// Flags for creating missing DBIs, by name, which override those of the snapshot.
        package var creationFlags: [String: DatabaseFlags]
        /// Whether headers get an extension block (`header_extra_padding_block`).
        package var paddingBlock: Bool
        /// The approximate time for which the write lock is held at once for removing.
        package var lockDuration: Duration
        /// The pause before the write lock is taken again.
        package var releaseDuration: Duration
        /// Where the versions are stored.
        package var schema: Schema

        /// See the properties of the same names.
        package init(
            keptSince: UInt64, deletionsKeptSince: UInt64 = 0, creationFlags: [String: DatabaseFlags] = [:],
            paddingBlock: Bool = false,
            lockDuration: Duration = .milliseconds(50), releaseDuration: Duration = .milliseconds(50),
            schema: Schema = .native
        ) {
            self.keptSince = keptSince
            self.deletionsKeptSince = deletionsKeptSince
            self.creationFlags = creationFlags
            self.paddingBlock = paddingBlock
            self.lockDuration = lockDuration
            self.releaseDuration = releaseDuration
            self.schema = schema
        }
    }

    /// The result.
    package struct Report: Sendable, Equatable {
        /// The number of entries merged from the snapshots.
        package var merged = 0
        /// The number of entries removed.
        package var removed = 0
    }

    /// Rebuilds the database from the newest snapshots of all others.
    ///
    /// Blocks.
    ///
    /// - Throws: ``RefusedSnapshot`` or `SnapshotError` for a snapshot that cannot be merged: nothing has been removed
    ///   then.
    package static func run(
        _ environment: Environment, from snapshots: [(name: SnapshotName, body: Spool)], rules: Rules,
        clock: SyncClock = SyncClock(), signal: CancellationSignal = CancellationSignal()
    ) throws -> Report {
        // The file is sparse: it only uses space for keys.
        let keys = try KeySet(mapSize: max(environment.info.mapSize, 16 << 30))
        for (name, body) in snapshots {
            do {
                try keys.add(body, signal: signal)
            } catch let error as SnapshotError {
                throw RefusedSnapshot("the snapshot \(name) is unusable: \(error)")
            }
        }
        if rules.schema.hasShadows {
            var capture = Capture(schema: rules.schema, startsWithNow: true)
            try capture.run(
                environment, paddingBlock: rules.paddingBlock, clock: clock.wall, uptime: clock.uptime, signal: signal)
        }
        try forgetDeletions(environment, rules, signal)
        var report = Report()
        for (_, body) in snapshots {
            try signal.check()
            let plan = try MergePlanner.plan(
                body, for: environment, rules: .init(creationFlags: rules.creationFlags, schema: rules.schema)
            ).plan
            report.merged += try Merge.apply(
                plan, to: environment, paddingBlock: rules.paddingBlock, clock: clock.wall, uptime: clock.uptime
            )
            .written
        }
        let (targets, entries) = try missing(in: keys, environment, rules, signal)
        report.removed = try remove(entries, targets, environment, rules, clock, signal)
        return report
    }

    /// Removes old Deleted entries; the merge restores those that others have.
    private static func forgetDeletions(
        _ environment: Environment, _ rules: Rules, _ signal: CancellationSignal
    ) throws {
        var sweep = Sweep(limit: rules.deletionsKeptSince, schema: rules.schema)
        var pace = Pace(rules)
        while !sweep.isComplete {
            let (_, lock) = try sweep.slice(environment, deletionTime: pace.deletionTime, signal: signal)
            if let lock, !sweep.isComplete { pace.rest(after: lock) }
        }
    }

    /// Finds the live entries that are old enough and in none of the snapshots.
    private static func missing(
        in keys: KeySet, _ environment: Environment, _ rules: Rules, _ signal: CancellationSignal
    ) throws -> (targets: [String], entries: Spool) {
        var targets: [String] = []
        var writer = MergePlanWriter()
        try environment.read { local in
            try keys.environment.read { others in
                for database in try local.databases() where !PrivateDatabases.contains(database.name) {
                    // A DBI in no snapshot was never sent: its entries were not deleted elsewhere.
                    guard let known = try others.database(database.name) else { continue }
                    try rules.schema.check(database)
                    guard let versions = try local.database(rules.schema.versions(of: database.name)) else { continue }
                    targets.append(database.name)
                    var lookup = try OrderedLookup(known, others)
                    var cursor = try local.openCursor(versions)
                    var count = 0
                    while try cursor.next() {
                        count += 1
                        if count & 0xffff == 0 { try signal.check() }
                        let version = try Schema.version(at: &cursor)
                        guard !version.isDeleted, version.timestamp < rules.keptSince else { continue }
                        guard try !lookup.find(cursor.key, others) else { continue }
                        let empty = UnsafeRawBufferPointer(start: nil, count: 0)
                        try writer.append(
                            PlannedEntry(
                                target: targets.count - 1,
                                version: .init(timestamp: version.timestamp, isDeleted: false, value: empty),
                                isBehindLast: false, key: cursor.key))
                    }
                }
            }
        }
        return (targets, try writer.finish())
    }

    /// Removes the entries that have not changed since.
    private static func remove(
        _ entries: Spool, _ targets: [String], _ environment: Environment, _ rules: Rules, _ clock: SyncClock,
        _ signal: CancellationSignal
    ) throws -> Int {
        var pace = Pace(rules)
        var reader = MergePlanReader(entries)
        var removed = 0
        guard entries.count > 0 else { return 0 }
        while true {
            try signal.check()
            var times = (locked: clock.uptime(), committing: clock.uptime())
            let (count, isOver) = try environment.write { transaction in
                times.locked = clock.uptime()
                defer { times.committing = clock.uptime() }
                var (tried, removed) = (0, 0)
                while let entry = try reader.next() {
                    tried += 1
                    if try remove(entry, targets, rules, clock.wall(), transaction) { removed += 1 }
                    if tried % 8 == 0 && clock.uptime() - times.locked >= pace.deletionTime {
                        return .commit((removed, false))
                    }
                }
                return .commit((removed, true))
            }
            removed += count
            if isOver { return removed }
            pace.rest(
                after: SweepLock(
                    deleting: times.committing - times.locked, committing: clock.uptime() - times.committing))
        }
    }

    private static func remove(
        _ entry: PlannedEntry, _ targets: [String], _ rules: Rules, _ now: UInt64,
        _ transaction: borrowing WriteTransaction
    ) throws -> Bool {
        guard targets.indices.contains(entry.target) else { return false }
        let name = targets[entry.target]
        guard let database = try transaction.database(rules.schema.versions(of: name)) else { return false }
        if rules.schema.hasShadows {
            var pair = try ShadowPair(
                transaction.database(name), shadow: database, transaction, timestamp: now,
                paddingBlock: rules.paddingBlock)
            return try pair.forget(entry, transaction)
        }
        guard let value = try transaction.get(database, entry.key), let header = try? EntryHeader.parse(value).header,
            !header.isDeleted, header.timestamp == entry.version.timestamp
        else { return false }
        return try transaction.delete(database, entry.key)
    }
}

/// Limits how long the write lock is held, with pauses in between.
private struct Pace {
    private var machine: SweeperMachine
    private let pause: Duration

    init(_ rules: Rebuild.Rules) {
        machine = SweeperMachine(
            settings: .init(
                retention: .zero, firstInterval: .zero, interval: .zero, lockDuration: rules.lockDuration,
                releaseDuration: rules.releaseDuration))
        pause = rules.releaseDuration
    }

    var deletionTime: Duration { machine.deletionTime }

    mutating func rest(after lock: SweepLock) {
        machine.ended(lock, isLast: false, at: .zero)
        usleep(UInt32(clamping: Int64(clamping: Int128(pause / .microseconds(1)))))
    }
}

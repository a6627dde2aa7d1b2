import LMDB
import Logging
import Observability
import PowerDNSDatabase
import PowerDNSSync
import Replication
import Snapshots
import Support

/// The loops over entries that are measured: each pass goes over all entries of a database once.
struct Passes {
    /// What they are called, and what does one pass and returns a count of something, so that no work is left out.
    let all: [(name: String, run: () throws -> Int)]

    /// - Parameter database: what `Benchmarks/generate FILE ENTRIES 1 zones` has made.
    init(over database: String) throws {
        let main = try Self.open(database + ".main")
        let shard = try Self.open(database)
        let empty = try Environment.temporary(mapSize: 1 << 30)
        let snapshot = try Self.scan(shard)
        let (single, several) = (try Self.shadowed(shard, flags: []), try Self.shadowed(shard, flags: .duplicateSort))
        all = [
            ("scan", { try Self.scan(shard).count }),
            ("inflate and parse", { try Self.read(snapshot) }),
            ("plan, nothing new", { try MergePlanner.plan(snapshot, for: shard, rules: .init()).plan.kept }),
            ("plan, all new", { try Self.planWithInspection(snapshot, for: empty) }),
            ("compare shadows", { try Self.compareShadows(single) }),
            ("compare shadows, MDB_DUPSORT", { try Self.compareShadows(several) }),
            ("sweep", { try Self.sweep(shard) }),
            (
                "check",
                {
                    var findings = 0
                    _ = try ZoneChecker.check(.everything, main: main, shard: shard) { _ in findings += 1 }
                    return findings
                }
            ),
        ]
    }

    private static func open(_ path: String) throws -> Environment {
        try Environment(EnvironmentOptions(path: path, noSubdirectory: true, readOnly: true))
    }

    private static func scan(_ environment: Environment) throws -> Spool {
        let identity = SenderIdentity(database: "shard", instance: "a", hostname: "host")
        let (snapshot, _) = try FullScan.run(environment, identity: identity) { 1_790_000_000_000_000_000 }
        return snapshot?.body ?? Spool([])
    }

    private static func read(_ snapshot: Spool) throws -> Int {
        var reader = SnapshotReader(snapshot, maximumEntrySize: 1 << 30)
        var count = 0
        while true {
            switch try reader.next() {
            case .entry: count += 1
            case .databaseBegin, .databaseEnd: break
            case .end: return count
            }
        }
    }

    /// As the merge of all entries into an empty database of PowerDNS, up to the write transaction.
    private static func planWithInspection(_ snapshot: Spool, for environment: Environment) throws -> Int {
        let settings = InspectorSettings()
        let inspector = PowerDNSInspector(
            settings, databases: PowerDNSDatabases(settings), registry: MetricRegistry(),
            logger: Logger(label: "micro") { _ in SwiftLogNoOpLogHandler() })
        let name = SnapshotName(database: "shard", instance: "a", timestamp: 1)
        let inspection = inspector.inspectMerge(of: name, into: "shard")
        return try MergePlanner.plan(snapshot, for: environment, rules: .init(inspection: inspection)).plan.count
    }

    // MARK: Shadows, and the sweeper

    private static let shadowSchema = Schema.shadow(dupSortHack: true)

    /// An LMDB with the values of another one without their headers, and its shadow, which is up to date.
    private static func shadowed(_ source: Environment, flags: DatabaseFlags) throws -> Environment {
        let environment = try Environment.temporary(mapSize: 1 << 30)
        try source.read { from in
            try environment.write { transaction in
                for database in try from.databases() {
                    let copy = try transaction.database(database.name, creating: flags)
                    var cursor = try from.openCursor(database)
                    while try cursor.next() {
                        guard cursor.value.count > EntryHeader.size else { continue }
                        let value = UnsafeRawBufferPointer(rebasing: cursor.value[EntryHeader.size...])
                        // Several values of a key have 511 bytes at most.
                        if flags.isEmpty || value.count < 400 { try transaction.put(copy, cursor.key, value) }
                    }
                }
                return .commit(())
            }
        }
        var capture = Capture(schema: shadowSchema)
        try capture.run(environment, paddingBlock: false) { 1_790_000_000_000_000_000 }
        return environment
    }

    /// As the first capture of a daemon that finds nothing.
    private static func compareShadows(_ environment: Environment) throws -> Int {
        var capture = Capture(schema: shadowSchema)
        return try capture.run(environment, paddingBlock: false) { 0 }.written
    }

    /// Looks at everything, and finds nothing that is old enough.
    private static func sweep(_ environment: Environment) throws -> Int {
        var sweep = Sweep(limit: 0)
        while !sweep.isComplete { _ = try sweep.slice(environment, deletionTime: .zero, scanTime: .seconds(3600)) }
        return sweep.report.entries
    }
}

/// Ends the process with an error, or returns what there is.
func orFail<R>(_ body: () throws -> R) -> R {
    do {
        return try body()
    } catch {
        fatalError("\(error)")
    }
}

/// Calls `run`; `Benchmarks/run-micro` has valgrind count what is in it.
@inline(never)
func counted(_ run: () throws -> Int) -> Int { orFail(run) }

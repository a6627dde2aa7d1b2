import Config
import Daemon
import Glibc
import LMDB
import PowerDNSDatabase
import PowerDNSFormat
import PowerDNSSync
import Replication
import Snapshots
import Support

/// Collects facts about a configured database without affecting its users: it is opened read-only.
struct DatabaseFacts {
    var database: DatabaseConfiguration
    var files: FileFacts
    /// nil if the file is missing or cannot be opened.
    var lmdb: LMDBFacts?
    var readers: ReaderFacts?
    /// Why it cannot be opened.
    var error: String?

    /// - Parameter databases: the number of configured databases.
    init(_ database: DatabaseConfiguration, of databases: Int) {
        self.database = database
        var options = LMDB.EnvironmentOptions(database)
        options.readOnly = true
        options.maximumDatabases = 4096
        // To get the size in the file.
        options.mapSize = 0
        let directory = FileChecks.directory(of: options.dataFile)
        files = FileFacts(
            dataFile: options.dataFile, lockFile: options.lockFile, data: FileStatus.read(options.dataFile),
            lock: FileStatus.read(options.lockFile), directory: FileStatus.read(directory),
            fileSystem: FileSystemKind.read(options.dataFile),
            creates: database.options.create, user: geteuid(), space: FreeSpace.read(directory))
        guard files.data?.isReadable == true else { return }
        do throws(LMDBError) {
            // Before the LMDB is opened, which frees slots of dead processes.
            let table = try ReaderTable.read(options)
            guard !table.isOwnIDTaken else {
                readers = ReaderFacts(table: table, maximumReaders: 0, lastTransactionID: 0, processID: Int(getpid()))
                return
            }
            let environment = try Environment(options)
            let info = environment.info
            readers = ReaderFacts(
                table: table, maximumReaders: info.maximumReaders, lastTransactionID: info.lastTransactionID,
                processID: Int(getpid()),
                programs: Self.programs(table))
            lmdb = try Self.read(environment, database, of: databases)
        } catch {
            self.error = "\(error)"
        }
    }

    private static func read(
        _ environment: Environment, _ database: DatabaseConfiguration, of databases: Int
    ) throws(LMDBError) -> LMDBFacts {
        var names: [String] = []
        var unsuitable: [String] = []
        var schema: UInt32?
        var shards: String?
        do {
            try environment.read { transaction in
                let all = try transaction.databases()
                names = all.map(\.name)
                let rules = Schema(database)
                for dbi in all {
                    guard let problem = try rules.problem(dbi) ?? rules.problem(ofValuesIn: dbi, transaction) else {
                        continue
                    }
                    unsuitable.append(Advice.line(problem))
                }
                guard let pdns = all.first(where: { $0.name == "pdns" }), pdns.sortsBytewise,
                    !pdns.flags.contains(.duplicateSort)
                else { return }
                shards = try SchemaWatch.shardsProblem(
                    transaction, pdns, isShadowed: rules.hasShadows, databases: databases)
                schema = try SchemaWatch.number(PdnsValue.schemaVersionKey, pdns, transaction)?.value
            }
        } catch let error as LMDBError {
            throw error
        } catch {
            throw LMDBError(.other(EIO), "cannot read \(database.path): \(Advice.line(error))")
        }
        let info = environment.info
        return LMDBFacts(
            mapSize: info.mapSize, usedBytes: info.usedBytes, pageSize: info.pageSize, databaseNames: names,
            schemaVersion: schema, configuredMapSize: Int(clamping: database.options.mapSize),
            schemaTracksChanges: database.schemaTracksChanges, unsuitable: unsuitable,
            spread: shards, maximumDatabases: database.options.maxDBs)
    }

    /// The names of the readers' programs, where visible.
    private static func programs(_ table: ReaderTable) -> [Int: String] {
        var programs: [Int: String] = [:]
        for slot in table.slots {
            let here: Int? =
                switch slot.owner {
                case .alive: slot.processID
                case .elsewhere(let here): here
                case .gone: nil
                }
            guard let here, let name = ProcessName.read(here) else { continue }
            programs[here] = name
        }
        return programs
    }

    /// Adds the findings of the checks.
    func check(_ findings: inout Findings) {
        FileChecks.check(files, &findings)
        if let error { findings.add("LMDB", .fail, error, nil) }
        if let lmdb { LMDBChecks.check(lmdb, &findings) }
        if let readers { ReaderChecks.check(readers, &findings) }
    }
}

/// The name of a process.
enum ProcessName {
    /// nil if it has ended.
    static func read(_ processID: Int) -> String? {
        let descriptor = open("/proc/\(processID)/comm", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return nil }
        return String(decoding: bytes[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }
}

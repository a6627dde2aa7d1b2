import BlobStorage
import Config
import Daemon
import Glibc
import LMDB
import PowerDNSDatabase
import PowerDNSFormat
import Replication
import Snapshots
import Support

/// The source of a `pdns` command.
enum PowerDNSSource: Sendable, Equatable {
    /// A snapshot, an LMDB, or the state of an instance.
    enum Part: Sendable, Equatable {
        /// The name of a snapshot in the storage.
        case object(String)
        /// The path of a file.
        case file(String)
        /// The name of an instance: its newest full snapshots in the storage, with the deltas that continue them.
        case instance(String)

        /// A name with a slash is a path: object names never contain one. One that is not a snapshot's is an instance's.
        init(_ word: String) {
            self = word.contains("/") ? .file(word) : SnapshotName(word) != nil ? .object(word) : .instance(word)
        }
    }

    /// The databases under `lmdbs`.
    case configured
    /// One or both of the two LMDBs.
    case parts([Part])

    /// The source from a command line; without words, the configured databases.
    init(_ words: [String]) throws(PowerDNSFault) {
        guard words.count <= 2 else {
            throw .tooManyParts(words.count)
        }
        self = words.isEmpty ? .configured : .parts(words.map { Part($0) })
    }

    /// Whether it can be read without the configuration.
    var isLocal: Bool {
        guard case .parts(let parts) = self else { return false }
        return parts.allSatisfy { if case .file = $0 { true } else { false } }
    }
}

extension CommandContext {
    /// Opens databases for reading and runs `body` with them; the configuration is only loaded if it is needed.
    ///
    /// - Returns: the exit code of `body`.
    func withPowerDNS(
        _ sources: [PowerDNSSource], _ global: GlobalOptions, _ body: ([DatabasePair]) throws -> Int32
    ) throws -> Int32 {
        guard sources.contains(where: { !$0.isLocal }) else {
            Session.startTimeLimit(global.session, in: self)
            return try body(sources.map { try PowerDNSOpening(context: self, session: nil).open($0) })
        }
        return try Session.run(global, in: self) { session in
            try body(sources.map { try PowerDNSOpening(context: self, session: session).open($0) })
        }
    }
}

/// Opens a PowerDNS database for reading.
struct PowerDNSOpening {
    let context: CommandContext
    /// nil if only files are read.
    let session: Session?

    func open(_ source: PowerDNSSource) throws -> DatabasePair {
        var found: [PowerDNSRole: Environment] = [:]
        switch source {
        case .configured: try openConfigured(&found)
        case .parts(let parts):
            for part in parts { try add(part, &found) }
            if let part = parts.first, parts.count == 1, found.count == 1 { try addPartner(of: part, &found) }
        }
        guard let main = found[.main] else { throw PowerDNSFault.noZones }
        return try DatabasePair(main: main, shard: found[.shard])
    }

    // MARK: Configured databases

    private func openConfigured(_ found: inout [PowerDNSRole: Environment]) throws {
        guard let session else { return }
        session.logConfiguration(session.logger())
        var failure: LMDBError?
        var names: [PowerDNSRole: String] = [:]
        var problems: [(database: String, problem: String)] = []
        let configured = session.configuration.powerDNS
        for database in session.configuration.databases.map(LocalDatabase.init) {
            do {
                let environment = try database.open()
                guard let role = try PowerDNSRole.detect(environment) else {
                    if let problem = try PowerDNSRole.schemaProblem(environment) {
                        problems.append((database.name, problem))
                    }
                    continue
                }
                let wanted = role == .main ? configured.main : configured.shard
                guard wanted.isEmpty || wanted == database.name else { continue }
                if let other = names[role] {
                    throw PowerDNSFault.ambiguous(other, database.name, role)
                }
                (names[role], found[role]) = (database.name, environment)
            } catch let error as LMDBError { failure = failure ?? error }
        }
        if found[.main] == nil || found[.shard] == nil, let failure { throw failure }
        guard let main = found[.main] else {
            throw PowerDNSFault.noPowerDNS(
                file: session.options.configurationFile, configured: session.configuration.databases.map(\.name),
                problems: problems)
        }
        let hasZones = try main.read { try ZoneLookup($0).hasZones($0) }
        if found[.shard] == nil, hasZones {
            throw PowerDNSFault.noRecords(file: session.options.configurationFile)
        }
    }

    // MARK: Snapshots and files

    private func add(_ part: PowerDNSSource.Part, _ found: inout [PowerDNSRole: Environment]) throws {
        let environment: Environment
        let name: String
        switch part {
        case .object(let object):
            name = object
            environment = try importSnapshot(name, load(object))
        case .file(let path):
            name = path
            environment = try openFile(path)
        case .instance(let instance): return try addInstance(instance, &found)
        }
        guard let role = try PowerDNSRole.detect(environment) else {
            throw PowerDNSFault.notPowerDNS(name, problem: try PowerDNSRole.schemaProblem(environment))
        }
        guard found[role] == nil else { throw PowerDNSFault.sameContents(name, role) }
        found[role] = environment
    }

    /// Finds the other LMDB's snapshot, or file.
    private func addPartner(of part: PowerDNSSource.Part, _ found: inout [PowerDNSRole: Environment]) throws {
        let candidates: [PowerDNSSource.Part]
        switch part {
        case .object(let object): candidates = try partners(of: object, in: listObjects()).map { .object($0) }
        case .file(let path): candidates = filePartners(of: path)
        case .instance(let name): throw PowerDNSFault.halfInstance(found[.main] == nil ? .main : .shard, of: name)
        }
        for candidate in candidates {
            var more: [PowerDNSRole: Environment] = [:]
            // A bucket may contain databases of several applications.
            do { try add(candidate, &more) } catch is PowerDNSFault where candidates.count > 1 { continue }
            guard let (role, environment) = more.first, found[role] == nil else { continue }
            found[role] = environment
            return
        }
        let role: PowerDNSRole = found[.main] == nil ? .main : .shard
        throw PowerDNSFault.noPartner(role, of: part.name)
    }

    private func partners(of name: String, in names: [String]) -> [String] {
        guard let given = SnapshotName(name) else { return [] }
        var candidates = SnapshotPartner.candidates(for: given, among: names.compactMap { SnapshotName($0) })
        if let configured = session?.configuration.powerDNS {
            let both = [configured.main, configured.shard]
            if !both.contains(""), both.contains(given.database) {
                candidates.removeAll { !both.contains($0.database) }
            }
        }
        return candidates.map(\.description)
    }

    private func filePartners(of path: String) -> [PowerDNSSource.Part] {
        guard let slash = path.lastIndex(of: "/") else { return [] }
        let (directory, name) = (String(path[...slash]), String(path[path.index(after: slash)...]))
        let snapshots = partners(of: name, in: LocalFile.names(in: directory))
        // PowerDNS names the file of the records like that of the zones, with the suffix -0.
        let lmdb = path.hasSuffix("-0") ? String(path.dropLast(2)) : path + "-0"
        return (snapshots.map { directory + $0 } + (access(lmdb, F_OK) == 0 ? [lmdb] : [])).map { .file($0) }
    }

    // MARK: Instances

    /// Adds all databases of PowerDNS that an instance has in the storage.
    private func addInstance(_ name: String, _ found: inout [PowerDNSRole: Environment]) throws {
        guard let session else { return }
        let instance = SnapshotName.sanitize(instance: name)
        let powerDNS = session.configuration.powerDNS
        var others: Set<String> = []
        var problem: String?
        var databases: [PowerDNSRole: String] = [:]
        for database in session.configuration.databases.map(\.name) {
            let stored = try StoredInstance.load(instance, of: database, session)
            others.formUnion(stored.others)
            guard let chain = stored.chain else { continue }
            let environment = try importChain(chain, stored.full)
            guard let role = try PowerDNSRole.detect(environment) else {
                problem = try PowerDNSRole.schemaProblem(environment) ?? problem
                others.insert(instance)
                continue
            }
            let wanted = role == .main ? powerDNS.main : powerDNS.shard
            guard wanted.isEmpty || wanted == database else { continue }
            if let other = databases[role] { throw PowerDNSFault.ambiguous(other, database, role) }
            guard found[role] == nil else { throw PowerDNSFault.sameContents(name, role) }
            (databases[role], found[role]) = (database, environment)
        }
        guard databases.isEmpty else { return }
        if others.contains(instance) { throw PowerDNSFault.notPowerDNS(name, problem: problem) }
        throw PowerDNSFault.noInstance(name, known: others.sorted())
    }

    private func importChain(_ chain: StoredChain, _ full: Spool) throws -> Environment {
        let name = chain.full.name.description
        let imported = try read(name, full) { try SnapshotImport($0) }
        for delta in chain.deltas { try read(delta.name.description, delta.body) { try imported.merge($0) } }
        return imported.environment
    }

    private func openFile(_ path: String) throws -> Environment {
        let file = try LocalFile.open(path)
        var magic: [UInt8] = [0, 0]
        let count = try magic.withUnsafeMutableBytes { try file.read(at: 0, into: $0) }
        if count == 2, magic == [0x1f, 0x8b] { return try importSnapshot(path, file) }
        return try LocalDatabase(name: path, path: path, noSubdirectory: true, isNative: true).open()
    }

    private func importSnapshot(_ name: String, _ spool: Spool) throws -> Environment {
        try read(name, spool) { try SnapshotImport($0).environment }
    }

    /// Reads a snapshot or a delta with `body`, and shows its progress.
    private func read<Result>(_ name: String, _ spool: Spool, _ body: (Spool) throws -> Result) throws -> Result {
        try context.withProgress(Progress(title: "reading \(name)", totalBytes: spool.count), writesResults: false) {
            line in
            do {
                return try body(SnapshotText.observed(spool, line))
            } catch let error as SnapshotError {
                throw PowerDNSFault.badSnapshot(name, error)
            } catch let error as PowerDNSReadError {
                throw PowerDNSFault.badContents(name, error)
            }
        }
    }

    private func load(_ name: String) throws -> Spool {
        guard let session else { return Spool([]) }
        return try context.withProgress(Progress(title: "loading \(name)"), writesResults: false) { line in
            try session.withStorage(writes: false, progress: line) { try await $0.loadListed(name) }
        }
    }

    private func listObjects() throws -> [String] {
        guard let session else { return [] }
        return try session.withStorage(writes: false) { try await $0.list(prefix: "").map(\.name) }
    }
}

extension PowerDNSSource.Part {
    /// As in the command line.
    var name: String {
        switch self {
        case .object(let name), .file(let name), .instance(let name): name
        }
    }
}

extension PowerDNSRole {
    /// The contents of such an LMDB, for messages.
    var contents: String { self == .main ? "zones" : "records" }
}

import BlobStorage
import Config
import Daemon
import Glibc
import LMDB
import Monitoring
import PowerDNSDatabase
import PowerDNSSync
import Snapshots
import Support

/// Gathers the facts one group after the other, and has them judged.
package struct Examination {
    var session: Session
    var pdnsConf: String?
    /// Whether this host only runs `receive`.
    var receives: Bool

    static let configurationCure = "see docs/configuration.md; docs/configuration-reference.md lists every key"

    private var configuration: Config.Configuration { session.configuration }

    /// - Parameters:
    ///   - session: the session with the configuration.
    ///   - pdnsConf: the configuration file of the PowerDNS server; nil to skip it.
    ///   - receives: whether this host only runs `receive`.
    package init(_ session: Session, pdnsConf: String?, receives: Bool) {
        self.session = session
        self.pdnsConf = pdnsConf
        self.receives = receives
    }

    /// Adds everything that there is to say to a report.
    package func run(_ report: inout DoctorReport) throws {
        try report.add(checkConfiguration())
        var databases = configuration.databases.map {
            DatabaseFacts($0, of: configuration.databases.count)
        }
        let files = ApplicationUser.assign(
            databases.map(\.files), powerDNS: powerDNSUser?.account,
            isPowerDNS: { powerDNSUser?.files.contains(realPath($0.dataFile)) ?? false })
        for (index, facts) in files.enumerated() { databases[index].files = facts }
        try report.add(checkHost(databases))
        for facts in databases {
            var findings = Findings("database \(facts.database.name)")
            facts.check(&findings)
            try report.add(findings)
        }
        let mode = try checkDaemon(&report)
        try checkStorage(&report, receives: receives || mode == .receive)
        try checkAPI(&report)
        try checkPush(&report)
        if let pdnsConf { try report.add(checkPowerDNS(pdnsConf, databases)) }
    }

    // MARK: Configuration

    private func checkConfiguration() -> Findings {
        var findings = Findings("configuration")
        for warning in session.warnings { findings.warn("file", "\(warning)", cure: Self.configurationCure) }
        if session.warnings.isEmpty {
            findings.pass("file", "\(session.options.configurationFile): no errors, no warnings")
        }
        findings.pass("instance", configuration.instance)
        // A process can have an LMDB open only once, and two databases would send each other's entries.
        var names: [String: String] = [:]
        for database in configuration.databases {
            let path = realPath(LMDB.EnvironmentOptions(database).dataFile)
            if let other = names[path] {
                findings.fail(
                    "databases", "\(other) and \(database.name) are the same file, \(path)",
                    cure: "list each LMDB once under lmdbs")
            }
            names[path] = database.name
        }
        return findings
    }

    // MARK: The daemon

    /// - Returns: the mode of this host's daemon; nil if unknown.
    private func checkDaemon(_ report: inout DoctorReport) throws -> StatusReport.Mode? {
        guard let address = configuration.http.address else { return nil }
        var mode: StatusReport.Mode?
        var findings = Findings("daemon")
        do {
            let answer = try runBlocking { try await RunningDaemon(address, configuration).report() }
            let health = answer.health
            mode = answer.mode
            if health.failures.isEmpty { findings.pass("health", "it runs; no check fails") }
            for (name, text) in health.failures.sorted(by: { $0.key < $1.key }) {
                findings.fail("health", "\(name): \(text)", cure: "see docs/monitoring.md about this check")
            }
            for (name, text) in health.warnings.sorted(by: { $0.key < $1.key }) {
                findings.warn("health", "\(name): \(text)", cure: "see docs/monitoring.md about this check")
            }
        } catch let failure as CommandFailure {
            findings.skip("health", failure.description)
        }
        try report.add(findings)
        return mode
    }

    // MARK: Storage

    private func checkStorage(_ report: inout DoctorReport, receives: Bool) throws {
        var findings = Findings("storage")
        if case .memory = configuration.storage.backend {
            findings.warn(
                "type", "memory: nothing leaves this process, which is useful only for tests",
                cure: "set storage.type to s3, or to fs with a directory shared by the hosts")
        }
        let names = configuration.databases.map(\.name)
        let instance = SnapshotName.sanitize(instance: configuration.instance)
        var start = StorageFacts(
            cleans: configuration.storage.cleanup.enabled, receives: receives,
            clockTolerance: configuration.clockSkewTolerance)
        if case .s3(let options) = configuration.storage.backend {
            start.asksForNotifications = options.notifications != .off
            start.wantsNotifications = options.notifications == .on
            start.notifications = .notTried
        }
        do {
            let (facts, writers, sealing) = try probe(start, names, instance)
            StorageChecks.check(facts, &findings)
            checkDirectory(&findings)
            try report.add(findings)
            if !sealing.keyIDs.isEmpty || sealing.closed > 0 {
                var findings = Findings("sealing")
                SealingChecks.check(sealing, &findings)
                try report.add(findings)
            }
            for name in names {
                guard let source = writers[name] else { continue }
                var findings = Findings("database \(name) in the storage")
                InstanceChecks.check(
                    InstanceFacts(instance: instance, hostname: session.hostname, source: source), &findings)
                try report.add(findings)
            }
        } catch let error as BlobStoreError {
            findings.add("open", .fail, error.description, nil)
            try report.add(findings)
        } catch let error as CommandFailure {
            findings.add("open", .fail, error.description, nil)
            try report.add(findings)
        }
    }

    /// Tries the storage.
    ///
    /// - Parameter names: the databases.
    /// - Returns: what works, who has written last with the own name, by database, and what is sealed.
    private func probe(
        _ start: StorageFacts, _ names: [String], _ instance: String
    ) throws -> (StorageFacts, [String: InstanceFacts.Source], SealingFacts) {
        let (now, keyring) = (UInt64(session.context.clock()), try configuration.storage.keyring())
        return try session.withOpenStorage(writes: false) { storage in
            let probe = StorageProbe(store: storage.unmarked, databases: names, instance: instance)
            let (facts, blobs) = try await probe.run(start)
            var (writers, sealing): ([String: InstanceFacts.Source], SealingFacts) = ([:], SealingFacts())
            guard facts.list == .works else { return (facts, writers, sealing) }
            for name in names {
                writers[name] = try await probe.lastWriter(name, blobs[name] ?? [], now: now)
            }
            sealing = try await SealingChecks.gather(keyring, storage, blobs, instance: instance, now: now)
            return (facts, writers, sealing)
        }
    }

    // MARK: PowerDNS

    private func checkAPI(_ report: inout DoctorReport) throws {
        guard configuration.powerDNS.enabled != .never, let api = PowerDNSAPI(configuration.powerDNS.api) else {
            return
        }
        var findings = Findings("PowerDNS's API")
        do {
            try runBlocking { try await api.check() }
            findings.pass("flush", "\(configuration.powerDNS.api.url) answers, and accepts the key")
        } catch {
            findings.warn(
                "flush", "\(error)", cure: "answers change when PowerDNS's caches expire; see docs/powerdns.md")
        }
        try report.add(findings)
    }

    private func checkPowerDNS(_ file: String, _ databases: [DatabaseFacts]) -> Findings {
        var findings = Findings("PowerDNS, \(file)")
        let known = databases.map { facts in
            PowerDNSFacts.Database(
                name: facts.database.name, path: realPath(facts.files.dataFile),
                configuredMapSize: Int(clamping: facts.database.options.mapSize), mapSize: facts.lmdb?.mapSize,
                schemaVersion: facts.lmdb?.schemaVersion)
        }
        do {
            let pdns = try PowerDNSConfiguration.load(file)
            let flushes = configuration.powerDNS.enabled != .never && !configuration.powerDNS.api.url.isEmpty
            let facts = PowerDNSFacts(databases: known, flushesCaches: flushes, resolve: realPath)
            PowerDNSChecks.check(pdns, facts, &findings)
        } catch {
            findings.fail("file", "\(error)", cure: "set the path of PowerDNS's configuration with --pdns-conf")
        }
        return findings
    }
}

/// The absolute path without links and dots; for a missing file, that of its directory with its name.
@Sendable func realPath(_ path: String) -> String {
    if let real = realpath(path, nil) {
        defer { free(real) }
        return String(cString: real)
    }
    let directory = FileChecks.directory(of: path)
    guard let real = realpath(directory, nil) else { return path }
    defer { free(real) }
    let name = path.lastIndex(of: "/").map { path[path.index(after: $0)...] } ?? path[...]
    let base = String(cString: real)
    return base == "/" ? "/\(name)" : "\(base)/\(name)"
}

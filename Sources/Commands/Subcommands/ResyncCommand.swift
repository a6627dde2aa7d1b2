import ArgumentParser
import BlobStorage
import Config
import Daemon
import Monitoring
import Observability
import Replication
import Snapshots
import Support

/// `lightningstream resync`: rebuilds a database that was out of sync for too long.
struct Resync: ProgramCommand {
    static let configuration = CommandConfiguration(
        abstract: "Rebuild a database that was out of sync for too long, so that it may send again.",
        discussion: """
            For databases whose sending is blocked because they were out of sync for long (sweeper.enabled): entries that \
            were deleted on other instances meanwhile, and that no other has any more, are removed; everything else is \
            merged as usual. Entries younger than the retention are always kept. A database that may send is left \
            unchanged. Runs beside the application and a daemon, which notices it automatically.
            """)

    @Option(
        name: .customLong("only-db"),
        help: ArgumentHelp("Rebuild only this database; may be repeated.", valueName: "name"))
    var onlyDatabases: [String] = []

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        try Session.run(global, in: context) { session in
            let configuration = session.configuration
            let databases = try session.databases(named: onlyDatabases, flag: "--only-db").map {
                SyncSettings($0, in: configuration, receiveOnly: false, hostname: session.hostname)
            }
            guard configuration.sweeper.enabled else {
                throw CommandFault.noSweeper(file: session.options.configurationFile)
            }
            let sweeper = SweeperMachine.Settings(configuration.sweeper)
            let logger = session.instanceLogger()
            let hostname = session.hostname
            return try session.withOpenStorage(writes: true) { storage in
                let store = storage.store
                var code = ExitCode.success
                for settings in databases {
                    let name = settings.identity.database
                    do {
                        let resync = Replication.Resync(settings: settings, sweeper: sweeper, store: store)
                        let outcome = try await resync.run { step in
                            logger.info("resync: \(step)", metadata: ["db": "\(name)"])
                        }
                        if configuration.publishState, case .rebuilt(let report) = outcome,
                            let state = InstanceState(
                                report, of: settings.machine.instance, hostname: hostname, at: UInt64(context.clock()))
                        {
                            try await StateObjects(storage.unmarked, database: name).store(state)
                        }
                        var output = BufferedOutput(context.standardOutput)
                        output.append("\(name): \(Self.text(outcome))")
                        try output.endLine()
                        try output.flush()
                    } catch let error as OutputClosed {
                        throw error
                    } catch {
                        context.report("database \(name): \(Advice.line(error))")
                        code = ExitCode.failure
                    }
                }
                return code
            }
        }
    }

    private static func text(_ outcome: Replication.Resync.Outcome) -> String {
        switch outcome {
        case .notNeeded(let lastSync):
            let time = lastSync.map { "last in sync at \(WallTime(nanosecondsSinceEpoch: $0).rfc3339(digits: 0))" }
            return "nothing to do: sending is not blocked (\(time ?? "no absence is recorded"))"
        case .rebuilt(let report):
            let sources = Set(report.snapshots.map(\.instance)).sorted().joined(separator: ", ")
            let stored =
                report.stored.map { "stored \($0)" } ?? "stored nothing, because there was no snapshot of this instance"
            return "rebuilt from \(sources): merged \(report.entries.merged), removed \(report.entries.removed); "
                + "\(stored); it may send again"
        }
    }
}

extension InstanceState {
    /// The state of an instance after a rebuild, without snapshots merged before, which may no longer exist.
    ///
    /// Nil if it has no snapshot. A daemon replaces it when it notices the rebuild; without one there is no update.
    fileprivate init?(_ report: Replication.Resync.Report, of instance: String, hostname: String, at time: UInt64) {
        guard let stored = report.stored else { return nil }
        let merged = Dictionary(report.snapshots.map { ($0.instance, $0.description) }) { max($0, $1) }
        self.init(
            instance: instance, hostname: hostname, software: "lightningstream \(programVersion)",
            time: WallTime(nanosecondsSinceEpoch: time).rfc3339(digits: 3), sent: stored.description, applied: merged,
            covered: merged, health: HealthChecks.Status.ok.rawValue, interval: 0)
    }
}

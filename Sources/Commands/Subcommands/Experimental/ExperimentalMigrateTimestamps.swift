import ArgumentParser
import Daemon
import LMDB
import Replication

/// `lightningstream experimental migrate-timestamps`: copies timestamps from one DBI to another.
struct MigrateTimestamps: ProgramCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate-timestamps",
        abstract: "Copy timestamps from the entries of one DBI to those of another, key by key.",
        discussion: """
            For an application that has moved its data to a new schema, which initially has no timestamps, such as \
            PowerDNS from 4.7 to 4.9 (docs/upgrading.md). The values of both DBIs begin with a header. A timestamp is never \
            replaced by a lower one; values and deletion marks are unchanged. Integer keys (MDB_INTEGERKEY) are \
            converted to big-endian if the other DBI does not have them, and those of the shadow DBIs of PowerDNS's \
            indexes (_sync_shadow_domains_0) to the keys of its schema 5 (domains_v5_0). All changes are made in one \
            transaction, and none after an error. Stop the daemon first: the command is refused while it runs.
            """)

    @Option(
        name: [.customShort("d"), .customLong("database")],
        help: ArgumentHelp("The database that contains both DBIs.", valueName: "db"))
    var database: String

    @Option(
        name: .customLong("src-dbi"),
        help: ArgumentHelp("The DBI with the timestamps, such as _sync_shadow_records.", valueName: "dbi"))
    var source: String

    @Option(
        name: .customLong("dst-dbi"),
        help: ArgumentHelp("The DBI that receives them, such as records_v5.", valueName: "dbi"))
    var destination: String

    @Flag(help: "Add Deleted entries that the other DBI does not have, so that they stay deleted.")
    var addDeleteEntries = false

    @Flag(
        name: .customLong("ignore-src-dbi-not-present"), help: "End with exit code 0 if the source DBI does not exist."
    )
    var ignoresMissingSource = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func validate() throws {
        if source == destination {
            throw ValidationError(CommandFault.sameDBI(source).description)
        }
    }

    func perform(in context: CommandContext) throws -> Int32 {
        try Session.run(global, in: context) { session in
            session.logConfiguration(session.logger())
            guard let database = try session.databases(named: [database], flag: "--database").first else {
                throw CommandFault.noDatabase
            }
            let migration = TimestampMigration(
                source: source, destination: destination, addsDeleted: addDeleteEntries,
                paddingBlock: database.headerExtraPaddingBlock)
            let report: TimestampMigration.Report?
            do {
                report = try migration.run(LocalDatabase(database).openWithoutDaemon())
            } catch let error as LocalContentError {
                throw CommandFault.unchanged(command: "migrate-timestamps", database: database.name, error)
            } catch let error as LMDBError {
                throw CommandFault.failedDatabase(command: "migrate-timestamps", database: database.name, error)
            }
            var output = BufferedOutput(context.standardOutput)
            if let report {
                try output.append(lines: lines(report, of: database.name))
            } else if ignoresMissingSource {
                try output.append(lines: ["\(database.name): there is no DBI \(source); nothing to do"])
            } else {
                throw CommandFault.noSource(source, database: database.name)
            }
            try output.flush()
            return ExitCode.success
        }
    }

    private func lines(_ report: TimestampMigration.Report, of database: String) -> [String] {
        var line =
            "\(database): \(source) to \(destination): copied \(report.copied), kept \(report.kept), "
            + "added \(report.added) as Deleted"
        if report.deletedLeftOut > 0 {
            line += ", left out \(report.deletedLeftOut) Deleted (--add-delete-entries adds them)"
        }
        if report.missing > 0 { line += ", left out \(report.missing) live, which \(destination) does not have" }
        guard report.differing > 0 else { return [line] }
        let entries = report.differing == 1 ? "1 entry differs" : "\(report.differing) entries differ"
        return [
            line,
            "\(database): \(entries) in \(source), which lacks the last change: the timestamp is that of the previous value",
        ]
    }
}

import ArgumentParser
import Daemon
import LMDB
import Replication
import Support

/// `lightningstream drop-shadow`: drops the private DBIs of syncing.
struct DropShadow: ProgramCommand {
    static let configuration = CommandConfiguration(
        abstract: "Drop all DBIs whose names begin with _sync, in every configured database.",
        discussion: """
            For an application that now keeps timestamps itself (PowerDNS 4.8 or later), or to restart shadow \
            mode. Stop the daemon first: the command is refused while it runs. The information in these DBIs is lost: the time of each change, \
            deleted entries, and the time of the last sync. At the next start in shadow mode all local entries count \
            as older than any snapshot, including those of this instance. To keep timestamps, copy them first with \
            experimental migrate-timestamps; otherwise deleted entries may return from other instances. The application's own \
            DBIs are not changed. Each database is changed in one transaction; a failure does not affect the others.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        try Session.run(global, in: context) { session in
            var output = BufferedOutput(context.standardOutput)
            return try session.forEachDatabase { database in
                let dropped = try ShadowRemoval.run(database.openWithoutDaemon())
                for dbi in dropped {
                    output.append(
                        "\(database.name): dropped \(PrintableText.line(dbi.name)), \(Self.count(dbi.entries))")
                    try output.endLine()
                }
                if dropped.isEmpty {
                    output.append("\(database.name): nothing to drop")
                    try output.endLine()
                }
                try output.flush()
            }
        }
    }

    private static func count(_ entries: Int) -> String { entries == 1 ? "1 entry" : "\(entries) entries" }
}

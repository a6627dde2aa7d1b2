import ArgumentParser
import Daemon
import LMDB
import Replication
import Support

/// `lightningstream drop-shadow`: drops the DBIs that the syncing keeps for itself.
struct DropShadow: ProgramCommand {
    static let configuration = CommandConfiguration(
        abstract: "Drop all DBIs whose names begin with _sync, in every configured database.",
        discussion: """
            For an application that keeps timestamps itself from now on (PowerDNS 4.8 or newer), or to start shadow \
            mode anew. Stop the daemon first: the command is refused while it runs. What only the shadow DBIs know is lost: when each entry was changed, which \
            entries were deleted, and how long the database was away. At the next start in shadow mode everything here counts \
            as older than any snapshot, our own included. To keep timestamps, carry the timestamps over before that, with \
            experimental migrate-timestamps, or deleted entries may come back from other instances. The application's own \
            DBIs are not touched. Each database is done in one transaction, the others also when one of them fails.
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

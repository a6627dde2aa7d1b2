import ArgumentParser
import Daemon

/// `lightningstream stats`: sizes and counters of the local databases.
struct Stats: ProgramCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show sizes and counters of the local databases and their DBIs.",
        discussion: "The LMDBs are opened read-only. Fails if one of them cannot be opened.")

    @Flag(help: "Show an array of databases; docs/commands.md describes them.")
    var json = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        try Session.run(global, in: context) { session in
            var output = BufferedOutput(context.standardOutput)
            guard !json else { return try writeJSON(session, &output) }
            var isFirst = true
            let code = try session.forEachDatabase { database in
                let lines = try StatsReport(database).lines
                try output.append(lines: isFirst ? lines : [""] + lines)
                isFirst = false
            }
            try output.flush()
            return code
        }
    }

    private func writeJSON(_ session: Session, _ output: inout BufferedOutput) throws -> Int32 {
        var reports: [StatsReport] = []
        let code = try session.forEachDatabase { reports.append(try StatsReport($0)) }
        try output.appendJSONArray(reports)
        try output.flush()
        return code
    }
}

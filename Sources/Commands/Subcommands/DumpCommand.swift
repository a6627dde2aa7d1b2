import ArgumentParser
import Daemon

/// `lightningstream dump`: the contents of the local databases as text.
struct Dump: ProgramCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show all entries of the local databases as text.",
        discussion: """
            The LMDBs are opened read-only. While a dump runs, LMDB cannot reuse pages that are freed \
            meanwhile: write it to a file rather than leaving it open in a pager. Fails if an LMDB cannot be opened.
            """)

    @Option(
        name: [.customShort("n"), .customLong("name")],
        help: ArgumentHelp("Show only this database.", valueName: "db"))
    var database: String?

    @Flag(name: [.customShort("H"), .customLong("hide")], help: "Omit the DBIs whose names begin with _sync.")
    var hidesPrivate = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        try Session.run(global, in: context) { session in
            var output = BufferedOutput(context.standardOutput)
            return try session.forEachDatabase(named: database) { database in
                try context.withProgress(Progress(title: "dump \(database.name)"), writesResults: true) { line in
                    try DatabaseDump(hidesPrivate: hidesPrivate).write(database, to: &output, line)
                }
            }
        }
    }
}
